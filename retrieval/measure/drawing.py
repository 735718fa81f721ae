"""The vectors that indexes are measured over at scale, and what is asked of them."""

from __future__ import annotations

import time

import numpy as np

from retrieval.galleries.base import Gallery
from retrieval.indexes import INDEXES
from retrieval.lab import Lab
from retrieval.measure.drawn import Drawer, Floats, around, stack
from retrieval.measure.notes import Notes
from retrieval.measure.sweep import Asked
from retrieval.runtime import threads
from retrieval.store import vectors_key
from retrieval.types import Metric, Spec

K = 10
COUNT = 50
"""Queries, drawn like the vectors and not among them."""
PROBE = 1024
"""Vectors that are drawn to see how long more of them will take."""


class Drawing:
    """A gallery's own vectors and more that are drawn around them, of one number at a time.

    Args:
        lab: what is loaded.
        gallery: whose vectors.
        embedder: which of them.
        notes: where it is kept how they are drawn.

    Attributes:
        check: figures of drawn ones over those of the gallery's own; 1 is alike.
        pace: seconds that drawing a vector takes, and comparing it with the queries.
    """

    def __init__(self, lab: Lab, gallery: Gallery, embedder: Spec, notes: Notes) -> None:
        self.lab = lab
        self.gallery = gallery
        self.embedder = embedder
        self.notes = notes
        self.check: dict[str, float] = {}
        self.pace = 0.0
        self._drawer: Drawer | None = None
        self._asked: tuple[int, Asked] | None = None

    def asked(self, count: int) -> Asked:
        """So many vectors, and the queries with what is truly nearest to them.

        Raises:
            LabError: the gallery has no vectors here, or too few to draw around.
        """
        if self._asked is None or self._asked[0] != count:
            self._asked = None  # two numbers at once would be too much
            real, drawer = self.ready()
            with self.lab.work.doing("scale", f"drawing {count:,} vectors"):
                self._asked = count, _among(stack(real, drawer, count), drawer)
        return self._asked[1]

    def seconds(self, count: int) -> float:
        """What that will take; nothing where it is done.

        Raises:
            LabError: the gallery has no vectors here, or too few to draw around.
        """
        real, _ = self.ready()
        there = self._asked is not None and self._asked[0] == count
        return 0.0 if there else self.pace * max(0, count - len(real))

    def close(self) -> None:
        """Let go of the vectors."""
        self._asked = self._drawer = None

    def ready(self) -> tuple[Floats, Drawer]:
        """The gallery's own vectors, and what draws more; the first time its pace is tried."""
        real = np.asarray(self.lab.vectors(self.gallery, self.embedder.name), np.float32)
        if self._drawer is None:
            with self.lab.work.doing("scale", "seeing how vectors are drawn"):
                self._drawer = self._calibrated(real)
                start = time.monotonic()
                _among(self._drawer.draw(PROBE), self._drawer)
                self.pace = (time.monotonic() - start) / PROBE
        return real, self._drawer

    def _calibrated(self, real: Floats) -> Drawer:
        """The drawer; how it draws, and how alike that is, is kept for the next time."""
        key = {**vectors_key(self.gallery, self.embedder), "kind": "drawn"}
        note = self.notes.find(key)
        if note is None:
            drawer = around(real)
            method = {"near": drawer.neighbours.shape[1], "step": drawer.step}
            note = self.notes.save(key, {**method, "check": drawer.check()})
        else:
            drawer = around(real, (int(note.body["near"]), float(note.body["step"])))
        self.check = note.body["check"]
        return drawer


def _among(stored: Floats, drawer: Drawer) -> Asked:
    queries, exact = drawer.draw(COUNT, seed=3), INDEXES.spec("exact")
    with INDEXES.load(exact)(exact, Metric.COSINE) as index, threads.every_core():
        index.build(stored)
        truth = index.search(queries, K)[1]
    return Asked(queries, truth, stored, "picture", K)
