"""Fitted probabilities on disk, beside the vectors whose scores they read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from retrieval import manifest
from retrieval.errors import Damaged
from retrieval.galleries.base import Gallery
from retrieval.lab import Lab
from retrieval.measure.calibration import DEPTH, Calibration, Curve, Reliability, of, top
from retrieval.measure.quality import Task, ranked
from retrieval.measure.sweep import Kind
from retrieval.store import Key, place, vectors_key
from retrieval.types import Spec

FILE = "curve.json"
PLAIN = "(en)"
"""Ends the name of the task whose captions are what people type."""


def key(gallery: Gallery, spec: Spec, kind: Kind) -> Key:
    """All that decides a fit: vectors, words, and the kind of query."""
    vectors = vectors_key(gallery, spec)
    return {**vectors, "kind": "calibration", "task": kind, "words": gallery.words, "depth": DEPTH}


def kind(task: Task) -> Kind | None:
    """The kind of query that a task's fit is for; none where it is in another language."""
    if task.texts is None:
        return "picture"
    return "text" if task.name.endswith(PLAIN) else None


class Calibrations:
    """Two roots: a cache, which is looked into first, and what ships, read only.

    Args:
        shipped: folder of fits that ship.
        cache: folder of those made here.
    """

    def __init__(self, shipped: Path, cache: Path) -> None:
        self.shipped = shipped
        self.cache = cache
        self._read: dict[Path, Calibration] = {}

    def find(self, wanted: Key) -> Calibration | None:
        """The fit of a key, read once; None where there is none that is sound."""
        for root in (self.cache, self.shipped):
            folder = place(root, wanted)
            if (folder / manifest.NAME).is_file():
                try:
                    if folder not in self._read:
                        self._read[folder] = read(folder)
                    return self._read[folder]
                except Damaged:
                    if root == self.shipped:  # a checkout that is broken should say so
                        raise
        return None

    def save(self, wanted: Key, made: Calibration) -> None:
        """Keep a fit in the cache.

        Raises:
            LabError: the disk is full or read-only.
        """
        target = place(self.cache, wanted)
        with manifest.alone(target), manifest.publish(target, wanted) as folder:
            (folder / FILE).write_text(json.dumps(asdict(made)), "utf-8")
        self._read[target] = made

    def folders(self) -> Iterator[Path]:
        """Every fit of both roots."""
        for root in (self.shipped, self.cache):
            for found in sorted(root.glob(f"*/*/[!.]*/{manifest.NAME}")):
                yield found.parent


def calibrations(lab: Lab) -> Calibrations:
    """Where a lab keeps its fits."""
    return Calibrations(lab.data / "calibrations", lab.cache / "calibrations")


def fitted(lab: Lab, gallery: Gallery, embedder: str, task: Task) -> Calibration:
    """The fit of a task's queries, made now.

    Raises:
        LabError: the embedder cannot read the queries, or they are too few.
    """
    return of(task, [top(*each) for each in ranked(lab, gallery, embedder, task)])


def read(folder: Path) -> Calibration:
    """A fit, its file checked.

    Raises:
        Damaged: it differs from its manifest.
    """
    return manifest.steady(folder, _read)


def _read(folder: Path) -> Calibration:
    manifest.check(folder)
    body: dict[str, Any] = json.loads((folder / FILE).read_text("utf-8"))
    curve = Curve(*(tuple(body["curve"][name]) for name in ("scores", "chances")))
    told = body["reliability"]
    bins = tuple((said, was, count) for said, was, count in told["bins"])
    error, brier = tuple(told["error"]), tuple(told["brier"])
    return Calibration(curve, body["queries"], Reliability(bins, error, brier, told["base"]))
