"""How sure a mean over queries is (Efron 1979; paired test as in Sakai 2006).

Where all queries come out alike, draws are too: there the exact interval of a share holds.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

ROUNDS = 2000
LEVEL = 0.95
DIFFERENCES = -1.0, 1.0
"""Between which two shares differ."""
Floats = NDArray[np.float64]
Mean = TypeVar("Mean", float, NDArray[np.float64])


def means(values: Floats, seed: int = 0, rounds: int = ROUNDS) -> Floats:
    """Means of queries drawn anew with replacement.

    Args:
        values: (q, m), at least one row; the same draw holds for all columns.
        seed: of the draws.
        rounds: how many.

    Returns:
        (rounds, m).
    """
    draws = np.random.default_rng(seed)
    count = len(values)
    drawn = np.empty((rounds, values.shape[1]))
    for each in range(rounds):
        times = np.bincount(draws.integers(0, count, count), minlength=count)
        drawn[each] = times @ values / count
    return drawn


def interval(
    values: Floats, seed: int = 0, ends: tuple[float, float] = (0, 1)
) -> tuple[Floats, Floats]:
    """The 95 % percentile interval of each column's mean, (m,) low and (m,) high.

    A column of one value has that of ``alike``: its draws are equal, which is no certainty.

    Args:
        values: (q, m), at least one row.
        seed: of the draws.
        ends: the least and the most that one query can have.
    """
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(means(values, seed), [tail, 1 - tail], axis=0)
    flat, (least, most) = same(values), alike(values[0], len(values), ends)
    return np.where(flat, least, low), np.where(flat, most, high)


def same(values: Floats) -> NDArray[np.bool_]:
    """Columns in which all queries have one value, (m,)."""
    return np.asarray((values == values[0]).all(axis=0))


def alike(value: Mean, count: int, ends: tuple[float, float] = (0, 1)) -> tuple[Mean, Mean]:
    """The 95 % interval of a mean where all queries that were asked have one value.

    Exact for a share (Clopper and Pearson 1934): of all queries at most 1 - 0.025 ** (1 / count)
    are others, and those lie anywhere between the ends. Of 12 that are all right, 0.735 to 1.

    Args:
        value: of each of them.
        count: how many.
        ends: the least and the most that one query can have.
    """
    others = 1 - ((1 - LEVEL) / 2) ** (1 / count)
    return value + others * (ends[0] - value), value + others * (ends[1] - value)


def paired(one: Floats, other: Floats, seed: int = 0) -> tuple[float, float, float]:
    """The mean difference of two (q,) shares of the same queries, with its interval."""
    difference = (one - other)[:, None]
    low, high = interval(difference, seed, DIFFERENCES)
    return float(difference.mean()), float(low[0]), float(high[0])


def wilson(hits: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927); from 0 to 1 where nothing was counted."""
    if not count:
        return 0.0, 1.0
    z2 = 1.959963984540054**2
    share, middle = hits / count, (hits + z2 / 2) / (count + z2)
    half = (z2 * (share * (1 - share) * count + z2 / 4)) ** 0.5 / (count + z2)
    return max(0.0, middle - half), min(1.0, middle + half)
