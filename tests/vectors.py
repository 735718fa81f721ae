"""Vectors for the index tests: clusters on a sphere, and their signs as bits."""

from __future__ import annotations

import os
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval.indexes import INDEXES
from retrieval.indexes.base import Index
from retrieval.readiness import state
from retrieval.types import Metric, Rows, Scores
from tests import remotes

Mixed: TypeAlias = NDArray[Any]
"""Of either type: what a test does to both metrics alike."""
BITS = 128
DIM = 64


def drawn(metric: Metric, count: int, seed: int = 0, width: int | None = None) -> Mixed:
    """Rows in 30 clusters; (count, width) float32 of length 1, or packed bits."""
    rng = np.random.default_rng(seed)
    dim = width or (BITS if metric is Metric.HAMMING else DIM)
    centres = np.random.default_rng(99).standard_normal((30, dim), dtype=np.float32)
    noise = rng.standard_normal((count, dim), dtype=np.float32)
    rows = centres[rng.integers(len(centres), size=count)] + 0.8 * noise
    if metric is Metric.HAMMING:
        return np.packbits(rows > 0, axis=1)
    unit: Mixed = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def made(name: str, metric: Metric, **knobs: int) -> Index:
    """An index by name, not yet built.

    Where its engine is not installed the test is skipped with the line that installs it, and
    fails where ``PARALLAX_ENGINES`` is ``all``.
    """
    spec = INDEXES.spec(name)
    missing = state(spec)
    if missing.kind == "not-installed" and os.environ.get("PARALLAX_ENGINES") != "all":
        pytest.skip(f"{name}: {missing.reason}")
    if spec.param("address"):
        remotes.given(name, spec.param("address"))
    return INDEXES.load(spec)(spec, metric, **knobs)


def built(name: str, metric: Metric, vectors: Mixed, **knobs: int) -> Index:
    """An index by name over vectors."""
    index = made(name, metric, **knobs)
    index.build(vectors)
    return index


def scored(metric: Metric, vectors: Mixed, queries: Mixed, rows: Rows) -> Scores:
    """True scores of rows, (q, k), in double precision; -inf beside -1."""
    found = vectors[np.maximum(rows, 0)]
    if metric is Metric.HAMMING:
        differ = np.bitwise_count(found ^ queries[:, None]).sum(axis=2)
        scores = 1 - differ / (8 * vectors.shape[1])
    else:
        scores = np.einsum("qd,qkd->qk", queries.astype(np.float64), found)
    return np.where(rows < 0, -np.inf, scores).astype(np.float32)


def recall(metric: Metric, vectors: Mixed, queries: Mixed, rows: Rows) -> float:
    """Share of found rows as near as the true k-th, so that ties are no misses."""
    k = rows.shape[1]
    truth = built("exact", metric, vectors).search(queries, k)[1]
    near = scored(metric, vectors, queries, rows) >= truth[:, -1:] - 1e-5
    return float((near & (rows >= 0)).mean())
