"""Indexes on the galleries' own vectors: beside bare clients, bare builds, and a whole sweep."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import bare, beyond
from benchmarks.exact import made
from benchmarks.report import Figure, Target, interleaved, scaled, table
from retrieval.commands.pick import ready
from retrieval.indexes import INDEXES
from retrieval.indexes.base import Index
from retrieval.indexes.faiss_base import library
from retrieval.lab import Lab
from retrieval.measure.pick import pick
from retrieval.measure.rounds import COUNT, Job, K
from retrieval.measure.sweep import Asked, Point, asked, cheapest, grid, measured
from retrieval.panel import Panel
from retrieval.runtime import threads
from retrieval.types import Metric, Spec

PARTS = ("exact", "clients", "builds", "auto")
IN_PROCESS, SERVER = Target("<=", 1.05, plus=20), Target("<=", 1.05, plus=300)
BUILT, PICKED, QUICK = Target("<=", 1.2), Target("<=", 1.1), Target("<=", 0.1)
NOT_SLOWER = Target("<=", 1)
BUILDING = 2
"""Seconds for which an index is built again and again, at least 9 times."""
DRAWN = 1_000_000
"""Vectors that ``--drawn`` draws where no number is given."""
FACTORIES = {
    "faiss-hnsw": "HNSW16",
    "faiss-hnsw-sq8": "HNSW16_SQ8",
    "faiss-ivf": "IVF{nlist},Flat",
    "faiss-sq8": "SQ8",
}
"""Factory strings that build what an index of ours builds."""


def main(argv: list[str]) -> int:
    """Print each part's lines."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks index", description=__doc__)
    parser.add_argument("--gallery", default="clipart")
    parser.add_argument("--embedder", action="append", help="default: both of the issue")
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--index", action="append", help="default: all that are ready")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--recall", type=float, default=0.95)
    parser.add_argument(
        "--drawn",
        type=int,
        nargs="?",
        const=DRAWN,
        metavar="N",
        help=f"exact search and builds over N vectors drawn around the gallery's, {DRAWN:,} "
        "where no number is given",
    )
    parser.add_argument(
        "--minutes", type=float, default=10, help="that one build over drawn vectors may take"
    )
    options = parser.parse_args(argv)
    lab = Lab()
    embedders = options.embedder or ["conse-lite2", "efficientnet-lite2"]
    title = "Indexes over the vectors of a gallery"
    facts = {"gallery": f"{options.gallery} {lab.gallery(options.gallery).revision}", "k": K}
    lines = (line for name in embedders for line in figures(lab, name, options))
    return table(title, lines, **facts)


def figures(lab: Lab, embedder: str, options: argparse.Namespace) -> Iterator[Figure]:
    """The lines of every part that was asked for."""
    gallery, spec = lab.gallery(options.gallery), lab.spec(embedder)
    if options.drawn is not None:
        stored = np.asarray(lab.vectors(gallery, embedder), np.float32)
        known = {name: FACTORIES[name] for name in options.index or FACTORIES if name in FACTORIES}
        parts = options.part or PARTS
        factories = known if "builds" in parts else {}
        limit = 60 * options.minutes
        yield from beyond.figures(embedder, stored, options.drawn, factories, options.runs, limit)
        return
    queries = asked(lab, gallery, embedder, "picture", K, COUNT)
    named = [INDEXES.spec(each) for each in options.index or []] or ready(spec)
    parts = options.part or PARTS
    if "exact" in parts:
        yield exact(embedder, queries, options.runs)
        yield read(embedder, queries.stored, options.runs)
    if "clients" in parts:
        for each in named:
            if (each.family or "Exact") in bare.CLIENTS:
                index = lab.index(gallery, Panel(embedder, each.name)).index
                yield client(embedder, index, queries, options.runs)
    if "builds" in parts:
        yield from (build(embedder, name, queries.stored) for name in FACTORIES)
    if "auto" in parts:
        yield from auto(lab, Job(gallery, spec, named, "picture"), queries, options.recall)


def exact(embedder: str, queries: Asked, runs: int) -> Figure:
    """One query: ours beside the faster of FAISS and NumPy, on one thread each."""
    stored = np.asarray(queries.stored, np.float32)
    with made("exact", stored) as ours, made("faiss-flat", stored) as flat:
        numpy = np.empty((1, len(stored)), dtype=np.float32)
        sides: dict[str, Callable[[NDArray[Any]], object]] = {
            "ours": lambda query: ours.search(query, K),
            "faiss": bare.client(flat, K),
            "numpy": lambda query: np.vecdot(stored[None], query[:, None], out=numpy),
        }
        with threads.single():
            times = turned(sides, queries.vectors, runs)
    best = min(("faiss", "numpy"), key=lambda name: float(np.median(times[name])))
    what = f"{embedder}: exact, one query, {len(stored):,} x {stored.shape[1]:,}"
    mine, theirs = scaled(times["ours"], 1e6), scaled(times[best], 1e6)
    return Figure(what, "us", mine, theirs, NOT_SLOWER, f"the faster one is {best}")


def read(embedder: str, stored: NDArray[Any], runs: int) -> Figure:
    """Bytes a second of exact search beside those of reading the same vectors once."""
    with made("exact", stored) as ours:
        sides: dict[str, Callable[[NDArray[Any]], object]] = {
            "ours": lambda query: ours.search(query, K),
            "read": lambda _: stored.max(),
        }
        times = turned(sides, stored[:COUNT], runs)
    rate = {name: [stored.nbytes / each / 1e9 for each in some] for name, some in times.items()}
    note = "theirs: the greatest number of the same array, one thread"
    return Figure(
        f"{embedder}: exact, share of read bandwidth",
        "GB/s",
        rate["ours"],
        rate["read"],
        None,
        note,
    )


def client(embedder: str, index: Index, queries: Asked, runs: int) -> Figure:
    """One query through us and by the engine's own client."""
    index.search(queries.vectors[:1], K)  # what is prepared at the first search is prepared
    sides: dict[str, Callable[[NDArray[Any]], object]] = {
        "ours": lambda query: index.search(query, K),
        "theirs": bare.client(index, K),
    }
    with threads.single():
        times = turned(sides, queries.vectors, runs)
    target = SERVER if index.spec.family == "PostgreSQL" else IN_PROCESS
    ours, theirs = (scaled(times[side], 1e6) for side in ("ours", "theirs"))
    return Figure(f"{embedder}: {index.spec.name}, one query", "us", ours, theirs, target)


def turned(
    sides: dict[str, Callable[[NDArray[Any]], object]], queries: NDArray[Any], runs: int
) -> dict[str, list[float]]:
    """Seconds of single queries, the same ones on every side, in turn."""

    def asking(ask: Callable[[NDArray[Any]], object]) -> Callable[[], object]:
        each = cycle(list(queries[:, None]))
        return lambda: ask(next(each))

    calls = {name: asking(ask) for name, ask in sides.items()}
    interleaved(calls, max(1, runs // 10))
    return interleaved(calls, runs)


def build(embedder: str, name: str, stored: NDArray[Any]) -> Figure:
    """Building through us and by a bare factory string, on every core."""
    spec = INDEXES.spec(name)
    with INDEXES.load(spec)(spec, Metric.COSINE) as index:
        start = time.perf_counter()
        index.build(stored)
        runs = round(BUILDING / (time.perf_counter() - start))
        factory = FACTORIES[name].format(nlist=getattr(index, "nlist", 0))
        sides = {"ours": lambda: index.build(stored), "theirs": lambda: bare_build(factory, stored)}
        times = interleaved(sides, min(101, max(9, runs)))
    what = f"{embedder}: building {name}, bare {factory}"
    return Figure(what, "s", times["ours"], times["theirs"], BUILT)


def bare_build(factory: str, stored: NDArray[Any]) -> object:
    """FAISS by its factory, as its manual has it, with the depth that ours has."""
    faiss = library()
    with threads.every_core():
        engine = faiss.index_factory(stored.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
        engine.train(stored)
        engine.add(stored)
    return engine


def auto(lab: Lab, job: Job, queries: Asked, target: float) -> Iterator[Figure]:
    """What ``sweep --auto`` picks beside the best of the whole grid; all indexes are built."""
    for spec in job.indexes:
        lab.index(job.gallery, Panel(job.embedder.name, spec.name))
    start = time.perf_counter()
    points = [(spec, point) for spec in job.indexes for point in whole(lab, job, spec, queries)]
    swept = time.perf_counter() - start
    start = time.perf_counter()
    picked = pick(lab, job, target, None)
    spent = time.perf_counter() - start
    best = cheapest([point for _, point in points], target)
    if best is None:
        return
    owner = next(spec for spec, point in points if point is best)
    again = {
        "ours": (picked.best.index, picked.best.knobs),
        "theirs": (owner.name, best.knobs),
    }
    times = final(lab, job, queries, again)
    what = f"{job.embedder.name}: --auto at {target:g} beside the whole grid"
    note = f"picked {again['ours']}, the grid has {again['theirs']}"
    yield Figure(f"{what}, p50", "ms", times["ours"], times["theirs"], PICKED, note)
    note = f"{picked.looks} looks, {len(points)} settings"
    yield Figure(f"{what}, time spent", "s", [spent], [swept], QUICK, note)


def whole(lab: Lab, job: Job, spec: Spec, queries: Asked) -> list[Point]:
    """Every setting of the published grid of one index."""
    index = lab.index(job.gallery, Panel(job.embedder.name, spec.name)).index
    return [measured(index, queries, knobs) for knobs in grid(spec)]


def final(
    lab: Lab, job: Job, queries: Asked, sides: dict[str, tuple[str, dict[str, int]]]
) -> dict[str, list[float]]:
    """Medians of both settings, measured again in turns, in milliseconds."""
    medians: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(9):
        for side, (name, knobs) in islice(cycle(sides.items()), turn % 2, turn % 2 + 2):
            index = lab.index(job.gallery, Panel(job.embedder.name, name)).index
            medians[side].append(measured(index, queries, knobs).p50)
    return medians
