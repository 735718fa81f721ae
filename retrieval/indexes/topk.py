"""The k highest of many scores, equal ones ordered by row."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from retrieval.types import Scores, Vectors

Found: TypeAlias = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Rows and scores of one query, both (k,), best first."""
SLACK = np.float32(1e-5)
"""More than a product by blocks and one by rows differ by, for rows of length 1."""
SORTED = 512
"""Scores that are sorted sooner than bounded."""
SELECTED = 50_000
"""Scores of which the k-th is selected sooner than bounded."""
WIDEST = 128
"""Scores of which one peak is taken; more would loosen the bound and save no time."""


def best(scores: Scores, k: int) -> Found:
    """The k highest of (n,) scores and their rows; k at most n."""
    if len(scores) <= SORTED:
        order = (-scores).argsort(kind="stable")[:k]  # the function costs as much again
        return order, scores[order]
    rows = (scores >= bound(scores, k)).nonzero()[0]
    return ordered(rows, scores.take(rows), k)


def bound(scores: Scores, k: int) -> np.float32:
    """A score that the k highest of (n,) reach, and few others."""
    if len(scores) > SELECTED:
        return np.float32(bounds(scores[None], k)[0])
    at, copied = len(scores) - k, scores.copy()
    copied.partition(at)
    return np.float32(copied[at])


def ordered(rows: NDArray[np.int64], scores: Scores, k: int) -> Found:
    """The k best of some ascending rows, best first, the lower row first where equal."""
    order = (-scores).argsort(kind="stable")[:k]
    return rows.take(order), scores.take(order)


def bounds(scores: Scores, k: int) -> Scores:
    """A score for each query, (q,), that its k best rows reach, tight but for few others.

    The columns are dealt into groups; the k-th highest of the groups' peaks cannot be above
    the k-th highest score. That is one pass over (q, n) and a selection among the peaks.
    """
    count = scores.shape[1]
    if scores.size <= SELECTED:
        kth: Scores = np.partition(scores, count - k, axis=1)[:, count - k] - SLACK
        return kth
    found = peaks(scores, k)
    bound: Scores = np.partition(found, found.shape[1] - k, axis=1)[:, -k] - SLACK
    return bound


def raised(highest: Scores, scores: Scores) -> Scores:
    """The k highest of some scores, (q, k), and of the peaks of others, (q, n), in no order."""
    k = highest.shape[1]
    both = np.concatenate((highest, peaks(scores, k)), axis=1)
    return np.partition(both, both.shape[1] - k, axis=1)[:, -k:]


def peaks(scores: Scores, k: int) -> Scores:
    """The highest score of each of some groups of columns, each of another row."""
    width = max(1, min(WIDEST, scores.shape[1] // (8 * k)))
    groups = scores.shape[1] // width
    highest: Scores = scores[:, : groups * width].reshape(len(scores), width, groups).max(axis=1)
    return highest


def among(vectors: Vectors, query: NDArray[Any], rows: NDArray[np.int64], k: int) -> Found:
    """The k best of some ascending rows, by their own products with the query, (k,)."""
    if 8 * len(rows) > len(vectors):  # so many ties that gathering would copy the gallery
        return ordered(rows, np.vecdot(vectors, query)[rows], k)
    return ordered(rows, np.vecdot(vectors.take(rows, axis=0), query), k)


def similarity(distances: NDArray[Any], bits: int) -> Scores:
    """Share of equal bits: 1 - distance / bits, float32."""
    scores: Scores = np.subtract(1, distances / np.float32(bits), dtype=np.float32)
    return scores
