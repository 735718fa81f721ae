"""What a projection is worth on rows that it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import BadQuery
from retrieval.measure import bootstrap
from retrieval.measure.metrics import NAMES, per_query
from retrieval.train.projection import Floats, Settings, fit, projected
from retrieval.types import Rows

FOLDS = 5


@dataclass(frozen=True)
class Gain:
    """Before and after, on the same queries, each held out of the fit that answers it.

    Attributes:
        before: (q, 6) metrics of the frozen vectors, in the order of ``metrics.NAMES``.
        after: (q, 6) the same through the projection.
    """

    before: NDArray[np.float64]
    after: NDArray[np.float64]

    def rows(self) -> dict[str, dict[str, float]]:
        """Means and the difference with its 95 % interval, by metric."""
        found = {}
        for at, name in enumerate(NAMES):
            gain, low, high = bootstrap.paired(self.after[:, at], self.before[:, at])
            found[name] = {
                "before": float(self.before[:, at].mean()),
                "after": float(self.after[:, at].mean()),
                "gain": gain,
                "low": low,
                "high": high,
            }
        return found

    def proven(self, metric: str = "MRR") -> bool:
        """Whether the interval of the gain lies above zero."""
        return self.rows()[metric]["low"] > 0


def check(groups: Rows, by: str) -> None:
    """See that there is enough to learn from, before anything is loaded.

    Raises:
        BadQuery: too few captions, labels, or pictures of them.
    """
    _, counts = np.unique(groups, return_counts=True)
    if by == "captions" and len(counts) < 2 * FOLDS:
        raise BadQuery(
            f"there are {len(counts)} different captions, which are too few; {2 * FOLDS} are wanted"
        )
    shared = counts[counts > 1]
    if by == "labels" and (len(shared) < 2 or shared.sum() < 4 * FOLDS):
        raise BadQuery(
            f"labels with two pictures or more: {len(shared)}, of {shared.sum()} pictures "
            f"together; wanted are 2 labels and {4 * FOLDS} pictures"
        )


def folds(groups: Rows, seed: int, apart: bool) -> Iterator[tuple[Rows, Rows]]:
    """Rows to fit on and rows to ask with, five times; no row is asked with twice.

    Args:
        groups: (n,) rows of one number belong together.
        seed: of the draw.
        apart: rows that belong together are never on both sides.
    """
    draws = np.random.default_rng(seed)
    units = np.unique(groups, return_inverse=True)[1] if apart else np.arange(len(groups))
    fold = draws.permutation(np.arange(units.max() + 1) % FOLDS)[units]
    for number in range(FOLDS):
        yield np.flatnonzero(fold != number), np.flatnonzero(fold == number)


def cross_validated(
    vectors: Floats,
    groups: Rows,
    texts: Floats | None,
    before: Floats | None,
    settings: Settings,
    told: Callable[[int, int], None] | None = None,
) -> Gain:
    """Fit five times, each time asking with the rows left out.

    Args:
        vectors: (n, d) pictures.
        groups: (n,) what belongs together; see ``check``.
        texts: (n, e) captions; none where labels are fitted.
        before: (n, d) captions in the space of the pictures, to compare with; none where there
            is no such space yet.
        settings: of the fits.
        told: called with fits done, of how many; may raise to stop.
    """
    old, new = [], []
    for number, (seen, asked) in enumerate(folds(groups, settings.seed, texts is not None)):
        weights = fit(vectors[seen], groups[seen], None if texts is None else texts[seen], settings)
        after = projected(vectors, weights)
        queries = after if texts is None else texts
        frozen = vectors if texts is None else before
        new.append(asked_with(queries[asked], after, groups, asked, texts is None))
        if frozen is None:
            old.append(np.zeros_like(new[-1]))
        else:
            old.append(asked_with(frozen[asked], vectors, groups, asked, texts is None))
        if told is not None:
            told(number + 1, FOLDS)
    return Gain(np.concatenate(old), np.concatenate(new))


def asked_with(
    queries: Floats, vectors: Floats, groups: Rows, rows: Rows, alone: bool
) -> NDArray[np.float64]:
    """The metrics of the rows that have an answer, (q, 6).

    Args:
        queries: (r, d) of ``rows``.
        vectors: (n, d) all that are ranked.
        groups: (n,) rows of one number answer each other.
        rows: (r,) whose queries these are.
        alone: a row is no answer to itself.
    """
    scores = queries @ vectors.T
    relevant = groups[rows][:, None] == groups[None, :]
    if alone:
        own = np.arange(len(rows)), rows
        scores[own], relevant[own] = -np.inf, False
    able = relevant.any(axis=1)
    none = np.empty((0, len(NAMES)))  # of few pairs among many rows a fold may have none
    return per_query(scores[able], relevant[able]) if able.any() else none
