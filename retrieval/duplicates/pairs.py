"""The closest pairs of a gallery, best first, so that a threshold is a place in a list.

Every picture is compared with every other, in blocks of the same products that the exact index
uses. FAISS's range search would compare each pair twice and give them by query, unsorted.

Where only the very closest are asked for, most pairs are ruled out by a bound: what two vectors
share within some directions, and at most the product of the lengths that lie outside of these.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import BadQuery
from retrieval.indexes.products import words
from retrieval.types import Metric, Rows, Vectors

MOST = 250_000
"""Pairs that are kept; a gallery of icons has more at a loose threshold than anybody looks at."""
FIRST = 10_000
"""Pairs that are looked for at first: twice those that the usual radius finds in clipart."""
DIRECTIONS = 96
"""Of the bound: those in which ``SAMPLE`` rows spread most, about (Halko et al. 2011)."""
SAMPLE = 512
FEW = 128
BLOCK = 512
"""Rows that are compared with the rest at a time."""
LOOKED = 128
"""Rows by which the bound of what is kept is guessed."""
ROUGH = 1e-5
"""By how much products may be off before they are compared anew."""
DECIMALS = 6
"""To which a score is rounded: a product of equal vectors may miss 1 in its last bits."""
Floats = NDArray[np.float32]
Words = NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True, eq=False)
class Near:
    """The closest pairs of a gallery.

    Attributes:
        count: pictures that were compared.
        rows: (m, 2), the lower row first, best pair first.
        scores: (m,) similarities from 1 downwards: cosine, or share of equal bits.
        floor: every pair above it is here; none is known at it or below. -inf where all are.
    """

    count: int
    rows: Rows
    scores: Floats
    floor: float

    @property
    def total(self) -> int:
        """All pairs that there are."""
        return self.count * (self.count - 1) // 2

    def within(self, least: float) -> int:
        """How many pairs reach a score; they are the first ones.

        Raises:
            BadQuery: more do than are kept, or it is no number.
        """
        if not math.isfinite(least):
            raise BadQuery(f"the threshold is {least}; it must be a finite number up to 1")
        if least <= self.floor:
            raise BadQuery(
                f"more than {MOST:,} pairs are as alike as that; choose a stricter threshold"
            )
        return int(np.searchsorted(-self.scores, -np.float32(least - 5e-7), "right"))

    def rate(self, least: float) -> float:
        """Share of all pairs that reach a score."""
        return self.within(least) / max(1, self.total)

    def level(self, pairs: int) -> float:
        """The lowest score at which at most so many pairs are found; 1 where even 1 finds more."""
        if pairs >= len(self.scores):
            return float(self.scores[-1]) if len(self.scores) else 1.0
        above = np.flatnonzero(self.scores > self.scores[pairs])
        return float(self.scores[above[-1]]) if len(above) else 1.0


def near(vectors: Vectors, metric: Metric, most: int = MOST) -> Near:
    """The closest pairs by exact comparison of all.

    Args:
        vectors: (n, dim) float32 of length 1, or (n, bytes) uint8; left unchanged.
        metric: by which they compare.
        most: pairs that are kept; equal scores at the end are dropped together.
    """
    bound = _guess(_comparer(vectors, metric), len(vectors), most)
    find = _finder(vectors, metric, most, bound)
    cut = bound > -math.inf
    rows, scores = np.empty((0, 2), np.int64), np.empty(0, np.float32)
    for start in range(0, len(vectors), BLOCK):
        found, values = find(start, bound)
        rows = np.concatenate([rows, found + start])
        scores = np.concatenate([scores, values])
        if len(scores) > most:
            cut = True
            kept = np.argpartition(-scores, most)[: most + 1]  # the last one is the bound
            rows, scores = rows[kept], scores[kept]
            bound = float(scores.min())
    floor = bound if cut else -math.inf
    whole = scores > np.float32(floor)
    rows, scores = rows[whole], scores[whole]
    order = np.lexsort((rows[:, 1], rows[:, 0], -scores))
    return Near(len(vectors), rows[order], scores[order], floor)


Compare = Callable[[slice, slice], Floats]
"""Similarities of some rows with some others."""


Find = Callable[[int, float], tuple[Rows, Floats]]
"""Places (m, 2) from a row on, and scores, that reach a bound: a block's, each pair once."""


def _finder(vectors: Vectors, metric: Metric, most: int, bound: float) -> Find:
    """How a block's pairs are found: all compared, or first by what rules most of them out."""
    if metric is Metric.HAMMING:
        return partial(_equal_bits, words(vectors), 8 * vectors.shape[1])
    floats = np.asarray(vectors, np.float32)
    if most > FIRST or bound == -math.inf or vectors.shape[1] <= 2 * DIRECTIONS:
        return partial(_above, floats, floats)
    return partial(_above, floats, _bounding(floats))


def _bounding(vectors: Floats) -> Floats:
    """(n, DIRECTIONS + 1) rows whose products are never below those of the vectors.

    Each is its vector along a few directions of length 1, and the length of the rest of it
    (Cauchy and Schwarz: the rests of two share at most the product of their lengths).
    """
    some = vectors[:: max(1, len(vectors) // SAMPLE)]
    mixed = np.random.default_rng(0).standard_normal((vectors.shape[1], DIRECTIONS), np.float32)
    along = vectors @ _orthonormal(some.T @ (some @ (some.T @ (some @ mixed))))
    rest = np.sqrt(np.maximum(0, 1 - np.vecdot(along, along)) + 1e-6)  # what rounding may hide
    return np.column_stack([along, rest])


def _orthonormal(columns: Floats) -> Floats:
    """A basis of what some columns span; directions that are hardly there are left out."""
    wide = columns.astype(np.float64)
    sizes, turn = np.linalg.eigh(wide.T @ wide)
    there = sizes > 1e-10 * sizes[-1]
    return np.asarray(wide @ (turn[:, there] / np.sqrt(sizes[there])), np.float32)


def _above(vectors: Floats, bounding: Floats, start: int, bound: float) -> tuple[Rows, Floats]:
    block = bounding[start : start + BLOCK] @ bounding[start:].T
    places = _places(block >= np.float32(bound - ROUGH), block.shape[1])
    if bounding is vectors:
        values = block[places[:, 0], places[:, 1]]
    else:
        values = _cosines(vectors, places + start)
    return _enough(places, values, bound)


def _cosines(vectors: Floats, pairs: Rows) -> Floats:
    """Of each pair, (m,); a few at a time, which stay in the processor's cache."""
    parts = [
        np.vecdot(vectors[some[:, 0]], vectors[some[:, 1]])
        for some in np.split(pairs, range(FEW, len(pairs), FEW))
    ]
    return np.concatenate(parts)


def _equal_bits(codes: Words, bits: int, start: int, bound: float) -> tuple[Rows, Floats]:
    differ = _differing(codes[start : start + BLOCK], codes[start:])
    most = bits if bound == -math.inf else math.floor((1 - bound) * bits + 0.5)
    places = _places(differ <= most, differ.shape[1])
    apart = differ[places[:, 0], places[:, 1]].astype(np.float32)
    return _enough(places, 1 - apart / np.float32(bits), bound)


def _places(near: NDArray[np.bool_], width: int) -> Rows:
    """Where a block is true, (m, 2), right of its diagonal: each pair once, none with itself."""
    places = np.column_stack(np.divmod(np.flatnonzero(near), width))
    return places[places[:, 1] > places[:, 0]]


def _enough(places: Rows, values: Floats, bound: float) -> tuple[Rows, Floats]:
    values = np.round(values, DECIMALS)
    enough = values >= np.float32(bound)
    return places[enough], values[enough]


def _guess(compare: Compare, count: int, most: int) -> float:
    """A score that somewhat more pairs reach than are kept, by a look at every so many rows."""
    total = count * (count - 1) // 2
    if count < 2 * BLOCK or total <= most:
        return -math.inf
    some = compare(slice(0, count, max(1, count // LOOKED)), slice(None))
    return float(np.round(np.quantile(some[:, ::7], max(0.0, 1 - 1.5 * most / total)), DECIMALS))


def _comparer(vectors: Vectors, metric: Metric) -> Compare:
    return lambda one, other: compared(vectors[one], vectors[other], metric)


def compared(one: Vectors, other: Vectors, metric: Metric) -> Floats:
    """Similarity of every row of one, (n, width), with every row of the other, (n, m)."""
    if metric is Metric.COSINE:
        return np.asarray(one @ other.T, np.float32)
    differ = _differing(words(one), words(other))
    return np.asarray(1 - differ / np.float32(8 * one.shape[1]), np.float32)


def _differing(one: Words, other: Words) -> NDArray[np.integer[Any]]:
    """How many bits of every row of one and of the other differ, (n, m)."""
    differ: NDArray[np.integer[Any]] = np.bitwise_count(one[:, None, 0] ^ other[None, :, 0])
    for at in range(1, one.shape[1]):
        differ = differ + np.bitwise_count(one[:, None, at] ^ other[None, :, at]).astype(np.int32)
    return differ
