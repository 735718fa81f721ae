"""What another precision than float32 changes in the answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from retrieval import shards
from retrieval.galleries.base import Gallery
from retrieval.indexes import INDEXES
from retrieval.lab import Lab
from retrieval.store import vectors_key
from retrieval.types import Metric, Rows, Vectors

SAMPLE = 100
"""Rows of the gallery that are asked for."""
MOST = 10
"""Neighbours of each that are compared."""


def against_float32(
    lab: Lab, gallery: Gallery, name: str, vectors: Vectors
) -> dict[str, Any] | None:
    """How far the nearest rows agree with those that float32 finds.

    Args:
        lab: in another precision than float32.
        gallery: whose rows are the queries, each without itself among its neighbours.
        name: of an embedder.
        vectors: of the gallery, in the precision of the lab.

    Returns:
        Queries, neighbours and the mean share of equal ones, a share of none where there are
        no float32 vectors to compare with; nothing at all where the lab has float32 itself,
        the embedder is no network, or no row has a neighbour.
    """
    spec = replace(lab.spec(name), precision="float32")
    k = min(MOST, len(gallery) - 1)
    if lab.precision == spec.precision or spec.metric is not Metric.COSINE or k < 1:
        return None
    rows = np.unique(np.linspace(0, len(gallery) - 1, SAMPLE, dtype=np.int64))
    told = {"precision": lab.precision, "queries": len(rows), "k": k, "share": None}
    folder = lab.store.find(vectors_key(gallery, spec))
    if folder is None:
        return told
    reference = shards.read(folder, spec.metric)
    share = overlap(neighbours(vectors, rows, k), neighbours(reference, rows, k))
    return {**told, "share": share}


def neighbours(vectors: Vectors, rows: Rows, k: int) -> Rows:
    """The k nearest of the other rows, (q, k), for some rows, (q,)."""
    spec = INDEXES.spec("exact")
    with INDEXES.load(spec)(spec, Metric.COSINE) as exact:
        exact.build(vectors)
        found, _ = exact.search(vectors[rows], k + 1)
    others = np.argsort(found == rows[:, None], axis=1, kind="stable")[:, :k]
    nearest: Rows = np.take_along_axis(found, others, axis=1)
    return nearest


def overlap(one: Rows, other: Rows) -> float:
    """Mean share of equal rows in two (q, k) answers to the same queries."""
    shares = [len(np.intersect1d(a, b)) / len(a) for a, b in zip(one, other, strict=True)]
    return float(np.mean(shares))


def sentence(told: dict[str, Any]) -> str:
    """The figures as a person reads them."""
    if told["share"] is None:
        return f"{told['precision']}: no float32 vectors here to compare with; build them too"
    return (
        f"{told['precision']}: the top {told['k']} of {told['queries']} rows overlaps "
        f"float32's by {told['share']:.3f}"
    )
