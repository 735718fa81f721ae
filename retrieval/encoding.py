"""A query in the space of an embedder, timed, with what is truly nearest to it."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrieval import about, images
from retrieval.embedders.base import Embedder
from retrieval.errors import Unsupported
from retrieval.galleries.base import Gallery
from retrieval.lane import Clock, first_time
from retrieval.panel import Panel
from retrieval.query import Crop, Query
from retrieval.types import Rows, Scores, Spec, Vectors

if TYPE_CHECKING:
    from PIL.Image import Image

    from retrieval.lab import Lab


@dataclass(frozen=True)
class Encoded:
    """A query in the space of one embedder, with the true neighbours of it.

    Attributes:
        vector: (1, width).
        decode_ms: opening and cropping the picture.
        embed_ms: the network.
        waited_ms: in the queue for the timed lane.
        cold: the embedder's first call was this one.
        busy: something was built or loaded meanwhile.
        rows: (k,) true neighbours, of the rows that the query allows.
        scores: (k,) their scores.
        truth_ms: exact search for them.
        remote: the embedding came over the network.
        note: what must be said of how the query was read.
        remark: what must be said of rows that were found, by their vectors.
    """

    vector: Vectors
    decode_ms: float
    embed_ms: float
    waited_ms: float
    cold: bool
    busy: bool
    rows: Rows
    scores: Scores
    truth_ms: float
    remote: bool = False
    note: str = ""
    remark: Callable[[Vectors], str] = lambda _: ""


class Encoding:
    """A query's embedding for several panels: who needs it first makes it, the others wait.

    A thread of its own would cost each answer two changes of threads, a tenth of a millisecond
    each on a machine at rest.

    Args:
        make: it, or what keeps it from being made.
    """

    def __init__(self, make: Callable[[], Encoded]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: Encoded | Exception | None = None

    def result(self) -> Encoded:
        """It, made now by one of those who ask.

        Raises:
            LabError: as ``encode``, for all who ask.
        """
        with self._lock:
            if self._made is None:
                try:
                    self._made = self._make()
                except Exception as error:
                    self._made = error
        if isinstance(self._made, Exception):
            raise self._made
        return self._made


def encode(lab: Lab, gallery: Gallery, name: str, query: Query, k: int) -> Encoded:
    """Decode, embed, and search exactly for the truth, all in the timed lane.

    A hosted embedder is asked before the lane: its round trip uses nothing of this machine
    that others are timed on, and must not hold them up.

    Raises:
        LabError: the embedder cannot read the query, or is not ready.
    """
    spec = lab.spec(name)
    readable(spec, query, gallery)
    exact = lab.index(gallery, Panel(name, "exact")).index
    embedder = lab.embedder(name)
    where = lab.allowed(gallery, query.where)
    clock = Clock(lab.work)
    text = _text(embedder, gallery, query)
    remote = bool(spec.key)
    early = _embed(embedder, gallery, query, text, clock) if remote else None
    with clock.lane():
        vector, note = early or _embed(embedder, gallery, query, text, clock)
        cold = first_time(embedder, embedder.way(text))
        with clock.stage("truth"):
            rows, values = exact.search(vector, k, where)
    return Encoded(
        vector,
        clock.ms.get("decode", 0.0),
        clock.ms["embed"],
        clock.ms["waited"],
        cold,
        clock.busy,
        rows[0],
        values[0],
        clock.ms["truth"],
        remote,
        note,
        embedder.remark,
    )


def _text(embedder: Embedder, gallery: Gallery, query: Query) -> str | None:
    """The words to embed: the query's, or a row's caption where only words are read."""
    if query.row is not None and not embedder.spec.reads_images:
        return gallery.caption(query.row)
    return query.text


def _embed(
    embedder: Embedder, gallery: Gallery, query: Query, text: str | None, clock: Clock
) -> tuple[Vectors, str]:
    if text is not None:
        with clock.stage("embed"):
            return embedder.texts([text]), ""
    with clock.stage("decode"):
        picture = _picture(gallery, query, embedder.spec.side)
    with clock.stage("embed"):
        return embedder.asked(picture)


def _picture(gallery: Gallery, query: Query, side: int) -> Image:
    """The query's picture, decoded as small as a network's side allows, the crop's part of it."""
    least = math.ceil(min(side / _smallest(query.crop), images.MOST_PIXELS)) if side else None
    if query.row is not None:
        picture = gallery.image(query.row, least)
    else:
        picture = images.decode(query.image or b"", least)
    return images.crop(picture, query.crop) if query.crop else picture


def _smallest(crop: Crop | None) -> float:
    """The smaller share of width or height that a crop keeps."""
    return min(crop[2] - crop[0], crop[3] - crop[1]) if crop else 1.0


def readable(spec: Spec, query: Query, gallery: Gallery) -> None:
    """Check that an embedder can read a query and is for a gallery, before anything is loaded.

    Raises:
        Unsupported: a text for one that reads pictures only, or the other way round; or it is
            for galleries that are about something else.
    """
    about.check(spec, gallery)
    if query.text is not None and not spec.reads_text:
        raise Unsupported(f"{spec.title} reads pictures only; give it a picture")
    if query.image is not None and not spec.reads_images:
        raise Unsupported(f"{spec.title} reads text only; give it a text")
