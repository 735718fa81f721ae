"""Vectors and indexes on disk: found by what decides them, checked before they are used."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieval import manifest, shards
from retrieval.embedders.base import Embedder
from retrieval.errors import Damaged
from retrieval.galleries.base import Gallery
from retrieval.indexes import INDEXES
from retrieval.indexes.base import Index, knob
from retrieval.known import Known, named, newest_first
from retrieval.partial import Ahead, Partial
from retrieval.runtime.paths import plain
from retrieval.types import Metric, Progress, Spec, Vectors
from retrieval.where import Columns

BUILDS = 2
"""Indexes and galleries that are made at once; the next wait."""
CHUNK = 512
"""Rows that are embedded between two looks at the disk; a killed build loses fewer."""

Key = dict[str, Any]


def vectors_key(gallery: Gallery, embedder: Spec) -> Key:
    """All that decides a gallery's vectors."""
    return {
        "kind": "vectors",
        "gallery": gallery.name,
        "gallery_revision": revision(gallery, embedder),
        "embedder": embedder.name,
        "source": embedder.source,
        "revision": embedder.revision,
        "preprocessing": embedder.preprocessing,
        "precision": embedder.precision,
        "metric": str(embedder.metric),
        "dim": embedder.dim,
    }


def revision(gallery: Gallery, embedder: Spec) -> str:
    """What of a gallery an embedder reads: its pictures, or its words too."""
    if embedder.reads_images or not gallery.words:
        return gallery.revision
    return f"{gallery.revision} {gallery.words}"


def index_key(vectors: Key, index: Spec, knobs: dict[str, int]) -> Key:
    """All that decides an index over a gallery's vectors."""
    build = {name: value for name, value in knobs.items() if knob(index, name).when == "build"}
    return {**vectors, "kind": "index", "index": index.name, "knobs": dict(sorted(build.items()))}


def columns_key(gallery: Gallery, index: Spec) -> Key:
    """What decides the columns that an index keeps; nothing where it keeps none."""
    if index.filters != "columns":
        return {}
    return {"columns": " ".join([*sorted(gallery.columns), gallery.words]).strip()}


@dataclass(frozen=True)
class Built:
    """An index, the seconds that building it took, and whether that was just now."""

    index: Index
    seconds: float
    fresh: bool


class Store:
    """Two roots: what ships, read only, and a cache.

    Args:
        shipped: folder of prebuilt artefacts.
        cache: folder for what is built here.
    """

    def __init__(self, shipped: Path, cache: Path) -> None:
        self.shipped = shipped
        self.cache = cache
        self._building = threading.BoundedSemaphore(BUILDS)

    def find(self, key: Key) -> Path | None:
        """The sound folder of a key, every file checked; None where it must be built."""
        for root in (self.shipped, self.cache):
            folder = place(root, key)
            if (folder / manifest.NAME).is_file():
                try:
                    if manifest.check(folder)["key"] == key:
                        return folder
                except Damaged:
                    if root == self.shipped:  # a checkout that is broken should say so
                        raise
        return None

    def vectors(
        self,
        gallery: Gallery,
        spec: Spec,
        embedder: Callable[[], Embedder],
        progress: Progress | None = None,
        ahead: Ahead | None = None,
    ) -> Vectors:
        """A gallery's vectors, embedded now if they are nowhere.

        Args:
            gallery: whose rows.
            spec: which embedder.
            embedder: loads it, called only if it is needed.
            progress: told of rows done.
            ahead: embeds elsewhere what is nowhere; whatever it leaves is embedded here.

        Returns:
            (n, dim) float32 rows of length 1, or (n, bytes) uint8.
        """
        key = vectors_key(gallery, spec)
        folder = self.find(key)
        if folder is None:
            with manifest.alone(place(self.cache, key)):
                folder = self.find(key) or self._embed(gallery, key, embedder(), progress, ahead)
        return shards.read(folder, spec.metric)

    def index(
        self,
        vectors: Vectors,
        key: Key,
        spec: Spec,
        metric: Metric,
        knobs: dict[str, int],
        columns: Columns | None = None,
    ) -> Built:
        """An index over the vectors and columns of a key, built now if it is nowhere."""
        index = INDEXES.load(spec)(spec, metric, **knobs)
        key = index_key(key, spec, index.knobs)
        if not index.keeps:  # nothing of it is worth a file
            return Built(index, self._build(index, vectors, columns, key), fresh=True)
        seconds = self._loaded(index, vectors, columns, key)
        if seconds is not None:
            return Built(index, seconds, fresh=False)
        with manifest.alone(place(self.cache, key)):
            seconds = self._loaded(index, vectors, columns, key)
            if seconds is not None:
                return Built(index, seconds, fresh=False)
            return Built(index, self._build(index, vectors, columns, key), fresh=True)

    def _loaded(
        self, index: Index, vectors: Vectors, columns: Columns | None, key: Key
    ) -> float | None:
        """Load an index; the seconds of its build, none where it must be built."""
        folder = self.find(key)
        if folder is None:
            return None
        try:
            index.load(folder, vectors, columns)
        except Damaged:  # sound by its hashes, but not for this release of the engine
            if folder.is_relative_to(self.shipped):
                raise
            return None
        return float(manifest.read(folder)["recorded"]["seconds"])

    def folders(self) -> Iterator[Path]:
        """Every artefact of both roots."""
        for root in (self.shipped, self.cache):
            for found in sorted(root.glob(f"*/*/[!.]*/{manifest.NAME}")):
                yield found.parent

    def _build(self, index: Index, vectors: Vectors, columns: Columns | None, key: Key) -> float:
        with self._building if index.keeps else nullcontext():  # the others take no time
            start = time.perf_counter()
            index.build(vectors, columns)
            seconds = time.perf_counter() - start
        if not index.keeps:
            return seconds
        with manifest.publish(place(self.cache, key), key, seconds) as folder:
            index.save(folder)
        return seconds

    def _embed(
        self,
        gallery: Gallery,
        key: Key,
        embedder: Embedder,
        progress: Progress | None,
        ahead: Ahead | None,
    ) -> Path:
        target = place(self.cache, key)
        partial = Partial(target.with_name(f"{target.name}.partial"), len(gallery), CHUNK)
        known = self._known(gallery, key, embedder.spec)
        with self._building:
            if ahead is not None:
                partial.fill(known, ahead, progress, gallery.name)
            _embed_rest(partial, known, gallery, embedder, progress)
            chunks = [partial.read(rows) for rows in partial.pieces]
        with manifest.publish(target, key) as folder:
            shards.write(folder, chunks, key)
            known.save(folder)
        partial.drop()
        return target

    def _known(self, gallery: Gallery, key: Key, spec: Spec) -> Known:
        """What the gallery's pictures had for vectors when it was last embedded."""
        names = gallery.identities() if spec.reads_images else None
        if names is None:
            return Known(None, {})
        for folder in newest_first(place(self.cache, key).parent.glob("vectors-*/")):
            try:
                found = manifest.check(folder)["key"]
                if {**found, "gallery_revision": key["gallery_revision"]} == key:
                    vectors = shards.read(folder, spec.metric)
                    return Known(names, dict(zip(named(folder), vectors, strict=True)))
            except (Damaged, ValueError):
                continue
        return Known(names, {})


def _embed_rest(
    kept: Partial,
    known: Known,
    gallery: Gallery,
    embedder: Embedder,
    progress: Progress | None,
) -> None:
    """Embed the pieces that are not there; told first how many rows already are."""
    left = [rows for rows in kept.pieces if not kept.sound(rows)]
    there = kept.count - sum(map(len, left))

    def tell(done: int) -> None:
        if progress:
            progress(f"embedding {gallery.name} with {embedder.spec.name}", done, kept.count)

    def inside(_: str, done: int, total: int) -> None:
        if done < total:  # all of them are told once they are on the disk
            tell(there + done)

    tell(there)
    for rows in left:
        kept.keep(rows, functools.partial(known.embed, gallery, embedder, rows, inside))
        there += len(rows)
        tell(there)


def place(root: Path, key: Key) -> Path:
    """Where a key's artefact stands below a root."""
    kind = plain(str(key.get("index", key["kind"])))
    return Path(root, key["gallery"], plain(key["embedder"]), f"{kind}-{manifest.digest(key)}")
