"""Whether one measurement beats another on the same queries, and on which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from retrieval.measure import bootstrap
from retrieval.measure.metrics import SHOWN
from retrieval.measure.quality import Task
from retrieval.types import Rows

ROUNDS = 10_000
"""Random swaps of a permutation test; no p value is below 1 / (ROUNDS + 1)."""
CHUNK = 250
"""Rounds of swaps that are drawn at a time."""
SIZES = 64
"""Different sizes of differences up to which equal ones are swapped together."""
FEW = 20
"""Queries below which a rate says that it stands on few."""
LEVEL = 0.05
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """One less the other, over the queries of a task.

    Attributes:
        one: what is measured.
        other: what it is compared with.
        task: the task's name.
        metric: of ``metrics.SHOWN``.
        mean: of the differences.
        low: lower end of its 95 % interval, paired by query.
        high: upper end.
        p: of the permutation test, two-sided.
        holm: the same, corrected for all that was compared by this metric.
    """

    one: str
    other: str
    task: str
    metric: str
    mean: float
    low: float
    high: float
    p: float
    holm: float = 1.0

    @property
    def sure(self) -> bool:
        """Whether it is significant at 5 % after the correction."""
        return self.holm < LEVEL


Named = tuple[str, Floats]
"""A name, and its (q, 6) metrics in the order of ``metrics.SHOWN``."""


def compared(tasks: Sequence[tuple[str, Sequence[Named]]]) -> list[Difference]:
    """Every pair of each task by every metric, Holm-corrected over all pairs of a metric.

    Args:
        tasks: names of tasks, each with what was measured on the same queries of it.
    """
    raw = [each for name, measured in tasks for each in _pairs(name, measured)]
    made = []
    for metric in SHOWN:
        same = [each for each in raw if each.metric == metric]
        fixed = holm(np.array([each.p for each in same]))
        made += [replace(each, holm=p) for each, p in zip(same, fixed.tolist(), strict=True)]
    return made


def _pairs(task: str, measured: Sequence[Named]) -> Iterator[Difference]:
    for (one, mine), (other, theirs) in combinations(measured, 2):
        differences = mine - theirs
        found = bootstrap.interval(differences, ends=bootstrap.DIFFERENCES)
        ends = zip(differences.mean(axis=0), *found, strict=True)
        for metric, column, each in zip(SHOWN, differences.T, ends, strict=True):
            mean, low, high = map(float, each)
            yield Difference(one, other, task, metric, mean, low, high, permuted(column))


def permuted(differences: Floats, seed: int = 0, rounds: int = ROUNDS) -> float:
    """The two-sided p value of a mean difference under random swaps of each pair.

    Fisher's randomisation test as in Smucker, Allan and Carterette (2007); the observed order
    counts as one of the rounds, so that p is never 0.

    Args:
        differences: (q,) one less the other, a query each.
        seed: of the swaps.
        rounds: how many.
    """
    changed = differences[differences != 0]
    if not len(changed):  # a swap of equals changes nothing
        return 1.0
    least = abs(float(changed.sum())) - 1e-9
    sums = _swapped(changed, np.random.default_rng(seed), rounds)
    return (sum(int((np.abs(each) >= least).sum()) for each in sums) + 1) / (rounds + 1)


def _swapped(changed: Floats, draws: np.random.Generator, rounds: int) -> Iterator[Floats]:
    """Sums after random swaps, a part of the rounds at a time."""
    sizes, counts = np.unique(np.abs(changed), return_counts=True)
    if len(sizes) <= SIZES:  # equal ones together: of c of them, a binomial number stays
        yield (2 * draws.binomial(counts, 0.5, (rounds, len(sizes))) - counts) @ sizes
        return
    for first in range(0, rounds, CHUNK):  # all at once would take gigabytes of large galleries
        wide = (min(CHUNK, rounds - first), -(-len(changed) // 8))
        bits = np.unpackbits(draws.integers(0, 256, wide, np.uint8), axis=1, count=len(changed))
        yield (2 * bits.astype(np.float64) - 1) @ changed


def holm(values: Floats) -> Floats:
    """P values corrected for their number, (m,), step-down (Holm 1979)."""
    order = np.argsort(values, kind="stable")
    left = np.arange(len(values), 0, -1)
    fixed = np.empty(len(values))
    fixed[order] = np.minimum(1, np.maximum.accumulate(values[order] * left))
    return fixed


@dataclass(frozen=True)
class Rate:
    """How often a label's queries are answered.

    Attributes:
        label: whose queries.
        count: how many.
        found: of each that is compared, queries with a right picture among the first ten.
    """

    label: str
    count: int
    found: tuple[int, ...]

    @property
    def few(self) -> bool:
        """Whether the rates stand on too few queries to be read as more than counts."""
        return self.count < FEW

    @property
    def spread(self) -> float:
        """How far the best and the worst are apart."""
        return (max(self.found) - min(self.found)) / self.count

    def interval(self, at: int) -> tuple[float, float]:
        """The 95 % interval of a rate."""
        return bootstrap.wilson(self.found[at], self.count)


def by_label(labels: Sequence[str], task: Task, found: Sequence[NDArray[np.bool_]]) -> list[Rate]:
    """Rates by the label of the picture that a query belongs to, the most queries first.

    Args:
        labels: (n,) of the gallery's rows; queries of the empty one are left out.
        task: the queries.
        found: (q,) whether each query was answered, of each that is compared.
    """
    names = [labels[row] for row in task.rows.tolist()]
    places: dict[str, list[int]] = {}
    for at, name in enumerate(names):
        if name:
            places.setdefault(name, []).append(at)
    rates = [
        Rate(name, len(rows), tuple(int(each[rows].sum()) for each in found))
        for name, rows in places.items()
    ]
    return sorted(rates, key=lambda rate: (-rate.count, rate.label))


def apart(one: Floats, other: Floats, most: int) -> Rows:
    """Queries on which the one falls furthest behind the other, (at most ``most``,), worst first.

    Args:
        one: (q,) a metric.
        other: (q,) the same of what it is compared with.
        most: how many.
    """
    behind = other - one
    order = np.argsort(-behind, kind="stable")[:most]
    return order[behind[order] > 0]
