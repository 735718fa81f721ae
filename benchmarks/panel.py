"""What a panel's answer costs apart from embedding, search and truth."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

from benchmarks.report import Figure, Target, table
from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.query import Query

TARGET = Target("<=", 0, plus=1)
K = 50
WARM = 20
"""First calls that are left out."""


def main(argv: list[str]) -> int:
    """Print the rest of an answer: rescore, fetch and everything around the stages."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks panel", description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--gallery", default="clipart")
    parser.add_argument("--panel", type=Panel.parse, default=Panel("conse-lite2", "faiss-hnsw"))
    options = parser.parse_args(argv)
    revision = Lab().gallery(options.gallery).revision[:12]
    facts = {"gallery": f"{options.gallery} {revision}", "panel": options.panel, "k": K}
    title = "A panel's answer apart from embedding, search and truth"
    return table(title, figures(options), **facts, runs=options.runs)


def figures(options: argparse.Namespace) -> Iterator[Figure]:
    """The rest, and the two stages within it."""
    lab = Lab()
    runs = [_one(lab, options.gallery, options.panel, run) for run in range(options.runs + WARM)]
    rest, rescore, fetch = (list(each) for each in zip(*runs[WARM:], strict=True))
    yield Figure("all but embedding, search and truth", "ms", rest, (), TARGET)
    yield Figure("of which rescore", "ms", rescore)
    yield Figure("of which fetch", "ms", fetch)


def _one(lab: Lab, gallery: str, panel: Panel, run: int) -> tuple[float, float, float]:
    start = time.perf_counter_ns()
    (result,) = lab.compare(gallery, [panel], Query(text=f"a bird number {run}"), K)
    whole = (time.perf_counter_ns() - start) / 1e6
    if result.problem:
        raise RuntimeError(result.problem)
    times = result.timings
    rest = whole - times.embed - times.search - result.truth_ms
    return rest, times.rescore, times.fetch
