"""How size grows and time with it: ``python -m benchmarks scaling --rows 10000 50000``.

One query at a time, the indexes in turns, over vectors drawn around a gallery's own.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from typing import Any

import numpy as np

from retrieval.indexes import INDEXES
from retrieval.indexes.base import Index
from retrieval.lab import Lab
from retrieval.measure.recall import recall, scores
from retrieval.types import Metric, Vectors

K = 10
NAMES = ["exact", "faiss-flat", "faiss-sq8", "faiss-ivfpq", "faiss-ivf-rabitq", "faiss-hnsw"]


def main(argv: list[str]) -> int:
    """Print a table of each number of rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 50_000])
    parser.add_argument("--gallery", default="clipart")
    parser.add_argument("--embedder", default="conse-lite2")
    parser.add_argument("--index", nargs="+", default=NAMES)
    parser.add_argument("--queries", type=int, default=50)
    options = parser.parse_args(argv)
    lab = Lab()
    known = lab.vectors(lab.gallery(options.gallery), options.embedder)
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; ", end="")
    print(f"{options.gallery} x {options.embedder}, {known.shape[1]} dimensions, k = {K}")
    for count in options.rows:
        table(known, count, options.index, options.queries)
    return 0


def table(known: Vectors, count: int, names: list[str], asked: int) -> None:
    """Build each index over so many vectors and time them in turns."""
    vectors, queries = around(known, count, 0), around(known, asked, 1)
    built = {name: build(name, vectors) for name in names}
    truth = built[names[0]][0].search(queries, K)[1]
    times: dict[str, list[float]] = {name: [] for name in names}
    shares: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(3):
        for place in np.random.default_rng(turn).permutation(asked):
            for name, (index, _) in built.items():
                start = time.perf_counter()
                rows, _ = index.search(queries[place : place + 1], K)
                times[name].append(1e3 * (time.perf_counter() - start))
                found = scores(queries[place : place + 1], vectors, rows[0], Metric.COSINE)
                shares[name].append(recall(found, truth[place]))
    for name, (index, seconds) in built.items():
        print(
            f"| {count:,} | {name} | {index.nbytes() / count:,.0f} | {seconds:.1f} | "
            f"{np.median(times[name]):.2f} | {np.percentile(times[name], 95):.2f} | "
            f"{np.mean(shares[name]):.3f} |",
            flush=True,
        )


def around(known: Vectors, count: int, seed: int) -> Any:
    """Vectors near those of a gallery, (count, dim) of length 1."""
    draw = np.random.default_rng(seed)
    rows = known[draw.integers(len(known), size=count)].astype(np.float32)
    spread = 0.5 / np.sqrt(known.shape[1])
    rows = rows + spread * draw.standard_normal(rows.shape, dtype=np.float32)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def build(name: str, vectors: Vectors) -> tuple[Index, float]:
    """An index at its defaults, and the seconds that building it took."""
    spec = INDEXES.spec(name)
    index = INDEXES.load(spec)(spec, Metric.COSINE)
    start = time.perf_counter()
    index.build(vectors)
    return index, time.perf_counter() - start
