"""Detections on disk: two roots, what ships and a cache, as the sweeps have them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from retrieval import manifest
from retrieval.duplicates.detection import SEED, Measured
from retrieval.duplicates.distortions import described
from retrieval.errors import Damaged
from retrieval.galleries.base import Gallery
from retrieval.lab import Lab
from retrieval.runtime.machine import machine
from retrieval.store import Key, vectors_key
from retrieval.types import Spec

ABOUT = "about.json"


@dataclass(frozen=True, eq=False)
class Detection:
    """What was measured of an embedder over a gallery.

    Attributes:
        key: all that decides it; the first ``len(measured)`` pictures of the sample are done.
        measured: the similarities.
        machine: where, several joined by " and ".
        at: when the last part was, in UTC.
        versions: of the libraries that made the last part.
    """

    key: Key
    measured: Measured = field(default_factory=Measured)
    machine: str = ""
    at: str = ""
    versions: dict[str, str] = field(default_factory=dict)

    def more(self, part: Measured) -> Detection:
        """With a further part, of here and now."""
        places = [each for each in self.machine.split(" and ") if each]
        where = " and ".join(dict.fromkeys([*places, machine()]))
        now = datetime.now(UTC).isoformat(timespec="seconds")
        versions: dict[str, str] = manifest.recorded()["versions"]
        return Detection(self.key, self.measured.joined(part), where, now, versions)


def key(gallery: Gallery, spec: Spec) -> Key:
    """All that decides the similarities: the vectors, the distortions and their seed."""
    made = vectors_key(gallery, spec)
    return {**made, "kind": "detection", "distortions": described(), "seed": SEED}


class Detections:
    """What a lab has measured, here or before it was shipped.

    Args:
        lab: whose folders.
    """

    def __init__(self, lab: Lab) -> None:
        self.shipped = lab.data / "duplicates" / "detection"
        self.cache = lab.cache / "detection"

    def find(self, wanted: Key) -> Detection:
        """What is known of a key, the larger sample where both roots have one; perhaps nothing.

        Raises:
            Damaged: what ships differs from its manifest.
        """
        found = [Detection(wanted)]
        for root in (self.shipped, self.cache):
            folder = place(root, wanted)
            if (folder / manifest.NAME).is_file():
                try:
                    found.append(read(folder))
                except Damaged:
                    if root == self.shipped:
                        raise
        return max(found, key=lambda each: len(each.measured))

    def save(self, found: Detection) -> None:
        """Keep it in the cache, unless as large a one is known: it holds this one's pictures.

        Raises:
            LabError: the cache cannot be written.
        """
        target = place(self.cache, found.key)
        with manifest.alone(target):
            if len(self.find(found.key).measured) < len(found.measured):
                self._write(target, found)

    def _write(self, target: Path, found: Detection) -> None:
        with manifest.publish(target, found.key) as folder:
            np.save(folder / "own.npy", found.measured.own)
            np.save(folder / "other.npy", found.measured.other)
            about = {"machine": found.machine, "at": found.at, "versions": found.versions}
            (folder / ABOUT).write_text(json.dumps(about, indent=1), "utf-8")

    def folders(self) -> Iterator[Path]:
        """Every detection of both roots."""
        for root in (self.shipped, self.cache):
            for found in sorted(root.glob(f"*/*/[!.]*/{manifest.NAME}")):
                yield found.parent


def place(root: Path, wanted: Key) -> Path:
    """Where a detection stands below a root."""
    name = f"detection-{manifest.digest(wanted)}"
    return Path(root, wanted["gallery"], wanted["embedder"], name)


def read(folder: Path) -> Detection:
    """A detection, its files checked.

    Raises:
        Damaged: one differs from its manifest.
    """
    return manifest.steady(folder, _read)


def _read(folder: Path) -> Detection:
    known = manifest.check(folder)["key"]
    about = json.loads((folder / ABOUT).read_text("utf-8"))
    own, other = (np.load(folder / f"{name}.npy", allow_pickle=False) for name in ("own", "other"))
    return Detection(known, Measured(own, other), **about)
