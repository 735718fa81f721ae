"""What an index lost against exact search."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieval.types import Metric, Rows, Scores, Vectors

SLACK = 1e-6
"""Two float32 sums of the same products in another order differ by less."""
GATHERED = 1 << 22
"""Numbers of found vectors that are compared at once: 16 MB of float32."""


def scores(query: Vectors, vectors: Vectors, rows: Rows, metric: Metric) -> Scores:
    """Similarities of one query, (width,), to the given (k,) rows, from the vectors themselves."""
    found: Scores = _scores(query[None], vectors, rows[None], metric)[0]
    return found


def _scores(queries: Vectors, vectors: Vectors, rows: Rows, metric: Metric) -> Scores:
    """Similarities of (q, width) queries to (q, k) rows."""
    if metric is Metric.COSINE:
        found = np.asarray(vectors[rows], np.float32)
        # A product of matrices would give equal rows different last digits.
        return np.asarray(np.vecdot(found, np.asarray(queries, np.float32)[:, None]), np.float32)
    unequal = np.asarray(vectors[rows], np.uint8) ^ np.asarray(queries, np.uint8)[:, None]
    share = np.bitwise_count(unequal).sum(axis=2) / (8 * vectors.shape[1])
    return np.asarray(1 - share, np.float32)


def recall(found: Scores, true: Scores) -> float:
    """Share of the true neighbours that were found, by score, so that ties are no misses.

    The rule is that of ann-benchmarks (Aumüller et al. 2018), what is at least as near as the
    k-th true neighbour counts, but that rows as near as the k-th fill their own places only:
    they make up for no nearer neighbour that was lost.

    Args:
        found: (k,) recomputed scores of an answer; -inf where nothing was found.
        true: (k,) scores of exact search, best first; -inf where there are fewer rows.
    """
    return float(_shares(found[None], true[None])[0])


def _shares(found: Scores, true: Scores) -> NDArray[np.float64]:
    """``recall`` of each row of (q, k) scores."""
    wanted = np.isfinite(true).sum(axis=1)
    last = np.take_along_axis(true, np.maximum(wanted - 1, 0)[:, None], axis=1)
    last[wanted == 0] = np.inf
    nearer = (true > last + SLACK).sum(axis=1)
    found_nearer = np.minimum(nearer, (found > last + SLACK).sum(axis=1))
    tied = (np.abs(found - last) <= SLACK).sum(axis=1)
    shares = (found_nearer + np.minimum(tied, wanted - nearer)) / np.maximum(wanted, 1)
    return np.asarray(np.where(wanted, shares, 1.0), np.float64)


def recalls(
    queries: Vectors, vectors: Vectors, rows: Rows, true: Scores, metric: Metric
) -> NDArray[np.float64]:
    """Recall of each query, (q,), from the rows that an index gave.

    Args:
        queries: (q, width).
        vectors: (n, width).
        rows: (q, k), -1 where fewer were found.
        true: (q, k) scores of exact search, best first.
        metric: how they compare.
    """
    shares = np.empty(len(queries))
    step = max(1, GATHERED // max(1, rows.shape[1] * vectors.shape[1]))
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        found = _scores(queries[part], vectors, np.maximum(rows[part], 0), metric)
        found[rows[part] < 0] = -np.inf
        shares[part] = _shares(found, true[part])
    return shares
