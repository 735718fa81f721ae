"""Exact search against ``faiss.IndexFlatIP`` as it comes, and against the lab's tuned one."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import Figure, Target, interleaved, rates, table
from benchmarks.vectors import clustered, near
from retrieval.indexes import INDEXES
from retrieval.indexes.base import Index
from retrieval.indexes.faiss_base import BLAS_FROM, library
from retrieval.types import Metric, Rows

DEFAULT_BLAS_FROM = 128_000
"""FAISS multiplies by BLAS where queries x dimensions reach this, if nobody changes it."""
SIZES = ((100_000, 384), (100_000, 64), (100_000, 1280), (7_000, 384), (7_000, 1280))
QUERIES = (1, 8, 32, 64, 128, 300, 1000)
NAMED = (100_000, 384, 64)
"""Rows, dimensions and queries of the figure with a target of its own."""
FASTER, NOT_SLOWER = Target(">=", 4), Target(">=", 1)


def main(argv: list[str]) -> int:
    """Print queries a second of both and how many ids are equal."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks exact", description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--size", type=int, nargs=2, metavar=("N", "DIM"), help="one size alone")
    parser.add_argument("--queries", type=int, nargs="+", default=QUERIES)
    options = parser.parse_args(argv)
    title = "Exact search (NumPy) against faiss.IndexFlatIP as it comes"
    facts = {"vectors": "drawn clusters, length 1", "k": options.k, "runs": options.runs}
    return table(title, figures(options), **facts)


def figures(options: argparse.Namespace) -> Iterator[Figure]:
    """One line for each size and number of queries."""
    for n, dim in (options.size,) if options.size else SIZES:
        vectors = clustered(n, dim)
        plain = library().IndexFlatIP(dim)
        plain.add(vectors)
        with made("exact", vectors) as exact, made("faiss-flat", vectors) as flat:
            for count in options.queries:
                queries = near(vectors, count)
                sides: dict[str, Callable[[], Rows]] = {
                    "exact": partial(rows, exact, queries, options.k),
                    "faiss": partial(default, plain, queries, options.k),
                    "flat": partial(rows, flat, queries, options.k),
                }
                yield figure((n, dim, count), sides, options.runs)


def figure(shape: tuple[int, int, int], sides: dict[str, Callable[[], Rows]], runs: int) -> Figure:
    """A shape's line; short searches are measured more often."""
    n, dim, count = shape
    times = interleaved(sides, runs * min(50, max(1, 2_000_000_000 // (n * dim * count))))
    ours, theirs, tuned = (rates(times[side], count) for side in ("exact", "faiss", "flat"))
    same = float(np.mean(sides["exact"]() == sides["faiss"]()))
    gain = float(np.median(tuned) / np.median(theirs))
    what = f"{n:,} x {dim:,}, {count:,} queries"
    note = f"equal ids: {same:.4f}; the lab's faiss-flat: {gain:.2f}x"
    return Figure(what, "q/s", ours, theirs, FASTER if shape == NAMED else NOT_SLOWER, note)


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
