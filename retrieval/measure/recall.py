"""What an index lost against exact search."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieval.types import Metric, Rows, Scores, Vectors

SLACK = 1e-6
"""Two float32 sums of the same products in another order differ by less."""


def scores(query: Vectors, vectors: Vectors, rows: Rows, metric: Metric) -> Scores:
    """Similarities of one query, (width,), to the given (k,) rows, from the vectors themselves."""
    if metric is Metric.COSINE:
        found = np.asarray(vectors[rows], np.float32)
        # A product of matrices would give equal rows different last digits.
        return np.asarray(np.vecdot(found, np.asarray(query, np.float32)), np.float32)
    unequal = np.asarray(vectors[rows], np.uint8) ^ np.asarray(query, np.uint8)
    share = np.bitwise_count(unequal).sum(axis=1) / (8 * vectors.shape[1])
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
    wanted = int(np.isfinite(true).sum())
    if wanted == 0:
        return 1.0
    last = true[wanted - 1]
    nearer = int((true[:wanted] > last + SLACK).sum())
    found_nearer = min(nearer, int((found > last + SLACK).sum()))
    tied = int((np.abs(found - last) <= SLACK).sum())
    return (found_nearer + min(tied, wanted - nearer)) / wanted


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
    return np.array(
        [
            recall(scores(query, vectors, found[found >= 0], metric), best)
            for query, found, best in zip(queries, rows, true, strict=True)
        ]
    )
