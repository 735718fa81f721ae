"""How sure a mean over queries is (Efron 1979; paired test as in Sakai 2006)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ROUNDS = 2000
LEVEL = 0.95
Floats = NDArray[np.float64]


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


def interval(values: Floats, seed: int = 0) -> tuple[Floats, Floats]:
    """The 95 % percentile interval of each column's mean, (m,) low and (m,) high."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(means(values, seed), [tail, 1 - tail], axis=0)
    return low, high


def paired(one: Floats, other: Floats, seed: int = 0) -> tuple[float, float, float]:
    """The mean difference of two (q,) measurements of the same queries, with its interval."""
    difference = (one - other)[:, None]
    low, high = interval(difference, seed)
    return float(difference.mean()), float(low[0]), float(high[0])


def wilson(hits: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927); from 0 to 1 where nothing was counted."""
    if not count:
        return 0.0, 1.0
    z2 = 1.959963984540054**2
    share, middle = hits / count, (hits + z2 / 2) / (count + z2)
    half = (z2 * (share * (1 - share) * count + z2 / 4)) ** 0.5 / (count + z2)
    return max(0.0, middle - half), min(1.0, middle + half)
