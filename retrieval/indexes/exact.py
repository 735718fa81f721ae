"""Exact search by NumPy: the truth that every recall is measured against."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.indexes.base import Index, padded
from retrieval.indexes.topk import Found, among, best, bounds, similarity
from retrieval.types import Metric, Rows, Scores, Spec, Vectors

SPECS = (
    Spec(
        name="exact",
        title="Exact (NumPy)",
        target="retrieval.indexes.exact:Exact",
        metrics=(Metric.COSINE, Metric.HAMMING),
        note="exact",
    ),
)
BUFFER = 1 << 24
"""Scores held at once by a batch: 64 MB of float32."""
BLOCK = 1 << 17
"""Floats of the vectors that stay in a core's cache while few queries pass over them."""
FEW = 8
"""Up to this many queries are multiplied row by row; BLAS pays for packing only beyond."""


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
        rows, scores = padded(len(queries), k)
        most = min(k, self.count)
        for place, (found, values) in enumerate(self._answers(queries, most)):
            rows[place, :most], scores[place, :most] = found, values
        return rows, scores

    def _answers(self, queries: NDArray[Any], k: int) -> Iterator[Found]:
        """The k best of each query in turn; memory stays within one group of queries."""
        held = self._held
        if self.metric is Metric.HAMMING:
            for query in words(queries):
                yield best(equal_bits(held, query, 8 * self.width), k)
            return
        step = max(1, BUFFER // len(held))
        for start in range(0, len(queries), step):
            group = queries[start : start + step]
            yield from by_rows(held, group, k) if len(group) <= FEW else by_blas(held, group, k)

    def _save(self, folder: Path) -> None:
        """Nothing besides the vectors."""

    def _load(self, folder: Path, vectors: Vectors) -> None:
        self._build(vectors)


def by_rows(vectors: NDArray[np.float32], queries: NDArray[np.float32], k: int) -> Iterator[Found]:
    """The k best for few queries, on one thread, each vector read once from memory."""
    scores = np.empty((len(queries), len(vectors)), dtype=np.float32)
    step = max(1, BLOCK // max(1, vectors.shape[1])) if len(queries) > 1 else len(vectors)
    for start in range(0, len(vectors), step):
        part = slice(start, start + step)
        np.vecdot(vectors[None, part], queries[:, None], out=scores[:, part])
    for each in scores:
        yield best(each, k)


def by_blas(vectors: NDArray[np.float32], queries: NDArray[np.float32], k: int) -> Iterator[Found]:
    """The k best for many queries, on all cores.

    A product of matrices gives scores that depend in their last bits on a row's place. They
    only choose the candidates, which are then compared row by row.
    """
    scores = queries @ vectors.T
    passed = np.flatnonzero(scores >= bounds(scores, k)[:, None])
    ends = np.searchsorted(passed, np.arange(len(queries) + 1) * len(vectors))
    for place, query in enumerate(queries):
        rows = passed[ends[place] : ends[place + 1]] - place * len(vectors)
        yield among(vectors, query, rows, k)


def words(codes: Vectors) -> NDArray[np.uint64]:
    """Packed bits, (n, bytes) uint8, as (n, words) of 64 bits, the last one filled with 0."""
    missing = -codes.shape[1] % 8
    whole = np.pad(codes, ((0, 0), (0, missing))) if missing else np.ascontiguousarray(codes)
    return whole.view(np.uint64)


def equal_bits(codes: NDArray[np.uint64], query: NDArray[np.uint64], bits: int) -> Scores:
    """Share of equal bits of every row with a query, (n,) float32."""
    differ = np.bitwise_count(codes ^ query)
    return similarity(differ.sum(axis=1, dtype=np.int32), bits)
