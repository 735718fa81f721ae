"""Products of queries with every row, or with some rows. Holds no index, so it has no ``SPECS``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.indexes.topk import SLACK, Found, among, best, bound, bounds, raised, similarity
from retrieval.types import Metric, Rows, Scores, Vectors

BUFFER = 1 << 24
"""Scores (64 MB), or candidates with their places (320 MB), that are held at once."""
BLOCK = 1 << 17
"""Floats of the vectors that stay in a core's cache while few queries pass over them."""
MANY, SHORT = 2048, 512
"""Rows from which on, and dimensions up to which, BLAS's product with a vector is the faster one.

OpenBLAS takes a second thread from 460,800 floats on, which is more than a block.
"""
CACHED = 1 << 22
"""Floats up to which it is, 16 MB: beyond, both wait for memory."""
FEW = 8
"""Up to this many queries are multiplied in blocks too small for BLAS to pack or to share out."""
SMALL = 1 << 18
"""Multiplications of such a block; OpenBLAS takes a second thread beyond."""
TOGETHER = 512
"""Queries that are multiplied together."""
BLOCKED = 1 << 21
"""Scores of a block of rows with many queries: 8 MB of float32."""
LEAST = 1 << 13
"""Rows of such a block, at least: eight times as many as can be asked for."""
GATHERED = 1 << 20
"""Floats of candidates that are compared at once, all queries together."""


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
    for start in range(0, len(queries), TOGETHER):
        group = queries[start : start + TOGETHER]
        yield from by_blas(held, group, k) if len(group) > FEW else of_few(held, group, k)


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
        places, values = one(held, queries[0], most)
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


def one(vectors: NDArray[np.float32], query: NDArray[np.float32], k: int) -> Found:
    """The k best for one query, on one thread.

    Many short rows in the cache are multiplied sooner block by block, as a matrix with a vector.
    Such scores depend in their last bits on a row's place: they only choose the candidates.
    """
    count, width = vectors.shape
    if count < MANY or width > SHORT or vectors.size > CACHED:
        return best(np.vecdot(vectors, query), k)
    scores, step = np.empty(count, dtype=np.float32), BLOCK // width
    for start in range(0, count, step):
        np.dot(vectors[start : start + step], query, out=scores[start : start + step])
    return among(vectors, query, np.flatnonzero(scores >= bound(scores, k) - SLACK), k)


def by_blocks(
    vectors: NDArray[np.float32], queries: NDArray[np.float32], k: int
) -> Iterator[Found]:
    """The k best for few queries, on one thread, each vector read once from memory."""
    count, width = vectors.shape
    scores = np.empty((len(queries), count), dtype=np.float32)
    step = max(1, SMALL // (len(queries) * width))
    for start in range(0, count, step):
        part = slice(start, start + step)
        np.matmul(queries, vectors[part].T, out=scores[:, part])
    yield from chosen(vectors, queries, scores, k)


def of_few(vectors: NDArray[np.float32], queries: NDArray[np.float32], k: int) -> Iterator[Found]:
    """The k best for up to ``FEW`` queries."""
    step = max(1, BUFFER // len(vectors))
    for start in range(0, len(queries), step):
        group = queries[start : start + step]
        yield from by_blocks(vectors, group, k) if len(group) > 1 else [one(vectors, group[0], k)]


def by_blas(vectors: NDArray[np.float32], queries: NDArray[np.float32], k: int) -> Iterator[Found]:
    """The k best for many queries, on all cores, each vector read once from memory.

    The scores of a block of rows stay in the caches. The peaks of all blocks so far raise the
    bound that a row has to reach, so that later blocks let few pass; where ties let too many
    pass to be held, the queries are answered one by one.
    """
    step = max(LEAST, BLOCKED // len(queries))
    if step >= len(vectors):
        yield from chosen(vectors, queries, queries @ vectors.T, k)
        return
    highest = np.full((len(queries), k), -np.inf, dtype=np.float32)
    found, held = [], 0
    for start in range(0, len(vectors), step):
        scores = queries @ vectors[start : start + step].T
        highest = raised(highest, scores)
        passed = np.flatnonzero(scores >= highest.min(axis=1)[:, None] - SLACK)
        at, rows = np.divmod(passed, scores.shape[1])
        found.append((at, rows + start, scores.take(passed)))
        held += len(passed)
        if held > BUFFER:
            yield from (one(vectors, query, k) for query in queries)
            return
    at, rows, values = (np.concatenate(each) for each in zip(*found, strict=True))
    still = values >= highest.min(axis=1)[at] - SLACK
    order = np.lexsort((rows[still], at[still]))
    yield from compared(vectors, queries, at[still][order], rows[still][order], k)


def chosen(
    vectors: NDArray[np.float32], queries: NDArray[np.float32], scores: Scores, k: int
) -> Iterator[Found]:
    """The k best for each query, of the rows that reach a bound.

    A product of matrices gives scores that depend in their last bits on a row's place. They
    only choose the candidates, which are then compared row by row.
    """
    passed = np.flatnonzero(scores >= bounds(scores, k)[:, None])
    at, rows = np.divmod(passed, len(vectors))
    yield from compared(vectors, queries, at, rows, k)


def compared(
    vectors: NDArray[np.float32],
    queries: NDArray[np.float32],
    at: NDArray[np.intp],
    rows: NDArray[np.intp],
    k: int,
) -> Iterator[Found]:
    """The k best of each query's candidates, row by row.

    Args:
        vectors: (n, width).
        queries: (q, width).
        at: the query of each candidate, ascending.
        rows: the candidates, ascending for each query, k or more of each.
        k: how many.
    """
    starts = np.searchsorted(at, np.arange(len(queries) + 1))
    if rows.size * vectors.shape[1] > GATHERED:
        for place, query in enumerate(queries):
            yield among(vectors, query, rows[starts[place] : starts[place + 1]], k)
        return
    values = np.vecdot(vectors.take(rows, axis=0), queries.take(at, axis=0))
    order = np.lexsort((-values, at))  # stable: equal ones stay ordered by row
    top = order[starts[:-1, None] + np.arange(k)]
    yield from zip(rows[top], values[top], strict=True)


def words(codes: Vectors) -> NDArray[np.uint64]:
    """Packed bits, (n, bytes) uint8, as (n, words) of 64 bits, the last one filled with 0."""
    missing = -codes.shape[1] % 8
    whole = np.pad(codes, ((0, 0), (0, missing))) if missing else np.ascontiguousarray(codes)
    return whole.view(np.uint64)


def equal_bits(codes: NDArray[np.uint64], query: NDArray[np.uint64], bits: int) -> Scores:
    """Share of equal bits of every row with a query, (n,) float32."""
    differ = np.bitwise_count(codes ^ query)
    return similarity(differ.sum(axis=1, dtype=np.int32), bits)
