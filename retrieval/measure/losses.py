"""Where the error comes from: the model's share, and the index's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import BadQuery
from retrieval.galleries.base import Gallery
from retrieval.indexes.base import MOST, Index
from retrieval.lab import Lab
from retrieval.lane import LANE
from retrieval.measure import bootstrap
from retrieval.measure.metrics import CUT, shown
from retrieval.measure.quality import Task, queries
from retrieval.panel import Panel
from retrieval.runtime import threads
from retrieval.search import query_knobs
from retrieval.types import Rows, Vectors

EXACT = "exact"
"""The index that the others are measured against."""
CHUNK = 256
"""Queries that are searched in one call."""
Floats = NDArray[np.float64]
Part = tuple[Floats, Floats, Floats]
"""(c,) by exact search, (c,) by the index, (c, 6) metrics of what the index shows."""


@dataclass(frozen=True)
class Loss:
    """One panel's answers to the queries of a task, and what they lack.

    Attributes:
        panel: which stack.
        k: among how many a right picture counts as found.
        exact: (q,) share of queries with a right picture among the first k, by exact search.
        found: (q,) the same by the panel's index.
        values: (q, 6) metrics of what the panel shows, in the order of ``metrics.SHOWN``.
    """

    panel: Panel
    k: int
    exact: Floats
    found: Floats
    values: Floats

    @property
    def model(self) -> float:
        """Share of queries that even exact search over the model's vectors does not answer."""
        return float(1 - self.exact.mean())

    @property
    def index(self) -> float:
        """Share of queries that exact search answers and the index does not, net of luck.

        An index that drops a wrong neighbour can let a right one in; such a query counts
        against the loss, so that model, index and found add up to one.
        """
        return float(self.exact.mean() - self.found.mean())

    def interval(self) -> tuple[float, float, float]:
        """The index's loss with its 95 % interval, paired by query; of exact search always 0."""
        if self.panel.index == EXACT:
            return 0.0, 0.0, 0.0
        return bootstrap.paired(self.exact, self.found)


def loss(lab: Lab, gallery: Gallery, panel: Panel, task: Task, k: int) -> Loss:
    """Ask a task's queries of a panel and of exact search over the same vectors.

    Args:
        lab: what is loaded.
        gallery: whose rows.
        panel: which stack.
        task: which queries, and what answers them.
        k: how many pictures a person looks at.

    Raises:
        LabError: the embedder cannot read the queries, or the index cannot be built.
    """
    return whole(panel, k, list(parts(lab, gallery, panel, task, k)))


def parts(
    lab: Lab, gallery: Gallery, panel: Panel, task: Task, k: int, first: int = 0
) -> Iterator[Part]:
    """Whether queries are answered, ``CHUNK`` at a time: by exact search, and by the panel.

    The panel's metrics come of the same search.

    Args:
        lab: what is loaded.
        gallery: whose rows.
        panel: which stack.
        task: which queries.
        k: how many pictures a person looks at.
        first: the query to begin with.

    Raises:
        LabError: the embedder cannot read the queries, or the index cannot be built.
    """
    if task.texts is None and not 1 <= k < MOST:
        raise BadQuery(
            f"k is {k:,}; a picture is no answer to itself, so it is from 1 to {MOST - 1}"
        )
    exact = lab.index(gallery, Panel(panel.embedder, EXACT)).index
    built = lab.index(gallery, panel).index
    tuned = query_knobs(built, panel)
    for at in range(first, len(task.rows), CHUNK):
        part = slice(at, at + CHUNK)
        asked = queries(lab, gallery, panel.embedder, task, part)
        truth = _gains(exact, {}, asked, task, part, k)
        gains = _gains(built, tuned, asked, task, part, k)
        yield _any(truth), _any(gains), shown(gains[:, :CUT], _wanted(task, task.rows[part]))


def whole(panel: Panel, k: int, given: Sequence[Part]) -> Loss:
    """What all parts of a task make up."""
    exact, found, values = (np.concatenate(each) for each in zip(*given, strict=True))
    return Loss(panel, k, exact, found, values)


def _gains(
    index: Index, knobs: dict[str, int], asked: Vectors, task: Task, part: slice, k: int
) -> NDArray[np.bool_]:
    """Whether each of the k rows that a query of a part is shown is right, (c, k)."""
    alone = task.texts is None  # a picture is no answer to itself
    with LANE, threads.every_core():
        index.tune(**knobs)
        rows, _ = index.search(asked, k + 1 if alone else k)
    return _right(rows, task, task.rows[part], alone, k)


def _right(rows: Rows, task: Task, own: Rows, alone: bool, k: int) -> NDArray[np.bool_]:
    """Whether each of the first k (q, k) rows that count is of its query's group."""
    counts = rows >= 0
    if alone:
        counts &= rows != own[:, None]
        order = np.argsort(~counts, axis=1, kind="stable")[:, :k]  # what counts moves up
        rows = np.take_along_axis(rows, order, axis=1)
        counts = np.take_along_axis(counts, order, axis=1)
    same = task.groups[rows] == task.groups[own][:, None]
    return np.asarray(same & counts)


def _any(gains: NDArray[np.bool_]) -> Floats:
    return np.asarray(gains.any(axis=1), np.float64)


def _wanted(task: Task, own: Rows) -> Rows:
    """How many rows answer each query, (c,)."""
    known = task.groups[task.groups >= 0]
    wanted = np.bincount(known)[task.groups[own]]
    return np.asarray(wanted - (task.texts is None), np.int64)
