"""What an index is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from retrieval.errors import BadKnob, BadQuery, BadVectors
from retrieval.types import Knob, Metric, Rows, Scores, Spec, Vectors

MOST = 1000
"""The largest k that is answered."""


class Index(ABC):
    """Finds the nearest of the vectors that it was built from. A context manager.

    A subclass writes ``_build``, ``_search``, ``_save``, ``_load`` and ``nbytes``; the
    checks live here. Saved files hold no vectors: they are given again to ``load``.

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

    def build(self, vectors: Vectors) -> None:
        """Index the rows of ``vectors``, which stay unchanged; searchable on return.

        Raises:
            BadVectors: not two dimensions, wrong type, not finite.
        """
        self._accept(vectors)
        self._build(vectors)

    def search(self, queries: Vectors, k: int) -> tuple[Rows, Scores]:
        """The k best rows for each query.

        Args:
            queries: (q, width), of the type that was built from.
            k: how many, from 1; more than there are rows pads with -1.

        Returns:
            Rows and scores, both (q, k), best first.

        Raises:
            BadVectors: another width or type than the index holds, or not finite.
            BadQuery: k below 1 or above 1,000.
        """
        if not 1 <= k <= MOST:
            raise BadQuery(f"k is {k}; it must be between 1 and {MOST:,}")
        self._fits(queries)
        if self.count == 0 or len(queries) == 0:
            return padded(len(queries), k)
        return self._search(queries, k)

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

    def load(self, folder: Path, vectors: Vectors) -> None:
        """Take up what ``save`` wrote, with the vectors that it was built from."""
        self._accept(vectors)
        self._load(folder, vectors)

    @abstractmethod
    def nbytes(self) -> int:
        """Bytes that the engine holds in memory, vectors included."""

    def close(self) -> None:
        """Let go of the engine; twice is no harm."""
        self.count = 0

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
        return np.dtype(np.uint8) if self.metric is Metric.HAMMING else np.dtype(np.float32)

    def _accept(self, vectors: Vectors) -> None:
        if vectors.ndim != 2 or vectors.dtype != self._dtype:
            raise BadVectors(
                f"{self.spec.name} wants (n, dim) {self._dtype}, "
                f"got {vectors.dtype} of shape {vectors.shape}"
            )
        if vectors.dtype == np.float32 and not np.isfinite(vectors).all():
            raise BadVectors(f"{self.spec.name} got vectors that are not finite")
        self.count, self.width = vectors.shape

    def _fits(self, queries: Vectors) -> None:
        if queries.ndim != 2 or queries.dtype != self._dtype or queries.shape[1] != self.width:
            raise BadVectors(
                f"{self.spec.name} holds {self._dtype} of width {self.width}, "
                f"the query is {queries.dtype} of shape {queries.shape}"
            )
        if queries.dtype == np.float32 and not np.isfinite(queries).all():
            raise BadVectors("the query's vector is not finite")


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
