"""Filtered search at equal recall: FAISS HNSW as the lab asks it beside qdrant-edge asked bare."""

from __future__ import annotations

import argparse
import importlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import Figure, Target, interleaved, rates, table
from retrieval.indexes.archive import Chosen
from retrieval.indexes.qdrant import condition
from retrieval.lab import Lab
from retrieval.measure.recall import recalls
from retrieval.panel import Panel
from retrieval.types import Metric, Rows, Scores, Vectors
from retrieval.where import Allowed, Where

K, COUNT = 10, 200
BREADTHS = (8, 16, 32, 64, 128, 256, 512)
"""Candidates of both sides that are tried: the fastest that reaches the recall is measured."""
TARGETS = {500: Target(">=", 1), 100: None, 10: Target(">=", 3), 1: None}
"""By thousandths of the gallery that are allowed."""
Ask = Callable[[NDArray[Any]], Rows]


@dataclass(frozen=True)
class Setting:
    """One way to ask.

    Attributes:
        name: its knob.
        ask: the rows of one query, (1, width).
        tune: called once before.
    """

    name: str
    ask: Ask
    tune: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class Side:
    """The fastest setting that reaches the recall, or the one that comes nearest to it.

    Attributes:
        setting: which.
        recall: mean against filtered exact search.
    """

    setting: Setting
    recall: float


def main(argv: list[str]) -> int:
    """Print queries a second of both at each selectivity."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks filters", description=__doc__)
    parser.add_argument("--gallery", default="clipart")
    parser.add_argument("--embedder", action="append", help="default: conse-lite2")
    parser.add_argument("--index", default="faiss-hnsw", help="one of the lab's with efSearch")
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--recall", type=float, default=0.95)
    options = parser.parse_args(argv)
    facts = {
        "gallery": f"{options.gallery} {Lab().gallery(options.gallery).revision[:12]}",
        "filter": "part < N, a payload index on qdrant's side",
        "recall": f">= {options.recall} on both sides",
        "k": K,
    }
    return table(f"Filtered search, {options.index} and qdrant-edge", figures(options), **facts)


def figures(options: argparse.Namespace) -> Iterator[Figure]:
    """One line an embedder and selectivity."""
    lab = Lab()
    gallery = lab.gallery(options.gallery)
    for embedder in options.embedder or ["conse-lite2"]:
        stored = lab.vectors(gallery, embedder)
        drawn = np.random.default_rng(0).permutation(len(stored))[:COUNT]
        ours, theirs, exact = (
            lab.index(gallery, Panel(embedder, name)).index
            for name in (options.index, "qdrant-hnsw", "exact")
        )
        for part, target in TARGETS.items():
            where = Allowed.of(Where("part", "<", (str(part),)), gallery.columns)
            queries = np.ascontiguousarray(stored[drawn])
            truth = exact.search(cast(Vectors, queries), K, where)[1]
            rated = Rated(queries, stored, truth, options.recall)
            sides = rated.best(mine(ours, where)), rated.best(bare(theirs, where))
            yield figure(f"{embedder}: {part / 10:g} %", sides, queries, options, target)


def figure(
    what: str,
    sides: tuple[Side, Side],
    queries: NDArray[Any],
    options: argparse.Namespace,
    target: Target | None,
) -> Figure:
    """One selectivity, both sides in turn."""
    ours, theirs = sides
    for each in sides:
        each.setting.tune()
    first, second = (cycle(list(queries[:, None])) for _ in sides)
    times = interleaved(
        {
            "ours": lambda: ours.setting.ask(next(first)),
            "theirs": lambda: theirs.setting.ask(next(second)),
        },
        options.runs,
    )
    short = [each for each in sides if each.recall < options.recall]
    note = f"ours: {ours.setting.name}, recall {ours.recall:.3f}; "
    note += f"theirs: {theirs.setting.name}, recall {theirs.recall:.3f}"
    note += "; NOT EQUAL, one misses the recall" if short else ""
    return Figure(what, "q/s", rates(times["ours"], 1), rates(times["theirs"], 1), target, note)


@dataclass(frozen=True)
class Rated:
    """What settings are rated by.

    Attributes:
        queries: (q, width).
        stored: (n, width).
        truth: (q, k) scores of filtered exact search.
        least: the recall to reach.
    """

    queries: NDArray[Any]
    stored: NDArray[Any]
    truth: Scores
    least: float

    def best(self, settings: Sequence[Setting]) -> Side:
        """The fastest setting that reaches the recall; else that of the highest recall."""
        rated = [(setting, *self.rate(setting)) for setting in settings]
        enough = [each for each in rated if each[1] >= self.least]
        if enough:
            setting, recall, _ = min(enough, key=lambda each: each[2])
        else:
            setting, recall, _ = max(rated, key=lambda each: each[1])
        return Side(setting, recall)

    def rate(self, setting: Setting) -> tuple[float, float]:
        """Mean recall, and the median seconds of a query."""
        setting.tune()
        rows = np.full((len(self.queries), K), -1, dtype=np.int64)
        times = []
        for place, query in enumerate(self.queries[:, None]):
            start = time.perf_counter()
            found = setting.ask(query)
            times.append(time.perf_counter() - start)
            rows[place, : found.size] = found
        shares = recalls(self.queries, self.stored, rows, self.truth, Metric.COSINE)
        return float(shares.mean()), float(np.median(times))


def mine(index: Any, where: Allowed) -> list[Setting]:
    """The lab's index by its breadths."""

    def setting(breadth: int) -> Setting:
        def ask(query: NDArray[Any]) -> Rows:
            found: Rows = index.search(query, K, where)[0][0]
            return found

        return Setting(f"efSearch {breadth}", ask, lambda: index.tune(efSearch=breadth))

    return [setting(breadth) for breadth in BREADTHS]


def bare(index: Any, where: Allowed) -> list[Setting]:
    """The engine's own client by its breadths: its graph, its graph by ACORN, all allowed."""
    qdrant, engine = importlib.import_module("qdrant_edge"), index._engine
    only = condition(Chosen(where.where, index._columns[where.where.column], {}))

    def setting(name: str, **params: Any) -> Setting:
        tuned = qdrant.SearchParams(**params)

        def ask(query: NDArray[Any]) -> Rows:
            near = qdrant.Query.Nearest(query[0].tolist())
            asked = qdrant.QueryRequest(limit=K, query=near, params=tuned, filter=only)
            return np.array([point.id for point in engine.query(asked)], dtype=np.int64)

        return Setting(name, ask)

    acorn = qdrant.AcornSearchParams(enable=True)
    graphs = [setting(f"hnsw_ef {each}", hnsw_ef=each) for each in BREADTHS]
    wider = [setting(f"hnsw_ef {each}, ACORN", hnsw_ef=each, acorn=acorn) for each in BREADTHS]
    return [*graphs, *wider, setting("exact", exact=True)]
