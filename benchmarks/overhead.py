"""What the lab's search adds to FAISS's own: one query, HNSW."""

from __future__ import annotations

import argparse
import statistics
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import header, interleaved, summary
from benchmarks.vectors import clustered, near, read
from retrieval.indexes import INDEXES
from retrieval.indexes.faiss_base import library
from retrieval.types import Metric

ALLOWED, FIXED = 1.05, 10e-6


def main(argv: list[str]) -> int:
    """Print both sides and whether ours is within 1.05 x theirs + 10 microseconds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks overhead")
    parser.add_argument("--runs", type=int, default=3000)
    parser.add_argument("--rows", type=int, default=6884)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--vectors", type=Path, help="a .npy file instead of drawn clusters")
    options = parser.parse_args(argv)
    vectors = read(options.vectors) if options.vectors else clustered(options.rows, options.dim)
    spec = INDEXES.spec("faiss-hnsw")
    with INDEXES.load(spec)(spec, Metric.COSINE) as index:
        index.build(vectors)
        facts = {"vectors": vectors.shape, "k": options.k, **index.knobs}
        print(header("Search through the lab, one query", **facts, runs=options.runs))
        times = measured(index, near(vectors, 512), options.k, options.runs)
    ours, theirs = (statistics.median(times[name]) for name in ("lab", "faiss"))
    for name, seconds in times.items():
        print(f"  {name:<6} {summary(seconds, 1e6)} us")
    limit = ALLOWED * theirs + FIXED
    print(f"  ratio {ours / theirs:.3f}, added {(ours - theirs) * 1e6:.1f} us")
    print(f"  limit {ALLOWED} x + {FIXED * 1e6:.0f} us = {limit * 1e6:.1f} us: ", end="")
    print("kept" if ours <= limit else "missed")
    return int(ours > limit)


def measured(index: Any, queries: NDArray[np.float32], k: int, runs: int) -> dict[str, list[float]]:
    """Seconds of single searches, the same queries on both sides, in turn."""
    raw = index._engine
    params = library().SearchParametersHNSW(efSearch=index.knobs["efSearch"])
    ours, theirs = (cycle(list(queries[:, None])) for _ in range(2))
    sides = {
        "faiss": lambda: raw.search(next(theirs), k, params=params),
        "lab": lambda: index.search(next(ours), k),
    }
    interleaved(sides, 200)
    return interleaved(sides, runs)
