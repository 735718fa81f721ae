"""A search while a build keeps every core busy, against the same search on the idle page."""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import numpy as np

from benchmarks.report import Figure, Target, table
from retrieval.embedders.gallery import embed
from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.runtime import courtesy

TARGET = Target("<=", 3)
ROUNDS = 5
PANELS = ("conse-lite2@exact", "efficientnet-lite2@faiss-hnsw")


def main(argv: list[str]) -> int:
    """Print both p95 for a text and for a picture of the gallery."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks busy", description=__doc__)
    parser.add_argument("--runs", type=int, default=40, help="searches in each of the rounds")
    parser.add_argument("--builds", default="efficientnet-lite0", help="embeds clipart meanwhile")
    options = parser.parse_args(argv)
    facts = {"meanwhile": f"clipart by {options.builds}", "rounds": ROUNDS, "runs": options.runs}
    return table("p95 of a search during a build, and without", figures(options), **facts)


def figures(options: argparse.Namespace) -> Iterator[Figure]:
    """One line a panel; idle and busy rounds in turn."""
    courtesy.serve()  # as the page does
    lab = Lab()
    for text in PANELS:
        panel = Panel.parse(text)
        searches(lab, panel, options.runs)
        quiet: list[float] = []
        busy: list[float] = []
        for _ in range(ROUNDS):
            quiet.append(p95(searches(lab, panel, options.runs)))
            with building(lab, options.builds):
                busy.append(p95(searches(lab, panel, options.runs)))
        yield Figure(f"{panel}, p95 of a search", "ms", busy, quiet, TARGET)


def p95(times: list[float]) -> float:
    """The 95th percentile."""
    return float(np.percentile(times, 95))


def searches(lab: Lab, panel: Panel, runs: int) -> list[float]:
    """Milliseconds of whole answers, as somebody at the page waits for them."""
    spec, times = lab.spec(panel.embedder), []
    for run in range(runs):
        query = Query(text=f"a bird {run % 10}") if spec.reads_text else Query(row=run)
        start = time.perf_counter_ns()
        (result,) = lab.compare("stamps", [panel], query, 10)
        times.append((time.perf_counter_ns() - start) / 1e6)
        if result.problem:
            raise RuntimeError(result.problem)
    return times


@contextmanager
def building(lab: Lab, name: str) -> Iterator[None]:
    """Embed pictures again and again while the block runs."""
    stop = threading.Event()
    gallery, embedder = lab.gallery("clipart"), lab.embedder(name)

    def told(said: str, done: int, total: int) -> None:
        if stop.is_set():
            raise InterruptedError

    def work() -> None:
        for turn in count():
            first = 512 * turn % (len(gallery) - 512)
            try:
                embed(gallery, embedder, range(first, first + 512), told)
            except InterruptedError:
                return

    worker = threading.Thread(target=work, name="build")
    worker.start()
    time.sleep(1)  # until both cores are at it
    try:
        yield
    finally:
        stop.set()
        worker.join()
