"""What each query-time knob of an index changes: its recall, its work, or nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.indexes.base import Index
from retrieval.measure.recall import recalls
from retrieval.types import Knob, Rows, Scores, Vectors

K = 10
"""The k of the recall."""
ROUNDS = 3
"""Times that a query is timed at each setting, in turns; the fastest counts."""
TIMED = 64
"""Queries that are timed, at most: a database takes milliseconds for each. All count in recall."""
SAME_RECALL = 0.005
"""Recalls nearer than this are the same."""
SAME_WORK = 1.1
"""Times whose ratio stays below this are the same."""
AGREED = 0.75
"""Share of the queries that a change of time must show in."""


@dataclass(frozen=True)
class Setting:
    """One value of a knob, the others at their defaults.

    Attributes:
        value: of the knob; none for an index without query-time knobs.
        recall: recall@10, the mean of the queries.
        ms: milliseconds of a query's search, alone on one thread, of ``TIMED`` at most.
    """

    value: int | None
    recall: float
    ms: NDArray[np.float64]

    @property
    def median_ms(self) -> float:
        """Median of the queries in milliseconds."""
        return float(np.median(self.ms))


@dataclass(frozen=True)
class Effect:
    """A knob at its lowest, default and highest; or an index without one, at its only setting."""

    knob: Knob | None
    settings: tuple[Setting, ...]

    @property
    def changes(self) -> tuple[str, ...]:
        """What differs between lowest and highest: ``recall``, ``work``, both, nothing."""
        low, high = self.settings[0], self.settings[-1]
        changed = []
        if abs(high.recall - low.recall) >= SAME_RECALL:
            changed.append("recall")
        if differs(low.ms, high.ms):
            changed.append("work")
        return tuple(changed)


def differs(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Whether most of the queries, (q,) times each, take longer on the same one side."""
    ratios = other / one
    slower, faster = (ratios >= SAME_WORK).mean(), (ratios <= 1 / SAME_WORK).mean()
    return bool(max(slower, faster) >= AGREED)


def effects(index: Index, vectors: Vectors, queries: Vectors, truth: Scores) -> Iterator[Effect]:
    """Each query-time knob of an index in turn.

    Args:
        index: built over ``vectors``; it has its default knobs again at the end.
        vectors: what its answers are scored by.
        queries: (q, width).
        truth: (q, k) scores of exact search.
    """
    tuned = [knob for knob in index.spec.knobs if knob.when == "query"]
    if not tuned:
        yield Effect(None, tuple(_settings(index, vectors, queries, truth, None, [None])))
    for knob in tuned:
        values = sorted({knob.low, knob.default, knob.high})
        yield Effect(knob, tuple(_settings(index, vectors, queries, truth, knob, values)))


def _settings(
    index: Index,
    vectors: Vectors,
    queries: Vectors,
    truth: Scores,
    knob: Knob | None,
    values: Sequence[int | None],
) -> list[Setting]:
    found = []
    for value in values:
        _set(index, knob, value)
        found.append(index.search(queries, K)[0])
    times = _timed(index, queries[:: -(-len(queries) // TIMED)], knob, values)
    _set(index, knob, knob.default if knob else None)
    return [
        Setting(value, _recall(index, vectors, queries, truth, rows), times[column])
        for column, (value, rows) in enumerate(zip(values, found, strict=True))
    ]


def _timed(
    index: Index, queries: Vectors, knob: Knob | None, values: Sequence[int | None]
) -> NDArray[np.float64]:
    """Milliseconds of each query at each value, (values, q)."""
    times = np.full((len(values), len(queries)), np.inf)
    for _ in range(ROUNDS):
        for place, query in enumerate(queries):
            for column, value in enumerate(values):
                _set(index, knob, value)
                start = time.perf_counter_ns()
                index.search(query[None], K)
                spent = (time.perf_counter_ns() - start) / 1e6
                times[column, place] = min(times[column, place], spent)
    return times


def _set(index: Index, knob: Knob | None, value: int | None) -> None:
    if knob is not None and value is not None:
        index.tune(**{knob.name: value})


def _recall(index: Index, vectors: Vectors, queries: Vectors, truth: Scores, found: Rows) -> float:
    return float(recalls(queries, vectors, found, truth, index.metric).mean())
