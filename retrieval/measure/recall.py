"""What an index lost against exact search."""

from __future__ import annotations

import numpy as np

from retrieval.types import Metric, Rows, Scores, Vectors

SLACK = 1e-6
"""Two float32 sums of the same products in another order differ by less."""


def scores(query: Vectors, vectors: Vectors, rows: Rows, metric: Metric) -> Scores:
    """Similarities of one query, (width,), to the given (k,) rows, from the vectors themselves."""
    found = vectors[rows]
    if metric is Metric.COSINE:
        cosine: Scores = found @ query
        return cosine
    differing = np.bitwise_count(found ^ query).sum(axis=1)
    hamming: Scores = (1 - differing / (8 * vectors.shape[1])).astype(np.float32)
    return hamming


def recall(found: Scores, true: Scores) -> float:
    """Share of the true neighbours that were found, by score, so that ties are no misses.

    The rule is that of ann-benchmarks (Aumueller et al. 2018): what is at least as near as
    the k-th true neighbour counts.

    Args:
        found: (k,) recomputed scores of an answer; -inf where nothing was found.
        true: (k,) scores of exact search, best first; -inf where there are fewer rows.
    """
    wanted = int(np.isfinite(true).sum())
    if wanted == 0:
        return 1.0
    return int((found >= true[wanted - 1] - SLACK).sum()) / wanted
