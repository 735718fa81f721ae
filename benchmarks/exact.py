"""Exact search against ``faiss.IndexFlatIP`` as it comes, and against the lab's tuned one."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import header, interleaved
from benchmarks.vectors import clustered, near
from retrieval.indexes import INDEXES
from retrieval.indexes.base import Index
from retrieval.indexes.faiss_base import BLAS_FROM, library
from retrieval.types import Metric, Rows

DEFAULT_BLAS_FROM = 128_000
SIZES = ((7_000, 384), (7_000, 1280), (100_000, 384), (100_000, 1280))
QUERIES, KS = (1, 8, 32, 64, 128, 512), (10, 50)
TARGET = (100_000, 384, 64)
COLUMNS = ("n", "dim", "queries", "k", "exact ms", "flat ms", "faiss ms", "exact", "flat", "ids")


def main(argv: list[str]) -> int:
    """Print milliseconds, speed-ups over FAISS's default, and the share of equal ids."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks exact")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="the target's size alone")
    parser.add_argument("--size", type=int, nargs=2, metavar=("N", "DIM"), help="one size alone")
    options = parser.parse_args(argv)
    sizes = (TARGET[:2],) if options.quick else (options.size,) if options.size else SIZES
    print(header("Exact search", vectors="drawn clusters, length 1", runs=options.runs))
    print("  exact: NumPy; flat: faiss-flat; faiss: IndexFlatIP as it comes; x: times faster")
    print("".join(f"{name:>10}" for name in COLUMNS))
    ratios = [row for n, dim in sizes for row in table(n, dim, options.runs, options.quick)]
    print(f"  slowest against FAISS's default: {min(ratios):.2f} x (target 1)")
    return 0


def table(n: int, dim: int, runs: int, quick: bool) -> list[float]:
    """One line for each number of queries and k; what ``exact`` gains in each."""
    vectors = clustered(n, dim)
    plain = library().IndexFlatIP(dim)
    plain.add(vectors)
    gains = []
    with made("exact", vectors) as exact, made("faiss-flat", vectors) as flat:
        for count, k in product((TARGET[2],) if quick else QUERIES, KS):
            queries = near(vectors, count)
            sides: dict[str, Callable[[], Rows]] = {
                "exact": partial(rows, exact, queries, k),
                "flat": partial(rows, flat, queries, k),
                "faiss": partial(default, plain, queries, k),
            }
            gains.append(line(vectors, queries, k, sides, runs))
    return gains


def line(
    vectors: NDArray[np.float32],
    queries: NDArray[np.float32],
    k: int,
    sides: dict[str, Callable[[], Rows]],
    runs: int,
) -> float:
    """Print one line; what ``exact`` gains."""
    times = interleaved(sides, runs)
    exact, flat, faiss = (statistics.median(times[name]) for name in sides)
    same = float(np.mean(sides["exact"]() == sides["faiss"]()))
    cells = [*vectors.shape, len(queries), k, *(f"{t * 1e3:.2f}" for t in (exact, flat, faiss))]
    cells += [f"{faiss / exact:.2f} x", f"{faiss / flat:.2f} x", f"{same:.4f}"]
    print("".join(f"{cell:>10}" for cell in cells), flush=True)
    return faiss / exact


def made(name: str, vectors: NDArray[np.float32]) -> Index:
    """An index, built."""
    spec = INDEXES.spec(name)
    index = INDEXES.load(spec)(spec, Metric.COSINE)
    index.build(vectors)
    return index


def rows(index: Index, queries: NDArray[np.float32], k: int) -> Rows:
    """Rows by one of ours."""
    return index.search(queries, k)[0]


def default(plain: Any, queries: NDArray[np.float32], k: int) -> Rows:
    """Rows by FAISS with its own threshold, all its threads, for this call alone."""
    faiss = library()
    faiss.cvar.distance_compute_blas_threshold = DEFAULT_BLAS_FROM
    try:
        found: Rows = plain.search(queries, k)[1]
    finally:
        faiss.cvar.distance_compute_blas_threshold = BLAS_FROM
    return found
