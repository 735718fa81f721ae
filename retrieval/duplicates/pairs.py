"""The closest pairs of a gallery, best first, so that a threshold is a place in a list.

Every picture is compared with every other, in blocks of the same products that the exact index
uses. FAISS's range search would compare each pair twice and give them by query, unsorted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import BadQuery
from retrieval.indexes.products import words
from retrieval.types import Metric, Rows, Vectors

MOST = 250_000
"""Pairs that are kept; a gallery of icons has more at a loose threshold than anybody looks at."""
BLOCK = 512
"""Rows that are compared with the rest at a time."""
LOOKED = 128
"""Rows by which the bound of what is kept is guessed."""
DECIMALS = 6
"""To which a score is rounded: a product of equal vectors may miss 1 in its last bits."""
Floats = NDArray[np.float32]


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
    compare = _comparer(vectors, metric)
    bound = _guess(compare, len(vectors), most)
    cut = bound > -math.inf
    rows, scores = np.empty((0, 2), np.int64), np.empty(0, np.float32)
    for start in range(0, len(vectors), BLOCK):
        block = compare(slice(start, start + BLOCK), slice(start, None))
        found, values = _above(block, bound)
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


def _above(block: Floats, bound: float) -> tuple[Rows, Floats]:
    """Places (m, 2) and scores of a block that reach a bound, those right of its diagonal."""
    found = np.flatnonzero(block.ravel() >= np.float32(bound))
    places = np.column_stack(np.divmod(found, block.shape[1]))
    right = places[:, 1] > places[:, 0]  # each pair once, no picture with itself
    values = np.round(block.ravel()[found[right]], DECIMALS)
    enough = values >= np.float32(bound)
    return places[right][enough], values[enough]


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
    left, right, bits = words(one), words(other), 8 * one.shape[1]
    differ = np.zeros((len(left), len(right)), np.int32)
    for at in range(left.shape[1]):
        differ += np.bitwise_count(left[:, None, at] ^ right[None, :, at])
    return np.asarray(1 - differ / np.float32(bits), np.float32)
