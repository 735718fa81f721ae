"""More vectors than a gallery has, drawn around its own.

A new vector is a row of the gallery, moved by a random combination of the differences to its
nearest neighbours, and brought back to length 1: local bootstrap in the directions that the data
itself has (as SMOTE, Chawla et al. 2002, but with Gaussian weights, so that new rows also lie
beyond the old ones). How many neighbours, and how far, is calibrated: of all pairs in ``NEARS``
and ``STEPS`` the one whose drawn rows resemble the real ones best, by the check below.

The check: as many rows are drawn as the gallery has, and in both sets the median distances to the
first and to the tenth neighbour and the intrinsic dimension (maximum likelihood, Levina and
Bickel 2004, averaged as MacKay and Ghahramani propose) are compared. Ratios near 1 mean that an
index meets neighbourhoods like the real ones. What it cannot tell: whether a real gallery of that
size would hold new kinds of pictures; drawn ones only fill the space between those that are there.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import log

import numpy as np
from numpy.typing import NDArray

from retrieval.embedders.base import unit
from retrieval.errors import BadVectors

Floats = NDArray[np.float32]
BASE = 4096
"""Rows of the gallery that are drawn around, at most."""
SMALL = 1024
"""Rows by which the method is calibrated, at most."""
PROBES = 256
NEIGHBOURS = 10
NEARS = (4, 8, 16)
STEPS = (0.45, 0.6, 0.8, 1.0, 1.25)
CHUNK = 4096
FEWEST = 32
"""Rows below which no neighbourhood can be told."""


@dataclass(frozen=True)
class Shape:
    """How a set of vectors lies.

    Attributes:
        first: median distance to the nearest neighbour.
        tenth: median distance to the tenth.
        dimension: intrinsic dimension.
    """

    first: float
    tenth: float
    dimension: float

    def ratios(self, other: Shape) -> dict[str, float]:
        """The other's figures over these, by name."""
        return {name: getattr(other, name) / value for name, value in vars(self).items()}


@dataclass(frozen=True)
class Drawer:
    """Draws around the rows of a gallery.

    Attributes:
        rows: (n, dim) real rows of length 1.
        neighbours: (n, near) rows of the nearest of each.
        step: how far, in units of the distance to them.
    """

    rows: Floats
    neighbours: NDArray[np.int64]
    step: float

    def draw(self, count: int, seed: int = 0) -> Floats:
        """New vectors, (count, dim) of length 1; the same for the same seed."""
        chance = np.random.default_rng(seed)
        drawn = np.empty((count, self.rows.shape[1]), np.float32)
        for first in range(0, count, CHUNK):
            part = drawn[first : first + CHUNK]
            at = chance.integers(len(self.rows), size=len(part))
            near = self.neighbours[at]
            weights = chance.standard_normal(near.shape, dtype=np.float32)
            weights *= np.float32(self.step / np.sqrt(near.shape[1]))
            moved = np.einsum("cn,cnd->cd", weights, self.rows[near])
            moved += (1 - weights.sum(axis=1))[:, None] * self.rows[at]
            part[:] = unit(moved)
        return drawn

    def check(self) -> dict[str, float]:
        """Figures of as many drawn rows over those of the real ones; 1 is alike."""
        return shape(self.rows).ratios(shape(self.draw(len(self.rows), seed=1)))


def around(vectors: Floats, method: tuple[int, float] | None = None, seed: int = 0) -> Drawer:
    """A drawer around a gallery's vectors.

    Args:
        vectors: (n, dim) float32 rows of length 1.
        method: neighbours and step that were calibrated before; else they are now.
        seed: of the rows that are taken where there are more than ``BASE``.

    Raises:
        BadVectors: packed bits, or fewer than 32 different rows.
    """
    if vectors.dtype != np.float32:
        raise BadVectors("vectors are drawn around float32 rows; these are packed bits")
    rows = np.unique(vectors, axis=0)
    if len(rows) < FEWEST:
        raise BadVectors(
            f"{len(rows)} different vectors are too few to draw around; {FEWEST} are needed"
        )
    chance = np.random.default_rng(seed)
    base = chance.permutation(rows)[:BASE]
    near, step = method or calibrated(base[:SMALL])
    return Drawer(base, _nearest(base, base, near, own=True)[0], step)


def stack(real: Floats, drawer: Drawer, count: int) -> Floats:
    """So many vectors: real ones as far as there are, drawn ones for the rest."""
    if count <= len(real):
        rows = np.random.default_rng(0).permutation(len(real))[:count]
        part: Floats = real[rows]
        return part
    more = drawer.draw(count - len(real), seed=2)
    return np.asarray(np.concatenate([np.asarray(real, np.float32), more]), np.float32)


def calibrated(rows: Floats) -> tuple[int, float]:
    """Neighbours and step whose drawn rows lie most like the real ones."""
    wanted = shape(rows)
    nearest = _nearest(rows, rows, max(NEARS), own=True)[0]

    def off(pair: tuple[int, float]) -> float:
        near, step = pair
        drawn = Drawer(rows, nearest[:, :near], step).draw(len(rows))
        return sum(abs(log(each)) for each in wanted.ratios(shape(drawn)).values())

    return min(product(NEARS, STEPS), key=off)


def shape(rows: Floats) -> Shape:
    """How rows of length 1 lie, by ``PROBES`` of them."""
    _, distances = _nearest(rows[:PROBES], rows, NEIGHBOURS, own=True)
    safe = np.maximum(distances, 1e-6)
    spread = np.log(safe[:, -1:] / safe[:, :-1])
    dimension = 1 / max(float(spread.mean()), 1e-6)
    first, tenth = np.median(safe[:, 0]), np.median(safe[:, -1])
    return Shape(float(first), float(tenth), dimension)


def _nearest(
    asked: Floats, rows: Floats, count: int, own: bool
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rows and distances of the nearest, both (q, count); ``own``: asked[i] is rows[i]."""
    found = np.empty((len(asked), count), np.int64)
    distances = np.empty((len(asked), count))
    for first in range(0, len(asked), PROBES):
        part = asked[first : first + PROBES]
        scores = part @ rows.T
        if own:
            scores[np.arange(len(part)), np.arange(first, first + len(part))] = -np.inf
        top = np.argpartition(-scores, count - 1, axis=1)[:, :count]
        values = np.take_along_axis(scores, top, axis=1)
        order = np.argsort(-values, axis=1)
        found[first : first + PROBES] = np.take_along_axis(top, order, axis=1)
        best = np.take_along_axis(values, order, axis=1).astype(np.float64)
        distances[first : first + PROBES] = np.sqrt(np.maximum(0, 2 - 2 * best))
    return found, distances
