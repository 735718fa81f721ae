"""Sweeps on disk, beside the artefacts that they measure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from retrieval import manifest
from retrieval.errors import Damaged
from retrieval.galleries.base import Gallery
from retrieval.indexes.base import Index
from retrieval.measure.sweep import Asked, Kind, Point
from retrieval.runtime.machine import machine
from retrieval.runtime.paths import plain
from retrieval.store import Built, Key, columns_key, index_key, vectors_key
from retrieval.types import Spec

FILE = "points.json"


@dataclass(frozen=True)
class Sweep:
    """What was measured of one index over one gallery's vectors.

    Attributes:
        key: the index's key in the store, with the kind of queries, their number and k.
        points: one a setting.
        nbytes: what the index holds in memory.
        build_s: seconds that building it took.
        machine: where it was measured.
        at: when, in UTC.
    """

    key: Key
    points: tuple[Point, ...]
    nbytes: int
    build_s: float
    machine: str
    at: str

    @property
    def here(self) -> bool:
        """Whether it was measured on a machine like this one."""
        return self.machine == machine()


def key(gallery: Gallery, spec: Spec, index: Index, asked: Asked) -> Key:
    """All that decides a sweep of an index over a gallery's vectors by an embedder."""
    stored = vectors_key(gallery, spec) | columns_key(gallery, index.spec)
    built = index_key(stored, index.spec, index.knobs)
    return of(built, asked.kind, asked.k, len(asked.vectors))


def of(index: Key, kind: Kind, k: int, count: int) -> Key:
    """All that decides a sweep of an index that need not be here, by the index's own key."""
    return {**index, "kind": "sweep", "queries": kind, "k": k, "count": count}


def made(key: Key, points: Sequence[Point], built: Built) -> Sweep:
    """A sweep of here and now."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Sweep(key, tuple(points), built.index.nbytes(), built.seconds, machine(), now)


def merged(old: Sweep | None, new: Sweep) -> Sweep:
    """A sweep with what an older one of the same machine has beside it."""
    if old is None or old.machine != new.machine:
        return new
    again = [point.knobs for point in new.points]
    kept = [point for point in old.points if point.knobs not in again]
    return replace(new, points=(*kept, *new.points))


class Sweeps:
    """Two roots: what ships, read only, and a cache, which is looked into first.

    Args:
        shipped: folder of sweeps that ship.
        cache: folder of those made here.
    """

    def __init__(self, shipped: Path, cache: Path) -> None:
        self.shipped = shipped
        self.cache = cache

    def find(self, wanted: Key) -> Sweep | None:
        """The sweep of a key, one made here before one that ships."""
        for root in (self.cache, self.shipped):
            folder = place(root, wanted)
            if (folder / manifest.NAME).is_file():
                try:
                    return read(folder)
                except Damaged:
                    if root == self.shipped:
                        raise
        return None

    def save(self, sweep: Sweep) -> None:
        """Keep a sweep in the cache, with what is known of the same machine beside it.

        Raises:
            LabError: the cache cannot be written.
        """
        target = place(self.cache, sweep.key)
        with manifest.alone(target), manifest.publish(target, sweep.key) as folder:
            body = asdict(merged(self.sound(sweep.key), sweep))
            del body["key"]
            (folder / FILE).write_text(json.dumps(body, indent=1), "utf-8")

    def sound(self, wanted: Key) -> Sweep | None:
        """The same; none where what ships is damaged, as it is measured anew then."""
        try:
            return self.find(wanted)
        except Damaged:
            return None

    def folders(self) -> Iterator[Path]:
        """Every sweep of both roots."""
        for root in (self.shipped, self.cache):
            for found in sorted(root.glob(f"*/*/[!.]*/{manifest.NAME}")):
                yield found.parent


def place(root: Path, wanted: Key) -> Path:
    """Where a sweep stands below a root."""
    name = f"{plain(wanted['index'])}-{manifest.digest(wanted)}"
    return Path(root, wanted["gallery"], plain(wanted["embedder"]), name)


def read(folder: Path) -> Sweep:
    """A sweep, its file checked.

    Raises:
        Damaged: it differs from its manifest, or has another form.
    """
    return manifest.steady(folder, _read)


def _read(folder: Path) -> Sweep:
    known = manifest.check(folder)["key"]
    try:
        body: dict[str, Any] = json.loads((folder / FILE).read_text("utf-8"))
        points = tuple(Point(**each) for each in body.pop("points"))
        return Sweep(key=known, points=points, **body)
    except (OSError, ValueError, KeyError, TypeError) as error:  # as another version wrote it
        raise Damaged(f"{folder / FILE} cannot be read ({error}); delete {folder}") from error
