"""What an index is."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import BadKnob, BadQuery, BadVectors
from retrieval.indexes.products import nearest, together
from retrieval.types import Knob, Metric, Rows, Scores, Spec, Vectors
from retrieval.where import Allowed, Columns

TOGETHER = 1 << 26
"""Bytes of the rows that the latest filter allows which stay together."""
FLOATS, BITS = np.dtype(np.float32), np.dtype(np.uint8)
MOST = 1000
"""The largest k that is answered."""


class Filtered(NamedTuple):
    """An answer from some of the rows.

    Attributes:
        rows: (q, k), best first, -1 where fewer are allowed.
        scores: (q, k), higher is better, -inf beside a -1.
        how: what was done other than the engine does by itself, in words; empty where nothing was.
    """

    rows: Rows
    scores: Scores
    how: str = ""


class Index(ABC):
    """Finds the nearest of the vectors that it was built from. A context manager.

    A subclass writes ``_build``, ``_search``, ``_save``, ``_load`` and ``nbytes``, and
    ``_filtered`` where its engine filters; the checks live here. Saved files hold no vectors:
    they are given again to ``load``. The vectors must not change while the index is in use.

    Args:
        spec: its declared metrics and knobs.
        metric: which of the declared metrics to use.
        knobs: settings by name; what is not given has its default.

    Raises:
        BadKnob: a knob that is not declared or out of its range.
    """

    keeps: bool = True
    """Whether ``save`` writes anything; an index of whole vectors alone has nothing to keep."""

    def __init__(self, spec: Spec, metric: Metric, **knobs: int) -> None:
        if metric not in spec.metrics:
            wanted = " or ".join(spec.metrics)
            raise BadVectors(f"{spec.title} compares by {wanted}, the vectors are for {metric}")
        self.spec = spec
        self.metric = metric
        self.knobs = {**{knob.name: knob.default for knob in spec.knobs}, **checked(spec, knobs)}
        self.count = 0
        self.width = 0
        self._vectors: Vectors | None = None
        self._columns: Columns | None = None
        self._together: tuple[Allowed, NDArray[Any], str] | None = None

    def build(self, vectors: Vectors, columns: Columns | None = None) -> None:
        """Index the rows of ``vectors``, which stay unchanged; searchable on return.

        Args:
            vectors: (n, width).
            columns: the rows' values by name, n each; kept by an engine that filters by columns.

        Raises:
            BadVectors: not two dimensions, wrong type, not finite, columns of another length.
        """
        self._accept(vectors, columns)
        self._build(vectors)

    def search(self, queries: Vectors, k: int, where: Allowed | None = None) -> tuple[Rows, Scores]:
        """The k best rows for each query.

        Args:
            queries: (q, width), of the type that was built from.
            k: how many, from 1; more than there are rows pads with -1.
            where: the rows that may answer; all by default.

        Returns:
            Rows and scores, both (q, k), best first.

        Raises:
            BadVectors: another width or type than the index holds, or not finite.
            BadQuery: k below 1 or above 1,000, or a filter of another gallery.
        """
        if where is not None:
            return self.filtered(queries, k, where)[:2]
        if not 1 <= k <= MOST:
            raise BadQuery(f"k is {k}; it must be between 1 and {MOST:,}")
        self._fits(queries)
        if self.count == 0 or len(queries) == 0:
            return padded(len(queries), k)
        return self._search(queries, k)

    def filtered(self, queries: Vectors, k: int, where: Allowed) -> Filtered:
        """The k best of the rows that a filter allows, and how they were found.

        Where an engine finds fewer than there are, the query is answered by exact search over
        the rows that are allowed, and the answer says so.

        Raises:
            BadVectors: another width or type than the index holds, or not finite.
            BadQuery: k below 1 or above 1,000, or a filter of another gallery.
        """
        if not 1 <= k <= MOST:
            raise BadQuery(f"k is {k}; it must be between 1 and {MOST:,}")
        self._fits(queries)
        vectors = self._vectors
        if vectors is None or self.count == 0 or len(queries) == 0 or not len(where.rows):
            return Filtered(*padded(len(queries), k))
        if len(where.mask) != len(vectors):
            raise BadQuery(
                f"the filter {where.where} is of {len(where.mask):,} rows, {self.spec.name} holds "
                f"{len(vectors):,}; resolve it for this gallery"
            )
        found = self._filtered(queries, k, where)
        if found is None:
            return self._exactly(queries, k, where)
        return self._filled_up(queries, k, where, found)

    def reach(self) -> None:  # noqa: B027 - most are here, and need not say so
        """See that whatever answers is there, before anything is timed.

        Raises:
            Unreachable: a server that is not, in time.
        """

    def tune(self, **knobs: int) -> None:
        """Set query-time knobs without a rebuild.

        Raises:
            BadKnob: not declared, out of range, or one that needs a rebuild.
        """
        new = checked(self.spec, knobs)
        for name in new:
            if knob(self.spec, name).when == "build":
                raise BadKnob(f"{name} needs a rebuild; tune takes query-time knobs only")
        self.knobs = {**self.knobs, **new}

    def save(self, folder: Path) -> None:
        """Write what ``load`` needs besides the vectors into an existing folder."""
        self._save(folder)

    def load(self, folder: Path, vectors: Vectors, columns: Columns | None = None) -> None:
        """Take up what ``save`` wrote, with the vectors and columns that it was built from."""
        self._accept(vectors, columns)
        self._load(folder, vectors)

    @abstractmethod
    def nbytes(self) -> int:
        """Bytes that the engine holds in memory, vectors included."""

    def beside(self) -> int:
        """Bytes of the rows of the latest filter, which are held beside the engine."""
        kept = self._together
        return 0 if kept is None else kept[1].nbytes

    def close(self) -> None:
        """Let go of the engine; twice is no harm."""
        self.count = 0
        self._vectors = self._columns = self._together = None

    def __enter__(self) -> Self:
        """The index itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    @abstractmethod
    def _build(self, vectors: Vectors) -> None: ...

    @abstractmethod
    def _search(self, queries: Vectors, k: int) -> tuple[Rows, Scores]: ...

    @abstractmethod
    def _save(self, folder: Path) -> None: ...

    @abstractmethod
    def _load(self, folder: Path, vectors: Vectors) -> None: ...

    @property
    def _dtype(self) -> np.dtype[np.float32] | np.dtype[np.uint8]:
        return BITS if self.metric is Metric.HAMMING else FLOATS

    def _filtered(self, queries: Vectors, k: int, where: Allowed) -> Filtered | None:
        """The engine's own answer from the allowed rows, of which there is one at least.

        None where it has no filter, or where comparing the few that are allowed is cheaper.
        """
        return None

    def _exactly(self, queries: Vectors, k: int, where: Allowed, why: str = "") -> Filtered:
        """The answer by the products with all rows that are allowed.

        Those of the latest filter stay together in memory for the next query.
        """
        vectors = self._vectors
        if vectors is None:  # closed by another thread a moment ago
            return Filtered(*padded(len(queries), k))
        kept = self._together  # one reading: another thread may hold another filter's
        if kept is None or kept[0] is not where:
            how = f"exact over the {len(where.rows):,} allowed"
            kept = where, together(vectors, where.rows, self.metric), how
            self._together = kept if kept[1].nbytes <= TOGETHER else None
        rows, scores = nearest(kept[1], where.rows, queries, k, self.metric)
        return Filtered(rows, scores, kept[2] + why)

    def _filled_up(self, queries: Vectors, k: int, where: Allowed, found: Filtered) -> Filtered:
        """The engine's answer; where it starved, the queries it starved on answered exactly."""
        starved = np.flatnonzero(found.rows[:, where.few(k) - 1] < 0)
        if not len(starved) or self.count == 0:
            return found
        why = ", as the engine found too few"
        rows, scores, how = self._exactly(queries[starved], k, where, why)
        found.rows[starved], found.scores[starved] = rows, scores
        return Filtered(found.rows, found.scores, how)

    def _accept(self, vectors: Vectors, columns: Columns | None = None) -> None:
        if vectors.ndim != 2 or vectors.dtype != self._dtype:
            raise BadVectors(
                f"{self.spec.name} wants (n, dim) {self._dtype}, "
                f"got {vectors.dtype} of shape {vectors.shape}"
            )
        if not finite(vectors):
            raise BadVectors(f"{self.spec.name} got vectors that are not finite")
        if any(len(column) != len(vectors) for column in (columns or {}).values()):
            raise BadVectors(f"{self.spec.name} got columns of another length than its vectors")
        self.count, self.width = vectors.shape
        self._vectors, self._columns, self._together = vectors, columns, None

    def _fits(self, queries: Vectors) -> None:
        if queries.ndim != 2 or queries.dtype != self._dtype or queries.shape[1] != self.width:
            raise BadVectors(
                f"{self.spec.name} holds {self._dtype} of width {self.width}, "
                f"the query is {queries.dtype} of shape {queries.shape}"
            )
        if not finite(queries):
            raise BadVectors("the query's vector is not finite")


def finite(vectors: Vectors) -> bool:
    """Whether bits, or floats none of which is infinite or NaN."""
    if vectors.dtype == BITS:
        return True
    # A sum of squares, half the time, is finite where all of them are, unless they are enormous.
    if vectors.flags.c_contiguous and math.isfinite(np.vdot(vectors, vectors)):
        return True
    return bool(np.isfinite(vectors).all())


def padded(queries: int, k: int) -> tuple[Rows, Scores]:
    """Rows and scores, both (queries, k), of an empty answer."""
    return (
        np.full((queries, k), -1, dtype=np.int64),
        np.full((queries, k), -np.inf, dtype=np.float32),
    )


def knob(spec: Spec, name: str) -> Knob:
    """A declared knob by name.

    Raises:
        BadKnob: it is not declared.
    """
    for each in spec.knobs:
        if each.name == name:
            return each
    declared = ", ".join(each.name for each in spec.knobs) or "none"
    raise BadKnob(f"{spec.name} has no knob {name[:80]!r}; it has: {declared}")


def checked(spec: Spec, knobs: dict[str, int]) -> dict[str, int]:
    """The knobs, each declared and in its range.

    Raises:
        BadKnob: quoting the value, the range and the unit.
    """
    for name, value in knobs.items():
        rule = knob(spec, name)
        whole = isinstance(value, int) and not isinstance(value, bool)
        step = rule.scale == "linear" or (whole and value > 0 and value & (value - 1) == 0)
        if not whole or not rule.low <= value <= rule.high or not step:
            kind = "whole number" if rule.scale == "linear" else "power of two"
            raise BadKnob(
                f"{name} is {value!r}; it must be a {kind} from {rule.low} to {rule.high}"
            )
    return knobs
