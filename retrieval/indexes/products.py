"""Products of queries with every row, or with some rows. Holds no index, so it has no ``SPECS``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.indexes.topk import Found, among, best, bounds, similarity
from retrieval.types import Metric, Rows, Scores, Vectors

BUFFER = 1 << 24
"""Scores held at once by a batch: 64 MB of float32."""
BLOCK = 1 << 17
"""Floats of the vectors that stay in a core's cache while few queries pass over them."""
FEW = 8
"""Up to this many queries are multiplied row by row; BLAS pays for packing only beyond."""


def answers(
    held: NDArray[Any], queries: NDArray[Any], k: int, metric: Metric, bits: int
) -> Iterator[Found]:
    """The k best of each query in turn; memory stays within one group of queries.

    Args:
        held: (n, width) float32, or packed bits as ``words`` makes them.
        queries: (q, width), packed bits as they come.
        k: at most n.
        metric: how they compare.
        bits: of a packed row.
    """
    if metric is Metric.HAMMING:
        for query in words(queries):
            yield best(equal_bits(held, query, bits), k)
        return
    step = max(1, BUFFER // len(held))
    for start in range(0, len(queries), step):
        group = queries[start : start + step]
        yield from by_rows(held, group, k) if len(group) <= FEW else by_blas(held, group, k)


def nearest(
    held: NDArray[Any], allowed: Rows, queries: Vectors, k: int, metric: Metric
) -> tuple[Rows, Scores]:
    """The k best of some rows alone, exactly; rows and scores, both (q, k), padded.

    Args:
        held: the rows that are allowed, (m, width) as ``together`` makes them.
        allowed: their places in the gallery, (m,) ascending, at least one.
        queries: (q, width).
        k: how many, from 1.
        metric: how they compare.
    """
    most = min(k, len(allowed))
    if len(queries) == 1 and metric is Metric.COSINE:
        places, values = best(np.vecdot(held, queries[0]), most)
        if most == k:
            return allowed[places][None], values[None]
    rows = np.full((len(queries), k), -1, dtype=np.int64)
    scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
    bits = 8 * queries.shape[1]
    for at, (places, values) in enumerate(answers(held, queries, most, metric, bits)):
        rows[at, :most], scores[at, :most] = allowed[places], values
    return rows, scores


def together(vectors: Vectors, rows: Rows, metric: Metric) -> NDArray[Any]:
    """Some rows one behind the other, packed bits as words."""
    held = vectors.take(rows, axis=0)
    return words(held) if metric is Metric.HAMMING else held


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
