"""The pipeline: decode, embed, search, rescore, fetch; and truth beside it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from retrieval import images
from retrieval.embedders import EMBEDDERS
from retrieval.embedders.base import Embedder
from retrieval.errors import BadQuery, LabError, Unsupported
from retrieval.galleries.base import Gallery
from retrieval.indexes.base import MOST, Index
from retrieval.measure.recall import recall, scores
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.types import Hit, Result, Rows, Scores, Spec, Timings, Vectors

if TYPE_CHECKING:
    from PIL.Image import Image

    from retrieval.lab import Lab

LANE = threading.Lock()
"""Held by whatever is being timed: timed work runs one at a time in this process."""
_POOL = ThreadPoolExecutor(max_workers=4 * (os.cpu_count() or 1) + 12, thread_name_prefix="panel")
_WARM: WeakKeyDictionary[object, set[str]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Encoded:
    """A query in the space of one embedder, with the true neighbours of it.

    Attributes:
        vector: (1, width).
        decode_ms: opening and cropping the picture.
        embed_ms: the network.
        waited_ms: in the queue for the timed lane.
        cold: the embedder's first call was this one.
        rows: (k,) true neighbours.
        scores: (k,) their scores.
        truth_ms: exact search for them.
    """

    vector: Vectors
    decode_ms: float
    embed_ms: float
    waited_ms: float
    cold: bool
    rows: Rows
    scores: Scores
    truth_ms: float


@dataclass
class Clock:
    """Milliseconds by stage, and of waiting for the lane."""

    ms: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block."""
        start = time.perf_counter_ns()
        yield
        self.ms[name] = (time.perf_counter_ns() - start) / 1e6

    @contextmanager
    def lane(self) -> Iterator[None]:
        """Wait for the timed lane, then hold it."""
        start = time.perf_counter_ns()
        with LANE:
            self.ms["waited"] = (time.perf_counter_ns() - start) / 1e6
            yield


def compare(
    lab: Lab, gallery: Gallery, panels: Sequence[Panel], query: Query, k: int
) -> Iterator[Result]:
    """Answer a query by each panel.

    Panels with one embedder share one embedding. A panel that fails is a result with a
    problem; the others answer.

    Args:
        lab: what is loaded.
        gallery: whose rows.
        panels: which embedders and indexes.
        query: what is asked.
        k: how many pictures, from 1 to 1,000.

    Yields:
        One result a panel, in the order in which they finish.

    Raises:
        BadQuery: k or the row is out of range.
    """
    if not 1 <= k <= MOST:
        raise BadQuery(f"k is {k}; it must be between 1 and {MOST:,}")
    if query.row is not None and not 0 <= query.row < len(gallery):
        raise BadQuery(f"row {query.row} is not in {gallery.name}; it has {len(gallery):,}")
    return _answers(lab, gallery, panels, query, k)


def _answers(
    lab: Lab, gallery: Gallery, panels: Sequence[Panel], query: Query, k: int
) -> Iterator[Result]:
    names = dict.fromkeys(panel.embedder for panel in panels)
    encodings = {name: _POOL.submit(_encode, lab, gallery, name, query, k) for name in names}
    seen: set[str] = set()
    futures = []
    for position, panel in enumerate(panels):
        blank = Result(position, panel.embedder, panel.index, shared=panel.embedder in seen)
        seen.add(panel.embedder)
        encoding = encodings[panel.embedder]
        futures.append(_POOL.submit(_answer, lab, gallery, panel, encoding, query, k, blank))
    for done in as_completed(futures):
        yield done.result()


def _answer(
    lab: Lab,
    gallery: Gallery,
    panel: Panel,
    encoding: Future[Encoded],
    query: Query,
    k: int,
    blank: Result,
) -> Result:
    try:
        readable(lab.spec(panel.embedder), query)
        built = lab.index(gallery, panel)
        vectors = lab.vectors(gallery, panel.embedder)
        return replace(
            _search(gallery, panel, built.index, vectors, encoding.result(), k, blank),
            build_s=built.seconds,
            nbytes=built.index.nbytes(),
        )
    except LabError as error:
        return replace(blank, problem=str(error), instead=_instead(lab, query, error))
    except Exception as error:  # an engine's own failure costs its own panel alone
        return replace(blank, problem=f"{panel} failed: {type(error).__name__}: {error}"[:500])


def _search(
    gallery: Gallery,
    panel: Panel,
    index: Index,
    vectors: Vectors,
    encoded: Encoded,
    k: int,
    blank: Result,
) -> Result:
    clock = Clock()
    query = encoded.vector
    with clock.lane():
        index.tune(**query_knobs(index, panel))
        with clock.stage("search"):
            rows, _ = index.search(query, k)
        with clock.stage("rescore"):
            found, values = _rescored(query[0], vectors, rows[0], index)
        with clock.stage("fetch"):
            hits = _hits(gallery, found, values, range(1, k + 1))
    cold = (("embed",) if encoded.cold else ()) + (("search",) if _first(index, "search") else ())
    return replace(
        blank,
        hits=hits,
        timings=Timings(
            encoded.decode_ms,
            encoded.embed_ms,
            clock.ms["search"],
            clock.ms["rescore"],
            clock.ms["fetch"],
        ),
        truth_ms=encoded.truth_ms,
        waited_ms=encoded.waited_ms + clock.ms["waited"],
        recall=recall(values, encoded.scores),
        missed=_missed(gallery, found, values, encoded),
        cold=cold,
    )


def query_knobs(index: Index, panel: Panel) -> dict[str, int]:
    """Every query-time knob of an index, as a panel has it or at its default."""
    defaults = {knob.name: knob.default for knob in index.spec.knobs if knob.when == "query"}
    return {**defaults, **{name: value for name, value in panel.knobs if name in defaults}}


def _rescored(query: Vectors, vectors: Vectors, rows: Rows, index: Index) -> tuple[Rows, Scores]:
    found = rows[rows >= 0]
    values = scores(query, vectors, found, index.metric)
    best = np.argsort(-values, kind="stable")
    return found[best], values[best]


def _hits(gallery: Gallery, rows: Rows, values: Scores, ranks: Sequence[int]) -> tuple[Hit, ...]:
    listed: list[int] = rows.tolist()
    words = zip(gallery.captions(listed), gallery.labels(listed), strict=True)
    return tuple(
        Hit(row, rank, value, caption, label)
        for row, rank, value, (caption, label) in zip(
            listed, ranks, values.tolist(), words, strict=False
        )
    )


def _missed(gallery: Gallery, found: Rows, values: Scores, encoded: Encoded) -> tuple[Hit, ...]:
    wanted = int((encoded.rows >= 0).sum())
    lost = wanted - round(recall(values, encoded.scores) * wanted)
    places = np.flatnonzero(~np.isin(encoded.rows[:wanted], found))[:lost]
    ranks = (places + 1).tolist()
    return _hits(gallery, encoded.rows[places], encoded.scores[places], ranks)


def _encode(lab: Lab, gallery: Gallery, name: str, query: Query, k: int) -> Encoded:
    readable(lab.spec(name), query)
    exact = lab.index(gallery, Panel(name, "exact")).index
    embedder = lab.embedder(name)
    clock = Clock()
    with clock.lane():
        vector = _embed(embedder, gallery, query, clock)
        with clock.stage("truth"):
            rows, values = exact.search(vector, k)
    return Encoded(
        vector,
        clock.ms.get("decode", 0.0),
        clock.ms["embed"],
        clock.ms["waited"],
        _first(embedder, "decode" if "decode" in clock.ms else "text"),
        rows[0],
        values[0],
        clock.ms["truth"],
    )


def _embed(embedder: Embedder, gallery: Gallery, query: Query, clock: Clock) -> Vectors:
    text = query.text
    if query.row is not None and not embedder.spec.reads_images:
        text = gallery.caption(query.row)
    if text is not None:
        with clock.stage("embed"):
            return embedder.texts([text])
    with clock.stage("decode"):
        picture = _picture(gallery, query)
    with clock.stage("embed"):
        return embedder.images([picture])


def _picture(gallery: Gallery, query: Query) -> Image:
    data = gallery.encoded(query.row) if query.row is not None else query.image
    picture = images.decode(data or b"")
    return images.crop(picture, query.crop) if query.crop else picture


def _first(thing: object, way: str) -> bool:
    seen = _WARM.setdefault(thing, set())
    first = way not in seen
    seen.add(way)
    return first


def readable(spec: Spec, query: Query) -> None:
    """Check that an embedder can read a query, before anything is loaded.

    Raises:
        Unsupported: a text for one that reads pictures only, or the other way round.
    """
    if query.text is not None and not spec.reads_text:
        raise Unsupported(f"{spec.title} reads pictures only; give it a picture")
    if query.image is not None and not spec.reads_images:
        raise Unsupported(f"{spec.title} reads text only; give it a text")


def _instead(lab: Lab, query: Query, error: LabError) -> tuple[str, ...]:
    if not isinstance(error, Unsupported):
        return ()
    states = lab.states()
    return tuple(
        spec.name
        for spec in EMBEDDERS.specs()
        if states[spec.name].kind == "ready"
        and (spec.reads_text if query.text is not None else spec.reads_images)
    )
