"""The pipeline: decode, embed, search, rescore, fetch; and truth beside it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from retrieval import about
from retrieval.embedders import EMBEDDERS
from retrieval.encoding import Encoded, Encoding, encode, readable
from retrieval.errors import BadQuery, LabError, Unsupported
from retrieval.galleries.base import Gallery
from retrieval.indexes.base import MOST, Index
from retrieval.lane import Clock, first_time
from retrieval.measure.recall import recall, scores
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.types import Hit, Result, Rows, Scores, Timings, Vectors
from retrieval.where import Allowed

if TYPE_CHECKING:
    from retrieval.lab import Lab

LOG = logging.getLogger(__name__)
WAITERS = 1024
"""Threads at most, made as they are needed: sixteen queries of four panels, each embedded and
answered, and seven times as many that build on behalf of nobody who is still there."""
_POOL = ThreadPoolExecutor(max_workers=WAITERS, thread_name_prefix="panel")


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
        BadQuery: k or the row is out of range, or the filter does not fit the gallery.
    """
    if not 1 <= k <= MOST:
        raise BadQuery(f"k is {k}; it must be between 1 and {MOST:,}")
    if query.row is not None and not 0 <= query.row < len(gallery):
        raise BadQuery(f"row {query.row} is not in {gallery.name}; it has {len(gallery):,}")
    lab.allowed(gallery, query.where)  # looked up before anything is timed
    return _answers(lab, gallery, panels, query, k)


def _answers(
    lab: Lab, gallery: Gallery, panels: Sequence[Panel], query: Query, k: int
) -> Iterator[Result]:
    names = dict.fromkeys(panel.embedder for panel in panels)
    encodings = {name: Encoding(partial(encode, lab, gallery, name, query, k)) for name in names}
    for name in names:
        if not lab.loaded(name):  # its network and the panel's index are loaded side by side
            _POOL.submit(copy_context().run, encodings[name].result)
    seen: set[str] = set()
    futures = []
    for position, panel in enumerate(panels):
        blank = Result(position, panel.embedder, panel.index, shared=panel.embedder in seen)
        seen.add(panel.embedder)
        encoding = encodings[panel.embedder]
        asked = partial(_answer, lab, gallery, panel, encoding, query, k, blank)
        futures.append(_POOL.submit(copy_context().run, asked))
    try:
        for done in as_completed(futures):
            yield done.result()
    finally:  # nobody listens any more to what has not begun
        for answer in futures:
            answer.cancel()


def _answer(
    lab: Lab,
    gallery: Gallery,
    panel: Panel,
    encoding: Encoding,
    query: Query,
    k: int,
    blank: Result,
) -> Result:
    try:
        readable(lab.spec(panel.embedder), query, gallery)
        where = lab.allowed(gallery, query.where)
        built = lab.index(gallery, panel)
        vectors = lab.vectors(gallery, panel.embedder)
        return replace(
            _search(lab, gallery, panel, built.index, vectors, encoding.result(), k, where, blank),
            build_s=built.seconds,
            nbytes=built.index.nbytes(),
        )
    except LabError as error:
        return replace(blank, problem=str(error), instead=_instead(lab, gallery, query, error))
    except Exception as error:  # an engine's own failure costs its own panel alone
        LOG.exception("%s failed", panel)
        why = (
            "the server's log has the details" if lab.public else f"{type(error).__name__}: {error}"
        )
        return replace(blank, problem=f"{panel} failed: {why}"[:500])


def _search(
    lab: Lab,
    gallery: Gallery,
    panel: Panel,
    index: Index,
    vectors: Vectors,
    encoded: Encoded,
    k: int,
    where: Allowed | None,
    blank: Result,
) -> Result:
    clock = Clock(lab.work)
    query = encoded.vector
    index.reach()  # a server that is down is waited for here, where nobody waits for the lane
    with clock.lane():
        index.tune(**query_knobs(index, panel))
        with clock.stage("search"):
            rows, how = _found(index, query, k, where)
        with clock.stage("rescore"):
            found, values = _rescored(query[0], vectors, rows[0], index)
        with clock.stage("fetch"):
            hits = _hits(gallery, found, values, range(1, k + 1))
        first = first_time(index, "search" if where is None else "filtered search")
    notes = (encoded.note, encoded.remark(vectors[found]))
    cold = (("embed",) if encoded.cold else ()) + (("search",) if first else ())
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
        recall=(share := recall(values, encoded.scores)),
        missed=_missed(gallery, found, share, encoded),
        allowed=None if where is None else len(where.rows),
        how=how,
        cold=cold,
        remote=encoded.remote,
        busy=encoded.busy or clock.busy,
        note=" ".join(filter(None, notes)),
    )


def _found(index: Index, query: Vectors, k: int, where: Allowed | None) -> tuple[Rows, str]:
    """The rows that an index finds, and how where a filter made it search in another way."""
    if where is None:
        return index.search(query, k)[0], ""
    rows, _, how = index.filtered(query, k, where)
    return rows, how


def query_knobs(index: Index, panel: Panel) -> dict[str, int]:
    """Every query-time knob of an index, as a panel has it or at its default."""
    defaults = {knob.name: knob.default for knob in index.spec.knobs if knob.when == "query"}
    return {**defaults, **{name: value for name, value in panel.knobs if name in defaults}}


def _rescored(query: Vectors, vectors: Vectors, rows: Rows, index: Index) -> tuple[Rows, Scores]:
    found = rows[rows >= 0]
    values = scores(query, vectors, found, index.metric)
    best = np.lexsort((found, -values))
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


def _missed(gallery: Gallery, found: Rows, share: float, encoded: Encoded) -> tuple[Hit, ...]:
    true, here = encoded.rows[encoded.rows >= 0].tolist(), set(found.tolist())
    lost = len(true) - round(share * len(true))
    places = [place for place, row in enumerate(true) if row not in here][:lost]
    if not places:
        return ()
    ranks = [place + 1 for place in places]
    return _hits(gallery, encoded.rows[places], encoded.scores[places], ranks)


def _instead(lab: Lab, gallery: Gallery, query: Query, error: LabError) -> tuple[str, ...]:
    if not isinstance(error, Unsupported):
        return ()
    states = lab.states()
    return tuple(
        spec.name
        for spec in EMBEDDERS.specs()
        if states[spec.name].kind == "ready"
        and not spec.key  # nobody is led to what costs money
        and not about.unfit(spec, gallery.about)
        and (spec.reads_text if query.text is not None else spec.reads_images)
        and (spec.reads_images or gallery.captioned)
    )
