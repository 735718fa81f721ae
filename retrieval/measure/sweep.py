"""Recall against speed of an index, over the settings of its query-time knobs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import BadQuery
from retrieval.galleries.base import Gallery
from retrieval.indexes import INDEXES
from retrieval.indexes.base import Index
from retrieval.lab import Lab
from retrieval.lane import LANE
from retrieval.measure.recall import recalls
from retrieval.panel import Panel
from retrieval.runtime import threads
from retrieval.types import Knob, Scores, Spec, Vectors

Kind = Literal["text", "picture"]
Speed = Literal["alone", "together"]
"""One query after the other on one thread, or all in one call on every core."""
STEPS = 7
"""Settings of one knob that are tried, its default besides."""
BESIDE = ("faiss:HNSW32", "faiss:HNSW32,SQ8")
"""FAISS's own strings in the published grid beside the named indexes: graphs of twice the links.

At one recall they are walked in a half to a quarter of the time where queries are hard; so are
the graphs of no other engine here, and those of more links no faster.
"""
SLICE = 16
"""Queries for which the timed lane is held; then others have their turn."""


@dataclass(frozen=True, slots=True)
class Point:
    """One setting, measured.

    Attributes:
        knobs: query-time knobs by name.
        recall: mean recall@k against exact search.
        p50: median milliseconds of one query, on one thread.
        p95: the same of the slowest twentieth.
        p99: the same of the slowest hundredth.
        alone: queries a second, one after the other, on one thread.
        together: queries a second of all queries in one call, on every core.
    """

    knobs: dict[str, int]
    recall: float
    p50: float
    p95: float
    p99: float
    alone: float
    together: float


@dataclass(frozen=True)
class Asked:
    """Queries of a gallery in the space of an embedder, with their true neighbours.

    Attributes:
        vectors: (q, width).
        truth: (q, k) scores of the true neighbours, best first.
        stored: (n, width) the gallery's own vectors.
        kind: captions or pictures of the gallery.
        k: how many neighbours.
    """

    vectors: Vectors
    truth: Scores
    stored: Vectors
    kind: Kind
    k: int


def asked(
    lab: Lab, gallery: Gallery, embedder: str, kind: Kind, k: int, count: int, seed: int = 0
) -> Asked:
    """Draw queries from a gallery.

    Args:
        lab: what is loaded.
        gallery: whose captions or pictures.
        embedder: reads them.
        kind: which of them.
        k: how many neighbours, from 1.
        count: how many queries, at most.
        seed: of the draw.

    Raises:
        BadQuery: there is nothing of that kind, or count is below 1.
        LabError: the embedder cannot read it.
    """
    if count < 1:
        raise BadQuery(f"{count} queries are asked for; give 1 at least")
    rows = askable(gallery, kind)
    if not len(rows):
        raise BadQuery(f"{gallery.name} has no captions to ask with; ask with pictures")
    drawn = np.random.default_rng(seed).permutation(rows)[:count]
    stored = lab.vectors(gallery, embedder)
    if kind == "text":
        vectors = lab.texts(embedder, gallery.captions(drawn.tolist()))
    else:
        vectors = stored[drawn]
    exact = lab.index(gallery, Panel(embedder, "exact")).index
    return Asked(vectors, exact.search(vectors, k)[1], stored, kind, k)


def askable(gallery: Gallery, kind: Kind) -> NDArray[np.int64]:
    """The rows that can be asked with: all pictures, or those with a caption."""
    if kind == "picture":
        return np.arange(len(gallery))
    captions = gallery.captions(range(len(gallery)))
    return np.array([at for at, words in enumerate(captions) if words], dtype=np.int64)


def fitting(embedder: Spec) -> list[Spec]:
    """The indexes of the published grid that compare what an embedder makes."""
    specs = [*INDEXES.specs(), *map(INDEXES.spec, BESIDE)]
    return [each for each in specs if embedder.metric in each.metrics]


def grid(spec: Spec) -> list[dict[str, int]]:
    """Settings of an index's query-time knobs, each knob's default among them."""
    knobs = [each for each in spec.knobs if each.when == "query"]
    return [
        dict(zip((knob.name for knob in knobs), values, strict=True))
        for values in product(*(steps(knob) for knob in knobs))
    ]


def steps(knob: Knob) -> list[int]:
    """Values of a knob, spread by equal factors over its range."""
    if knob.scale == "log2":
        powers = np.arange(np.log2(knob.low), np.log2(knob.high) + 1)
        spread = 2 ** powers[:: max(1, -(-len(powers) // STEPS))]
    else:
        spread = np.geomspace(max(1, knob.low), knob.high, STEPS)
    return sorted({*np.rint(spread).astype(int).tolist(), knob.default})


def sweep(
    index: Index, asked: Asked, settings: Sequence[dict[str, int]], seconds: float
) -> Iterator[Point]:
    """Measure settings one after the other; stop when the time is up.

    Args:
        index: built; its knobs are left as the last setting has them.
        asked: the queries.
        settings: of its query-time knobs.
        seconds: no new setting is begun after them.

    Yields:
        A point for each setting that was begun in time.
    """
    end = time.monotonic() + seconds
    for knobs in settings:
        if time.monotonic() >= end:
            return
        yield measured(index, asked, knobs)


def measured(index: Index, asked: Asked, knobs: dict[str, int]) -> Point:
    """One setting: every query alone, then all together."""
    times, found = alone(index, asked, knobs)
    with LANE, threads.every_core():
        index.tune(**knobs)
        start = time.perf_counter()
        index.search(asked.vectors, asked.k)
        together = time.perf_counter() - start
    p50, p95, p99 = np.percentile(times, [50, 95, 99]) / 1e6
    return Point(
        knobs,
        float(recalls(asked.vectors, asked.stored, found, asked.truth, index.metric).mean()),
        float(p50),
        float(p95),
        float(p99),
        1e9 / float(times.mean()),
        len(asked.vectors) / together,
    )


def alone(
    index: Index, asked: Asked, knobs: dict[str, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Nanoseconds and rows of each query, the first asked once before for nobody."""
    count = len(asked.vectors)
    times = np.empty(count, dtype=np.int64)
    found = np.empty((count, asked.k), dtype=np.int64)
    for first in range(0, count, SLICE):
        with LANE:
            index.tune(**knobs)
            if first == 0:
                index.search(asked.vectors[:1], asked.k)
            for at in range(first, min(first + SLICE, count)):
                start = time.perf_counter_ns()
                rows, _ = index.search(asked.vectors[at : at + 1], asked.k)
                times[at] = time.perf_counter_ns() - start
                found[at] = rows[0]
    return times, found


def cost(point: Point, speed: Speed = "alone") -> float:
    """Milliseconds of a query: the median of one alone, or its share of all together."""
    return point.p50 if speed == "alone" else 1000 / point.together


def front(points: Sequence[Point], speed: Speed = "alone") -> list[Point]:
    """The points that no other beats in recall and cost, the fastest first."""
    best: list[Point] = []
    for point in sorted(points, key=lambda each: (cost(each, speed), -each.recall)):
        if not best or point.recall > best[-1].recall:
            best.append(point)
    return best


def cheapest(points: Sequence[Point], target: float, speed: Speed = "alone") -> Point | None:
    """The fastest setting that reaches a recall; none where none does."""
    enough = [point for point in points if point.recall >= target]
    return min(enough, key=lambda each: cost(each, speed), default=None)
