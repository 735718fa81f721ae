"""What a score is worth: the fitted probability that a picture with it is a right one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import BadQuery
from retrieval.measure import bootstrap
from retrieval.measure.quality import Task
from retrieval.types import Rows

DEPTH = 10
"""Pictures of each query that are fitted to: the page's usual k. Of equal scores, one deep in a
long answer is less often right, so that fits to more say too little of the first."""
FOLDS = 5
BIN = 25
"""Pairs of query and picture that share a step at least, so that no step stands on luck."""
BINS = 10
"""Of the reliability plot and of the expected calibration error, of equal width."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """A rising function from score to probability, linear between its points.

    Attributes:
        scores: (s,) ascending.
        chances: (s,) the probability at each, ascending.
    """

    scores: tuple[float, ...]
    chances: tuple[float, ...]

    def at(self, scores: Floats) -> Floats:
        """The probability of each score; the ends' own beyond the ends."""
        return np.interp(scores, self.scores, self.chances)


@dataclass(frozen=True)
class Reliability:
    """How far held-out probabilities can be believed.

    Attributes:
        bins: (probability, share that was right, pairs) of each bin that holds any.
        error: expected calibration error, with the ends of its 95 % interval.
        brier: mean squared error of the probability, with the ends of its interval.
        base: the Brier score of always saying the share of right pairs.
    """

    bins: tuple[tuple[float, float, int], ...]
    error: tuple[float, float, float]
    brier: tuple[float, float, float]
    base: float


@dataclass(frozen=True)
class Calibration:
    """A curve and what it is worth.

    Attributes:
        curve: fitted to all queries.
        queries: how many.
        reliability: of curves fitted without the queries that they are asked about.
    """

    curve: Curve
    queries: int
    reliability: Reliability

    @property
    def useful(self) -> bool:
        """Whether it says more of held-out pictures than their mean does."""
        return self.reliability.brier[0] < self.reliability.base


def top(scores: NDArray[np.float32], relevant: NDArray[np.bool_]) -> Floats:
    """The best scores of each query, and which of them are right.

    Args:
        scores: (q, n); -inf leaves a row out.
        relevant: (q, n).

    Returns:
        (q, 2, DEPTH) scores and rightness, best first, padded with NaN.
    """
    count = min(DEPTH, scores.shape[1])
    best = np.argpartition(-scores, count - 1, axis=1)[:, :count]
    best = np.take_along_axis(best, np.argsort(-np.take_along_axis(scores, best, 1), axis=1), 1)
    found = np.full((len(scores), 2, DEPTH), np.nan)
    found[:, 0, :count] = np.take_along_axis(scores, best, axis=1)
    found[:, 1, :count] = np.take_along_axis(relevant, best, axis=1)
    found[np.isinf(found[:, 0])[:, None, :].repeat(2, axis=1)] = np.nan
    return found


def fit(pairs: Floats, groups: Rows) -> Calibration:
    """Fit all queries, and say by held-out ones what that is worth.

    Queries that look for the same pictures are held out together.

    Args:
        pairs: (q, 2, DEPTH), from ``top``.
        groups: (q,) what each query looks for.

    Raises:
        BadQuery: they look for too few different things to hold any out.
    """
    units, place = np.unique(groups, return_inverse=True)
    if len(units) < FOLDS:
        raise BadQuery(
            f"the queries look for {len(units)} different things; a probability is fitted to "
            f"{FOLDS} at least"
        )
    fold = np.random.default_rng(0).permutation(np.arange(len(units)) % FOLDS)[place]
    chances = np.empty_like(pairs[:, 0])
    for number in range(FOLDS):
        held = fold == number
        chances[held] = curve(pairs[~held]).at(pairs[held, 0])
    return Calibration(curve(pairs), len(pairs), reliability(chances, pairs[:, 1]))


def curve(pairs: Floats) -> Curve:
    """The rising curve nearest to what was right at each score (isotonic regression).

    Args:
        pairs: (q, 2, DEPTH), from ``top``.
    """
    from scipy.optimize import isotonic_regression

    known = ~np.isnan(pairs[:, 0])
    means, shares, counts = _steps(pairs[:, 0][known], pairs[:, 1][known])
    risen = isotonic_regression(shares, weights=counts).x
    ends = np.flatnonzero(np.diff(risen) > 0)
    kept = np.unique(np.concatenate([[0], ends, ends + 1, [len(risen) - 1]]))
    return Curve(tuple(np.round(means[kept], 6).tolist()), tuple(np.round(risen[kept], 6).tolist()))


def _steps(scores: Floats, right: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean score, share that is right, and number of each step of ``BIN`` pairs or more.

    Equal scores are of one step.
    """
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    place = _places(counts)[inverse]
    number = np.bincount(place).astype(np.float64)
    return (
        np.bincount(place, scores) / number,
        np.bincount(place, right) / number,
        number,
    )


def _places(counts: Rows) -> Rows:
    """The step of each different score, (s,), from how many pairs have it."""
    places, at, held = np.empty(len(counts), np.int64), 0, 0
    for each, count in enumerate(counts.tolist()):
        if held >= BIN:
            at, held = at + 1, 0
        places[each] = at
        held += count
    if held < BIN:  # what is left over is of the step before
        places[places == at] = max(0, at - 1)
    return places


def reliability(chances: Floats, right: Floats) -> Reliability:
    """What probabilities are worth.

    Args:
        chances: (q, DEPTH) held-out probabilities, NaN where there is no picture.
        right: (q, DEPTH) 1 or 0, NaN alike.
    """
    sums = _sums(chances, right)  # (q, bins, 3)
    total = sums.sum(axis=0)
    squares = np.nansum((chances - right) ** 2, axis=1)
    brier = _interval(np.column_stack([squares, sums[:, :, 0].sum(axis=1)]))
    share = total[:, 2].sum() / total[:, 0].sum()
    return Reliability(
        bins=tuple(
            (round(float(said / count), 6), round(float(was / count), 6), int(count))
            for count, said, was in total
            if count
        ),
        error=_held(_error(total[None])[0], np.array(_error(_drawn(sums))), len(sums)),
        brier=brier,
        base=float(share * (1 - share)),
    )


def _sums(chances: Floats, right: Floats) -> Floats:
    """Pairs, probability and right ones of each query by bin, (q, BINS, 3)."""
    known = ~np.isnan(chances)
    place = np.minimum((np.nan_to_num(chances) * BINS).astype(int), BINS - 1)
    flat = (np.arange(len(chances))[:, None] * BINS + place)[known]
    whole = len(chances) * BINS
    parts = [np.bincount(flat, each, whole) for each in (None, chances[known], right[known])]
    return np.stack(parts, axis=1).reshape(len(chances), BINS, 3).astype(np.float64)


def _error(sums: Floats) -> list[float]:
    """Expected calibration error of each (r, BINS, 3)."""
    found: list[float] = (
        np.abs(sums[..., 1] - sums[..., 2]).sum(axis=-1) / sums[..., 0].sum(axis=-1)
    ).tolist()
    return found


def _held(value: float, drawn: Floats, count: int) -> tuple[float, float, float]:
    """A value of queries with its interval.

    Draws of an absolute error lie above it, the value never out; equal ones are no certainty.
    """
    if np.ptp(drawn) < 1e-12:
        return value, *bootstrap.alike(value, count)
    low, high = np.quantile(drawn, [0.025, 0.975]).tolist()
    return value, min(low, value), max(high, value)


def _drawn(sums: Floats) -> Floats:
    """The sums of queries drawn anew, (r, BINS, 3)."""
    return bootstrap.means(sums.reshape(len(sums), -1)).reshape(-1, BINS, 3)


def _interval(sums: Floats) -> tuple[float, float, float]:
    """A ratio of two columns' sums with its interval over queries, (q, 2)."""
    drawn = bootstrap.means(sums)
    return _held(float(sums[:, 0].sum() / sums[:, 1].sum()), drawn[:, 0] / drawn[:, 1], len(sums))


def of(task: Task, parts: Sequence[Floats]) -> Calibration:
    """The calibration of a task's queries, from all parts of what they found.

    Raises:
        BadQuery: they look for too few different things.
    """
    return fit(np.concatenate(parts), task.groups[task.rows])
