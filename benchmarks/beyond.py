"""What ``index --drawn`` measures: vectors drawn around a gallery's, as many as one wants."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.exact import default, made, rows
from benchmarks.report import Figure, Target, interleaved, rates, scaled
from retrieval.errors import BadVectors
from retrieval.indexes import INDEXES
from retrieval.indexes.base import Index
from retrieval.indexes.factory import Recipe
from retrieval.indexes.factory_cost import cost
from retrieval.indexes.faiss_base import library
from retrieval.indexes.products import BUFFER
from retrieval.measure.drawn import around
from retrieval.runtime import machine, threads
from retrieval.types import Metric

K = 10
BATCHES = (32, 64, 128)
BLAS_FROM = 128_000
"""Queries x dimensions from which on FAISS multiplies by BLAS by itself."""
MANY = 100_000
"""Vectors from which on FAISS as it comes is to be beaten by so much."""
WORK = 20_000_000_000
"""Multiplications after which a line has been measured often enough."""
SLOW = 10.0
"""Seconds from which on a build is measured once."""
ROOM = 0.8
"""Share of the machine's memory that is used."""
FASTER, NOT_SLOWER = Target(">=", 4), Target("<=", 1)
BUILT = Target("<=", 1.2)

Floats = NDArray[np.float32]
Side = Callable[[], object]


def figures(
    embedder: str,
    stored: Floats,
    count: int,
    factories: dict[str, str],
    runs: int,
    seconds: float,
) -> Iterator[Figure]:
    """Exact search and builds over ``count`` vectors drawn around the stored ones.

    Args:
        embedder: whose vectors; for the lines.
        stored: (n, width) real ones.
        count: how many to draw.
        factories: strings of FAISS's by the name of an index of ours that builds the same.
        runs: of a line, at most.
        seconds: that one build may take by the estimate; longer ones are left out and said.

    Raises:
        BadVectors: there is no room for them and for a copy.
    """
    check(count, stored.shape[1])
    drawer = around(np.ascontiguousarray(stored))
    vectors, queries = drawer.draw(count), drawer.draw(max(BATCHES), seed=2)
    alike = ", ".join(f"{name} {ratio:.2f}x" for name, ratio in drawer.check().items())
    what = f"{embedder}: {count:,} drawn x {vectors.shape[1]:,}"
    yield from searches(what, vectors, queries, runs, f"drawn rows beside real ones: {alike}")
    for name, factory in factories.items():
        yield build(what, name, factory, vectors, seconds)


def check(count: int, width: int) -> None:
    """Whether the vectors and one copy have room.

    Raises:
        BadVectors: they have none.
    """
    wanted, room = 2.1 * 4 * count * width, ROOM * machine.memory()
    if count < 1000 or wanted > room:
        raise BadVectors(
            f"{count:,} x {width:,} and a copy take {wanted / 1e9:.1f} GB of {room / 1e9:.1f} GB; "
            f"draw from 1,000 to {int(room / wanted * count):,}"
        )


def searches(what: str, vectors: Floats, queries: Floats, runs: int, note: str) -> Iterator[Figure]:
    """Exact search alone and by batches, beside one copy that FAISS holds."""
    with made("exact", vectors) as ours, made("faiss-flat", vectors) as flat:
        yield from single(what, (ours, flat), vectors, queries, few(vectors, 1, runs), note)
        for count in BATCHES:
            again = few(vectors, count, runs)
            yield from batch(what, (ours, flat), vectors, queries[:count], again)


def few(vectors: Floats, queries: int, runs: int) -> int:
    """Runs that a shape is worth, 5 or more."""
    return min(runs, max(5, WORK // (vectors.size * queries)))


def single(
    what: str,
    sides: tuple[Index, Index],
    vectors: Floats,
    queries: Floats,
    runs: int,
    note: str,
) -> Iterator[Figure]:
    """One query beside FAISS, NumPy's product on one thread, and reading the vectors once."""
    ours, flat = sides
    query, scores = queries[:1], np.empty((1, len(vectors)), np.float32)
    calls: dict[str, Side] = {
        "ours": partial(rows, ours, query, K),
        "faiss": partial(rows, flat, query, K),
        "numpy": lambda: np.vecdot(vectors[None], query[:, None], out=scores),
        "read": vectors.max,
    }
    with threads.single():
        times = interleaved(calls, runs)
    best = min(("faiss", "numpy"), key=lambda name: float(np.median(times[name])))
    mine, theirs = scaled(times["ours"], 1e3), scaled(times[best], 1e3)
    note = f"the faster one is {best}; {note}"
    yield Figure(f"{what}: exact, one query", "ms", mine, theirs, NOT_SLOWER, note)
    rate = {name: [vectors.nbytes / each / 1e9 for each in times[name]] for name in calls}
    note = "theirs: the greatest number of the same array, one thread"
    yield Figure(f"{what}: read bandwidth", "GB/s", rate["ours"], rate["read"], None, note)


def batch(
    what: str, sides: tuple[Index, Index], vectors: Floats, queries: Floats, runs: int
) -> Iterator[Figure]:
    """Many queries beside FAISS as it comes, as it is tuned here, and NumPy."""
    ours, flat = sides
    calls: dict[str, Side] = {
        "ours": partial(rows, ours, queries, K),
        "default": partial(default, engine(flat), queries, K),
        "tuned": partial(rows, flat, queries, K),
        "numpy": partial(plain, vectors, queries),
    }
    times = interleaved(calls, runs)
    count, what = len(queries), f"{what}: exact, {len(queries)} queries"
    below = queries.size < BLAS_FROM and len(vectors) >= MANY
    mine, theirs = rates(times["ours"], count), rates(times["default"], count)
    yield Figure(f"{what}, FAISS default", "q/s", mine, theirs, FASTER if below else None)
    best = min(("tuned", "numpy"), key=lambda name: float(np.median(times[name])))
    mine, theirs = scaled(times["ours"], 1e3), scaled(times[best], 1e3)
    note = f"the faster one is {best}; numpy: the product and argpartition"
    yield Figure(f"{what}, FAISS tuned or NumPy", "ms", mine, theirs, NOT_SLOWER, note)


def engine(flat: Any) -> Any:
    """FAISS's own index in one of ours."""
    return flat._engine


def plain(vectors: Floats, queries: Floats) -> None:
    """Products and the k highest of each, with no more scores at once than ours holds."""
    step = max(1, BUFFER // len(vectors))
    for start in range(0, len(queries), step):
        scores = queries[start : start + step] @ vectors.T
        np.argpartition(scores, -K, axis=1)[:, -K:]


def build(what: str, name: str, factory: str, vectors: Floats, seconds: float) -> Figure:
    """Building through us and by a bare factory string, in turn; left out where it is long."""
    spec = INDEXES.spec(name)
    lists = next((knob.default for knob in spec.knobs if knob.name == "nlist"), 0)
    text = factory.format(nlist=lists)
    found = cost(Recipe.parse(text), *vectors.shape)
    what = f"{what}: building {name}, bare {text}"
    if found.seconds > seconds or found.memory + vectors.nbytes > ROOM * machine.memory():
        note = (
            f"left out: about {found.seconds:,.0f} s and {found.memory / 1e9:.1f} GB; "
            f"--minutes is {seconds / 60:g}"
        )
        return Figure(what, "s", (), (), None, note)
    with INDEXES.load(spec)(spec, Metric.COSINE) as index:
        sides = {"ours": lambda: ours(index, vectors), "theirs": lambda: bare(text, vectors)}
        times = in_turn(sides, 1 if found.seconds > SLOW else 3)
    return Figure(what, "s", times["ours"], times["theirs"], BUILT)


def in_turn(sides: dict[str, Callable[[], float]], runs: int) -> dict[str, list[float]]:
    """Seconds of each side; nothing is built for warming up, and one is gone before the next."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    order = list(sides)
    for _ in range(runs):
        for name in order:
            times[name].append(sides[name]())
        order.reverse()
    return times


def ours(index: Index, vectors: Floats) -> float:
    """Seconds of a build through us."""
    start = time.perf_counter()
    index.build(vectors)
    spent = time.perf_counter() - start
    index.close()
    return spent


def bare(factory: str, vectors: Floats) -> float:
    """Seconds of a build by FAISS's factory, as its manual has it."""
    faiss, start = library(), time.perf_counter()
    with threads.every_core():
        made_of = faiss.index_factory(vectors.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
        made_of.train(vectors)
        made_of.add(vectors)
    return time.perf_counter() - start
