"""How often a distorted picture is still found near its original, and near something else.

Similarities are kept, not decisions: at any threshold the rates are read off them.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from retrieval.duplicates.distortions import settings
from retrieval.duplicates.pairs import DECIMALS, compared
from retrieval.embedders.base import Embedder
from retrieval.errors import Unsupported
from retrieval.galleries.base import Gallery
from retrieval.lab import Lab
from retrieval.measure.bootstrap import wilson
from retrieval.runtime import threads
from retrieval.types import Metric, Spec, Vectors

SEED = 0
CHUNK = 2
"""Pictures that are distorted and embedded between two looks at the clock, or at a stop."""
Scores = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Rates:
    """Shares of a sample at one threshold, with 95 % intervals (Wilson), each (s,)."""

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Measured:
    """Similarities of distorted pictures.

    Attributes:
        own: (m, s) of each with its original, by picture and setting.
        other: (m, s) of each with the nearest other picture of the gallery; -1 where it is alone.
    """

    own: Scores = field(default_factory=lambda: np.empty((0, len(settings())), np.float32))
    other: Scores = field(default_factory=lambda: np.empty((0, len(settings())), np.float32))

    def __len__(self) -> int:
        """How many pictures."""
        return len(self.own)

    def detected(self, least: float) -> Rates:
        """Shares of the pictures that are found near their original."""
        return _rates(self.own >= least - 5e-7)

    def alarms(self, least: float) -> NDArray[np.float64]:
        """Shares of the pictures, (s,), that are found near another one.

        A near-duplicate that the gallery really holds counts too, so this is an upper bound.
        """
        hits = (self.other >= least - 5e-7).sum(axis=0)
        shares: NDArray[np.float64] = hits / max(1, len(self.other))
        return shares

    def joined(self, more: Measured) -> Measured:
        """With further pictures."""
        return Measured(
            np.concatenate([self.own, more.own]), np.concatenate([self.other, more.other])
        )


def sample(count: int) -> list[int]:
    """All rows in a seeded order; what is measured is a beginning of it."""
    order: list[int] = np.random.default_rng(SEED).permutation(count).tolist()
    return order


def distorted(image: Image, row: int) -> list[Image]:
    """A picture at every setting, as its row and the seed decide."""
    return [each.apply(image, (SEED, row)) for each in settings()]


def measure(
    lab: Lab, gallery: Gallery, name: str, rows: Sequence[int], seconds: float
) -> Generator[Measured]:
    """Distort and embed pictures until the time is up.

    Args:
        lab: what is loaded.
        gallery: whose pictures.
        name: of the embedder.
        rows: which, in their order.
        seconds: no new chunk is begun after them.

    Yields:
        Each chunk.

    Raises:
        LabError: the embedder reads no pictures, is not ready, or a picture is broken.
    """
    end = time.monotonic() + seconds
    vectors, embedder = readied(lab, gallery, name)
    with ThreadPoolExecutor(threads.cores(), "distort") as pool:
        for start in range(0, len(rows), CHUNK):
            if time.monotonic() >= end:
                return
            part = rows[start : start + CHUNK]
            with lab.work.doing("duplicates", "distorting pictures"):
                waiting = [pool.submit(_one, gallery, embedder, vectors, row) for row in part]
                measured = _stacked(each.result() for each in waiting)
            yield measured


def readied(lab: Lab, gallery: Gallery, name: str) -> tuple[Vectors, Embedder]:
    """The gallery's vectors and who makes them.

    Raises:
        LabError: it reads no pictures, or is not ready.
    """
    if not lab.spec(name).reads_images:
        raise Unsupported(
            f"{lab.spec(name).title} reads no pictures, so no distortion changes what it sees; "
            "choose an embedder that reads pictures"
        )
    return lab.vectors(gallery, name), lab.embedder(name)


def alone(lab: Lab, name: str, image: Image, changed: Sequence[Image]) -> Scores:
    """Similarity of a picture with each of its changed selves, (s,).

    Raises:
        LabError: the embedder reads no pictures, or is not ready.
    """
    spec = lab.spec(name)
    if not spec.reads_images:
        raise Unsupported(f"{spec.title} reads no pictures; choose an embedder that does")
    embedded = lab.embedder(name).images([image, *changed])
    return _near(embedded[1:], embedded[:1], spec)


def _one(gallery: Gallery, embedder: Embedder, vectors: Vectors, row: int) -> Measured:
    embedded = embedder.images(distorted(gallery.image(row), row))
    near = compared(embedded, vectors, embedder.spec.metric)
    near[:, row] = -1
    best = np.round(near.max(axis=1), DECIMALS)
    own = _near(embedded, vectors[row : row + 1], embedder.spec)
    return Measured(own[None], best[None])


def _near(embedded: Vectors, original: Vectors, spec: Spec) -> Scores:
    metric: Metric = spec.metric
    return np.round(compared(embedded, original, metric)[:, 0], DECIMALS)


def _stacked(parts: Iterator[Measured]) -> Measured:
    whole = Measured()
    for part in parts:
        whole = whole.joined(part)
    return whole


def _rates(hits: NDArray[np.bool_]) -> Rates:
    values = hits.astype(np.float64)
    if not len(values):
        nothing = np.full(values.shape[1], np.nan)
        return Rates(nothing, nothing, nothing)
    ends = [wilson(count, len(values)) for count in values.sum(axis=0).tolist()]
    low, high = np.array(ends).T  # bootstrap would call all of ten pictures certain
    return Rates(values.mean(axis=0), low, high)
