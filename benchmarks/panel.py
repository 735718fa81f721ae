"""What a panel's answer costs apart from embedding, search and truth."""

from __future__ import annotations

import argparse
import statistics
import time

from benchmarks.report import header, summary
from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.query import Query


def main(argv: list[str]) -> int:
    """Print the rest of an answer: rescore, fetch and everything around the stages."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks panel")
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--gallery", default="clipart")
    options = parser.parse_args(argv)
    lab, panel = Lab(), Panel("conse-lite2", "faiss-hnsw")
    gallery = lab.gallery(options.gallery)
    facts = {"gallery": f"{gallery.name} {gallery.revision}", "panel": panel, "k": 50}
    print(header("Panel", **facts, runs=options.runs))
    rest, rescore, fetch = zip(
        *(_one(lab, gallery.name, panel, run) for run in range(options.runs + 20)), strict=True
    )
    for name, times in (("rescore", rescore), ("fetch", fetch), ("all but the three", rest)):
        print(f"  {name:<18} {summary(times[20:], 1)} ms")
    print(
        f"  all but embedding, search and truth: {statistics.median(rest[20:]):.3f} ms (target 1)"
    )
    return 0


def _one(lab: Lab, gallery: str, panel: Panel, run: int) -> tuple[float, float, float]:
    start = time.perf_counter_ns()
    (result,) = lab.compare(gallery, [panel], Query(text=f"a bird number {run}"), 50)
    whole = (time.perf_counter_ns() - start) / 1e6
    if result.problem:
        raise RuntimeError(result.problem)
    times = result.timings
    rest = whole - times.embed - times.search - result.truth_ms
    return rest, times.rescore, times.fetch
