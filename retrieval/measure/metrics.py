"""Metrics of a ranking against what is relevant, as TREC defines them.

Definitions are those of ``trec_eval`` (NIST): success@k, reciprocal rank, average precision and
nDCG with the number of relevant rows as its ideal, all cut at ten where the name says so.
R@k of image retrieval (as CLIP's paper has it) is success@k.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieval.indexes.topk import best

NAMES = ("R@1", "R@5", "R@10", "MRR", "mAP@10", "nDCG@10")
"""Columns of what ``per_query`` gives."""
SHOWN = ("R@1", "R@5", "R@10", "MRR@10", "mAP@10", "nDCG@10")
"""Columns of what ``shown`` gives."""
CUT = 10
Floats = NDArray[np.float64]

_DISCOUNT: Floats = 1 / np.log2(np.arange(CUT) + 2)


def per_query(scores: NDArray[np.float32], relevant: NDArray[np.bool_]) -> Floats:
    """Every metric of every query.

    Equal scores rank by row, the lower first.

    Args:
        scores: (q, n) similarities, higher is better; -inf leaves a row out.
        relevant: (q, n) whether a row answers a query; each query has one at least.

    Returns:
        (q, 6) in the order of ``NAMES``, each from 0 to 1.
    """
    count = min(CUT, scores.shape[1])
    top = np.array([best(each, count)[0] for each in scores]).reshape(len(scores), count)
    gains = np.take_along_axis(relevant, top, axis=1).astype(np.float64)
    wanted = relevant.sum(axis=1)
    columns = [gains[:, :k].any(axis=1) for k in (1, 5, 10)]
    return np.column_stack(
        [*columns, 1 / _first(scores, relevant), _precision(gains, wanted), _ndcg(gains, wanted)]
    ).astype(np.float64)


def shown(gains: NDArray[np.bool_], wanted: NDArray[np.int64]) -> Floats:
    """Every metric of what is shown alone: the first right row counts only if it is among it.

    Args:
        gains: (q, k) whether each row that is shown is right, best first, k at most ``CUT``.
        wanted: (q,) how many rows are right, 1 or more; queries of none come to 0.

    Returns:
        (q, 6) in the order of ``SHOWN``.
    """
    right, able = gains.astype(np.float64), np.maximum(wanted, 1)
    hits = [gains[:, :k].any(axis=1) for k in (1, 5, 10)]
    first = (right / np.arange(1, gains.shape[1] + 1)).max(axis=1, initial=0.0)
    return np.column_stack([*hits, first, _precision(right, able), _ndcg(right, able)]).astype(
        np.float64
    )


def _first(scores: NDArray[np.float32], relevant: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Rank of the first relevant row, (q,), from 1."""
    first = np.where(relevant, scores, -np.inf).argmax(axis=1)[:, None]
    value = np.take_along_axis(scores, first, axis=1)
    before = np.arange(scores.shape[1]) < first
    above = (scores > value) | ((scores == value) & before)
    return np.asarray(1 + above.sum(axis=1), np.int64)


def _precision(gains: Floats, wanted: NDArray[np.int64]) -> Floats:
    """Average precision at ten over all that is relevant, (q,)."""
    ranks = np.arange(1, gains.shape[1] + 1)
    precision: Floats = (gains * gains.cumsum(axis=1) / ranks).sum(axis=1) / wanted
    return precision


def _ndcg(gains: Floats, wanted: NDArray[np.int64]) -> Floats:
    """Discounted gain at ten over the ideal one, (q,)."""
    ideal = np.concatenate([[0.0], _DISCOUNT.cumsum()])[np.minimum(wanted, CUT)]
    ndcg: Floats = (gains * _DISCOUNT[: gains.shape[1]]).sum(axis=1) / ideal
    return ndcg
