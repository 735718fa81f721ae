"""What the lab's search adds to FAISS's own: one query, HNSW."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import Figure, Target, interleaved, scaled, table
from benchmarks.vectors import clustered, near, read
from retrieval.indexes import INDEXES
from retrieval.indexes.base import Index
from retrieval.indexes.faiss_base import library
from retrieval.types import Metric

TARGET = Target("<=", 1.05, plus=10)
SHAPES = ((6884, 384), (6884, 1280), (785, 384))


def main(argv: list[str]) -> int:
    """Print both sides for the shapes of the galleries, or for some vectors of one's own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks overhead", description=__doc__)
    parser.add_argument("--runs", type=int, default=3000)
    parser.add_argument("--size", type=int, nargs=2, metavar=("N", "DIM"), help="one size alone")
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--vectors", type=Path, help="a .npy file instead of drawn clusters")
    options = parser.parse_args(argv)
    facts = {"vectors": options.vectors or "drawn clusters, length 1", "runs": options.runs}
    title = "A panel's search stage against raw FAISS HNSW, one query"
    return table(title, figures(options), **facts)


def figures(options: argparse.Namespace) -> Iterator[Figure]:
    """One line a shape."""
    shapes = (tuple(options.size),) if options.size else SHAPES
    given = [read(options.vectors)] if options.vectors else (clustered(*each) for each in shapes)
    for vectors in given:
        spec = INDEXES.spec("faiss-hnsw")
        with INDEXES.load(spec)(spec, Metric.COSINE) as index:
            index.build(vectors)
            times = measured(index, near(vectors, 512), options.k, options.runs)
            what = f"{len(vectors):,} x {vectors.shape[1]}, k {options.k}, {knobs(index)}"
        ours, theirs = (scaled(times[side], 1e6) for side in ("lab", "faiss"))
        yield Figure(what, "us", ours, theirs, TARGET)


def knobs(index: Index) -> str:
    """An index's settings."""
    return " ".join(f"{name} {value}" for name, value in index.knobs.items())


def measured(index: Any, queries: NDArray[np.float32], k: int, runs: int) -> dict[str, list[float]]:
    """Seconds of single searches, the same queries on both sides, in turn."""
    raw = index._engine
    params = library().SearchParametersHNSW(efSearch=index.knobs["efSearch"])
    ours, theirs = (cycle(list(queries[:, None])) for _ in range(2))
    sides = {
        "faiss": lambda: raw.search(next(theirs), k, params=params),
        "lab": lambda: index.search(next(ours), k),
    }
    interleaved(sides, max(1, runs // 10))
    return interleaved(sides, runs)
