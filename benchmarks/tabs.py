"""The tab Trade-offs over stored sweeps beside a bare Gradio tab, and where a sweep's time goes."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.page import CHROMIUM, FLAGS
from benchmarks.plain_tab import EMBEDDER, GALLERY
from benchmarks.report import Figure, Target, table
from benchmarks.serving import served
from retrieval.lab import Lab
from retrieval.measure.rounds import COUNT, K
from retrieval.measure.sweep import asked, grid, measured
from retrieval.panel import Panel

DRAWN, ENGINES = Target("<=", 1.3), Target(">=", 0, plus=0.9)
INDEXES = ("exact", "faiss-hnsw", "faiss-ivf", "faiss-ivfpq")
SHOWN = """([tab, drawn]) => new Promise((done) => {
  const start = performance.now();
  const look = () => {
    const found = document.querySelector(drawn);
    if (!found || !found.getClientRects().length) return requestAnimationFrame(look);
    requestAnimationFrame(() => done(performance.now() - start));
  };
  const named = (each) => each.textContent.trim() === tab;
  [...document.querySelectorAll("[role=tab]")].find(named).click();
  look();
})"""


def main(argv: list[str]) -> int:
    """Print both."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks tabs", description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--chromium", default=CHROMIUM)
    options = parser.parse_args(argv)
    facts = {"gallery": GALLERY, "embedder": EMBEDDER, "runs": options.runs}
    return table("Tabs over what is stored", figures(options), **facts)


def figures(options: argparse.Namespace) -> Iterator[Figure]:
    """The tab in a browser, then the share of each index's sweep."""
    yield drawn(options)
    lab = Lab()
    queries = asked(lab, lab.gallery(GALLERY), EMBEDDER, "text", K, COUNT)
    for name in INDEXES:
        index: Any = lab.index(lab.gallery(GALLERY), Panel(EMBEDDER, name)).index
        shares = [share(index, queries) for _ in range(options.runs)]
        yield Figure(f"a sweep of {name}: share of its time in the engine", "", shares, (), ENGINES)


def share(index: Any, queries: Any) -> float:
    """Seconds within the engine's search, of all that a sweep of the index takes."""
    spent, whole = 0.0, index.search

    def search(*given: Any) -> Any:
        nonlocal spent
        start = time.perf_counter()
        try:
            return whole(*given)
        finally:
            spent += time.perf_counter() - start

    index.search = search
    start = time.perf_counter()
    try:
        for knobs in grid(index.spec):
            measured(index, queries, knobs)
    finally:
        del index.search
    return spent / (time.perf_counter() - start)


def drawn(options: argparse.Namespace) -> Figure:
    """From the click on the tab until its plot stands, in a fresh page each time."""
    from playwright.sync_api import sync_playwright

    ours: list[float] = []
    theirs: list[float] = []
    with (
        served("app.py", "--port", "PORT") as lab,
        served("-m", "benchmarks.plain_tab", "PORT") as plain,
        sync_playwright() as play,
    ):
        opened = play.chromium.launch(executable_path=options.chromium, args=FLAGS)
        sides = (
            (ours, f"{lab}/?gallery={GALLERY}", ".over", "#tradeoffs svg path"),
            (theirs, plain, "[role=tab]", "#plot canvas, #plot svg.marks"),
        )
        for turn in range(options.runs + 1):
            for times, url, ready, shown in sides if turn % 2 else reversed(sides):
                tab = opened.new_page(viewport={"width": 1280, "height": 900})
                tab.goto(url)
                tab.wait_for_selector(ready, state="attached")
                tab.wait_for_timeout(1000)  # until nothing is being fetched any more
                took = tab.evaluate(SHOWN, ["Trade-offs", shown])
                if turn:  # the first is for nobody: imports
                    times.append(took)
                tab.close()
        opened.close()
    note = f"ours: {np.max(ours):.0f} ms at most; 1,000 are wanted"
    return Figure("click until the plot is drawn / gr.ScatterPlot", "ms", ours, theirs, DRAWN, note)
