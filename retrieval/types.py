"""The words that every part shares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Vectors: TypeAlias = NDArray[np.float32] | NDArray[np.uint8]
"""(n, dim) float32 rows of length 1, or (n, bytes) uint8 packed bits."""
Rows: TypeAlias = NDArray[np.int64]
"""(q, k) rows of the gallery, best first, -1 where fewer than k were found."""
Scores: TypeAlias = NDArray[np.float32]
"""(q, k) similarities, higher is better, -inf beside a -1."""

Filters: TypeAlias = Literal["", "rows", "columns"]
"""What an engine filters by while it searches: nothing, rows handed to it, columns it keeps."""
Precision: TypeAlias = Literal["float32", "bfloat16"]
"""What a network computes in; part of the store's key."""
Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, of how many; may raise to stop."""


class Metric(StrEnum):
    """How two vectors compare. Higher is better for both."""

    COSINE = "cosine"
    """Inner product of rows of length 1, from -1 to 1."""
    HAMMING = "hamming"
    """Share of equal bits of two packed codes, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Licence:
    """What one may do with weights or pictures.

    Attributes:
        id: SPDX identifier, or the licence's own name.
        commercial: whether it allows commercial use.
        link: where its text stands.
    """

    id: str
    commercial: Literal["yes", "no", "conditions"]
    link: str


@dataclass(frozen=True, slots=True)
class State:
    """Whether something can be used now, known before it is picked.

    Attributes:
        kind: one word for a machine.
        reason: why not, in a sentence that names the remedy; empty where it is ready.
    """

    kind: Literal["ready", "download", "not-installed", "key", "gated", "unreachable"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Knob:
    """One whole-number setting of an index; the page draws a slider from it.

    Attributes:
        name: the field's own name, such as ``efSearch``.
        low: smallest value, included.
        high: largest value, included.
        default: used where nothing is said.
        when: ``build`` changes the index, ``query`` changes one search.
        scale: ``linear``, or ``log2`` where only powers of two make sense.
        unit: what is counted.
        help: one short sentence for the page.
    """

    name: str
    low: int
    high: int
    default: int
    when: Literal["build", "query"]
    scale: Literal["linear", "log2"] = "linear"
    unit: str = ""
    help: str = ""


@dataclass(frozen=True, slots=True)
class Spec:
    """All that is known of a plug-in before any heavy library is imported.

    Attributes:
        name: what people type, such as ``faiss-hnsw``.
        title: what people read, such as ``FAISS HNSW``.
        target: ``module:Class``, imported when it is first used.
        family: the heading under which pickers list it.
        metrics: the metrics that it produces (embedder) or searches (index).
        dim: floats, or bits where the metric is Hamming; 0 for an index.
        reads_images: it embeds pictures.
        reads_text: it embeds texts into the same space.
        note: a badge, such as "reads captions, not pixels".
        knobs: settings, for an index.
        filters: what an index's engine filters by; where that is nothing, the rows that a filter
            allows are compared exactly.
        needs: import names without which it cannot run.
        install: the line that installs them.
        bytes: size of its download; 0 where nothing is downloaded, or its size is not known.
        parameters: how many numbers its weights are; 0 where that is not known.
        gated: where to ask for access.
        key: environment variable that holds its key; an embedder that has one is paid by use.
        about: what the galleries that it is for are about, such as faces; empty: any.
        licence: what its weights allow; none for an index.
        source: where the weights come from.
        revision: which weights: a commit, or a package's version.
        preprocessing: how a picture becomes numbers, part of the store's key.
        side: pixels of the square that it sees, so that a large JPEG is decoded at twice that
            or more but not whole; 0 decodes it whole.
        precision: ``float32`` or ``bfloat16``, part of the store's key.
        params: constructor arguments, read by the class itself.
    """

    name: str
    title: str
    target: str
    family: str = ""
    metrics: tuple[Metric, ...] = (Metric.COSINE,)
    dim: int = 0
    reads_images: bool = True
    reads_text: bool = False
    note: str = ""
    knobs: tuple[Knob, ...] = ()
    filters: Filters = ""
    needs: tuple[str, ...] = ()
    install: str = ""
    bytes: int = 0
    parameters: int = 0
    gated: str = ""
    key: str = ""
    about: str = ""
    licence: Licence | None = None
    source: str = ""
    revision: str = ""
    preprocessing: str = ""
    side: int = 0
    precision: Precision = "float32"
    params: tuple[tuple[str, Any], ...] = ()

    @property
    def metric(self) -> Metric:
        """The one metric of an embedder."""
        return self.metrics[0]

    def param(self, name: str, default: Any = None) -> Any:
        """A constructor argument by name."""
        return dict(self.params).get(name, default)


@dataclass(frozen=True, slots=True)
class Hit:
    """One picture in an answer.

    Attributes:
        row: the gallery's row.
        rank: 1 for the best.
        score: similarity recomputed from the stored vectors.
        caption: the gallery's words for it.
        label: the gallery's class for it.
    """

    row: int
    rank: int
    score: float
    caption: str
    label: str


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds of each stage, measured around that work alone."""

    decode: float = 0.0
    embed: float = 0.0
    search: float = 0.0
    rescore: float = 0.0
    fetch: float = 0.0

    @property
    def total(self) -> float:
        """Sum of the stages in milliseconds: the panel's latency."""
        return self.decode + self.embed + self.search + self.rescore + self.fetch


@dataclass(frozen=True, slots=True)
class Result:
    """A panel's answer to one query.

    Attributes:
        position: which panel, from 0.
        embedder: its embedder's name.
        index: its index's name.
        hits: best first, at most k.
        timings: stages of the latency.
        truth_ms: exact search for the recall; in no latency.
        waited_ms: time in the queue for the timed lane; in no latency.
        recall: share of the true k neighbours found, by distance, so that ties are no misses.
        missed: true neighbours that the index lost, ranked as exact search ranks them.
        allowed: rows that the filter allows; none where there is no filter.
        how: what the filter made the engine do other than it does by itself, in words.
        shared: the embedding was made by an earlier panel of this comparison.
        remote: the embedding came over the network, and its time is that of the round trip.
        cold: stages that ran for the first time; kept out of percentiles.
        busy: something was built or loaded meanwhile; kept out of percentiles too.
        nbytes: what the index holds in memory, vectors included.
        build_s: seconds that building the index took when it was built.
        note: what must be said of the answer, such as which of several faces was searched by.
        problem: why there is no answer, in a sentence with a way out.
        instead: names of embedders that would answer this query.
    """

    position: int
    embedder: str
    index: str
    hits: tuple[Hit, ...] = ()
    timings: Timings = Timings()
    truth_ms: float = 0.0
    waited_ms: float = 0.0
    recall: float | None = None
    missed: tuple[Hit, ...] = ()
    allowed: int | None = None
    how: str = ""
    shared: bool = False
    remote: bool = False
    cold: tuple[str, ...] = ()
    busy: bool = False
    nbytes: int = 0
    build_s: float = 0.0
    note: str = ""
    problem: str = ""
    instead: tuple[str, ...] = ()
