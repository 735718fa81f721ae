"""How time grows with rows: one query, over vectors drawn around a gallery's own."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from itertools import cycle

import numpy as np

from benchmarks.exact import made
from benchmarks.report import Figure, interleaved, scaled, table
from retrieval.indexes.base import Index
from retrieval.lab import Lab
from retrieval.measure.drawn import around
from retrieval.measure.recall import recalls
from retrieval.types import Scores, Vectors

K = 10
NAMES = ["exact", "faiss-flat", "faiss-sq8", "faiss-ivfpq", "faiss-ivf-rabitq", "faiss-hnsw"]


def main(argv: list[str]) -> int:
    """Print the times of each index beside exact search's."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks scaling", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 50_000])
    parser.add_argument("--gallery", default="clipart")
    parser.add_argument("--embedder", default="conse-lite2")
    parser.add_argument("--index", nargs="+", default=NAMES)
    parser.add_argument("--runs", type=int, default=150)
    options = parser.parse_args(argv)
    facts = {"around": f"{options.gallery} x {options.embedder}", "k": K, "runs": options.runs}
    return table("One query against exact search, by rows", figures(options), **facts)


def figures(options: argparse.Namespace) -> Iterator[Figure]:
    """A line for each number of rows and each index."""
    lab = Lab()
    real = np.asarray(lab.vectors(lab.gallery(options.gallery), options.embedder), np.float32)
    drawer = around(real)
    for count in options.rows:
        vectors, queries = drawer.draw(count), drawer.draw(options.runs, seed=1)
        with made("exact", vectors) as exact:
            truth = exact.search(queries, K)[1]
            for name in options.index:
                yield figure(name, exact, vectors, queries, truth)


def figure(name: str, exact: Index, vectors: Vectors, queries: Vectors, truth: Scores) -> Figure:
    """An index at its defaults beside exact search, in turns."""
    start = time.perf_counter()
    with made(name, np.asarray(vectors, np.float32)) as index:
        seconds = time.perf_counter() - start
        mine, theirs = (cycle(list(queries[:, None])) for _ in range(2))
        times = interleaved(
            {
                "ours": lambda: index.search(next(mine), K),
                "exact": lambda: exact.search(next(theirs), K),
            },
            len(queries),
        )
        rows = index.search(queries, K)[0]
        found = recalls(queries, vectors, rows, truth, index.metric).mean()
        note = f"{index.nbytes() / len(vectors):,.0f} bytes a row, recall@{K} {found:.3f}"
        note += f", built in {seconds:.1f} s"
    ours, theirs_ms = scaled(times["ours"], 1e3), scaled(times["exact"], 1e3)
    return Figure(f"{name}, {len(vectors):,} rows", "ms", ours, theirs_ms, None, note)
