"""Exact search by NumPy: the truth that every recall is measured against."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.indexes.base import Filtered, Index, padded
from retrieval.indexes.products import answers, one, words
from retrieval.types import Metric, Rows, Scores, Spec, Vectors
from retrieval.where import Allowed

SPECS = (
    Spec(
        name="exact",
        title="Exact (NumPy)",
        target="retrieval.indexes.exact:Exact",
        metrics=(Metric.COSINE, Metric.HAMMING),
        note="exact",
        filters="rows",
    ),
)


class Exact(Index):
    """Compares every row. Equal scores are ordered by row, the lower one first.

    The vectors are not copied: they must not change while the index is in use. A query's answer
    is the same, bit for bit, alone and in a batch. One query runs on one thread.
    """

    keeps = False
    _held: NDArray[Any]

    def nbytes(self) -> int:
        """Bytes of the vectors, which are the caller's own."""
        return self.count * self.width * self._dtype.itemsize

    def close(self) -> None:
        """Let go of the vectors; twice is no harm."""
        super().close()
        self._held = np.empty((0, self.width), dtype=self._dtype)

    def _build(self, vectors: Vectors) -> None:
        hamming = self.metric is Metric.HAMMING
        self._held = words(vectors) if hamming else np.ascontiguousarray(vectors)

    def _search(self, queries: Vectors, k: int) -> tuple[Rows, Scores]:
        held = self._held
        most = min(k, len(held))
        if len(queries) == 1 and most == k and self.metric is Metric.COSINE:
            found, values = one(held, queries[0], k)
            return found[None], values[None]
        rows, scores = padded(len(queries), k)
        if not most:  # another thread has closed it a moment ago
            return rows, scores
        several = answers(held, queries, most, self.metric, 8 * self.width)
        for place, (found, values) in enumerate(several):
            rows[place, :most], scores[place, :most] = found, values
        return rows, scores

    def _filtered(self, queries: Vectors, k: int, where: Allowed) -> Filtered | None:
        return self._exactly(queries, k, where)._replace(how="")

    def _save(self, folder: Path) -> None:
        """Nothing besides the vectors."""

    def _load(self, folder: Path, vectors: Vectors) -> None:
        self._build(vectors)
