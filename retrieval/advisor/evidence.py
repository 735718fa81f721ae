"""Figures measured here that an answer rests on: exact search's end, latencies, quality."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from retrieval.advisor.need import Need
from retrieval.errors import LabError
from retrieval.galleries.base import Gallery
from retrieval.indexes import INDEXES
from retrieval.lab import Lab
from retrieval.lane import LANE
from retrieval.measure import quality, scale
from retrieval.measure.growth import Growth, grown
from retrieval.measure.notes import Note, Notes
from retrieval.measure.outlook import FORMS, works
from retrieval.measure.quality import Task, by_caption, by_label
from retrieval.measure.scale import Job, Left, Mark
from retrieval.readiness import state
from retrieval.store import Key, vectors_key
from retrieval.types import Metric, Spec

INDEXES_MEASURED = ("exact", "faiss-hnsw", "faiss-ivf-rabitq")
"""What is measured at growing sizes: every vector, a graph, codes."""
QUERIES = 200
"""Captions or pictures by which an embedder is rated."""
ALIKE = 1.5
"""Sizes whose ratio is below this are not told as extrapolated."""
SHARE = 0.3
"""Of the time, at most, for the quality of embedders; the rest for the indexes' growth."""
THUMB = 50_000
"""Vectors up to which numpy's exact search is enough by the rule of thumb."""


@dataclass(frozen=True)
class Figure:
    """A value with its interval, and where it comes from.

    Attributes:
        value: the middle.
        low: lower end.
        high: upper end.
        measured: it was measured at this size; else it is extrapolated.
        at: when, in UTC.
        receipt: by which its receipt is asked for.
        of: whose vectors, and how many.
    """

    value: float
    low: float
    high: float
    measured: bool
    at: str
    receipt: str
    of: str


class Evidence:
    """What was measured on this machine with a gallery.

    Args:
        lab: whose cache is looked into.
        gallery: whose vectors are drawn around.
        embedder: by which; none where none that fits is ready.
    """

    def __init__(self, lab: Lab, gallery: Gallery, embedder: Spec | None) -> None:
        self.lab = lab
        self.gallery = gallery
        self.embedder = embedder
        floats = embedder is not None and embedder.metric is Metric.COSINE
        self.job = Job(gallery, embedder, []) if floats and embedder else None

    def exact_enough(self, ms: float, dim: int) -> Figure | None:
        """From how many vectors on exact search takes longer; none where too little is measured.

        It reads every number of every vector, so for another width it is told in proportion.
        """
        found = self._grown("exact")
        if found is None:
            return None
        note, _, growth = found
        wide = self._wider(dim)
        low, middle, high = sorted(end / wide for end in growth.reaches(ms))
        within = wide == 1 and growth.least <= middle <= growth.most
        return self._figure(note, (middle, low, high), within, self._to(dim))

    def latency(self, index: str, count: int, dim: int) -> Figure | None:
        """Milliseconds of one query at so many vectors; none where too little is measured."""
        found = self._grown(index)
        if found is None:
            return None
        note, marks, growth = found
        wide = self._wider(dim) if index == "exact" else 1
        if wide != 1:
            middle, low, high = (wide * end for end in growth.at(count))
            return self._figure(note, (middle, low, high), False, self._to(dim))
        near = min(marks, key=lambda mark: abs(np.log(mark.count / count)))
        if max(near.count, count) < ALIKE * min(near.count, count):
            told = near.point.p50, near.point.p50, near.point.p95
            return self._figure(note, told, True, f" at {near.count:,}")
        return self._figure(note, growth.at(count), False, f" up to {growth.most:,}")

    def reached(self, index: str, count: int) -> tuple[Note, Mark] | None:
        """The measured size nearest to a number of vectors at which the target was reached."""
        note = self._note(index)
        reached = [mark for mark in scale.marks(note) if mark.reached] if note else []
        if note is None or not reached:
            return None
        return note, min(reached, key=lambda mark: abs(np.log(mark.count / count)))

    def lost(self, index: str) -> tuple[Note, Mark] | None:
        """The largest size that was measured, where no setting reached the target there."""
        note = self._note(index)
        marks = scale.marks(note) if note else []
        return (note, marks[-1]) if note and marks and not marks[-1].reached else None

    def setting(self, index: str, count: int) -> dict[str, int]:
        """Query-time knobs off their defaults that reached the target at the nearest size."""
        found = self.reached(index, count)
        usual = {knob.name: knob.default for knob in INDEXES.spec(index).knobs}
        knobs = found[1].point.knobs if found else {}
        return {name: value for name, value in knobs.items() if usual[name] != value}

    def marks(self) -> dict[str, list[Mark]]:
        """Everything that was measured, by index."""
        notes = {name: self._note(name) for name in INDEXES.names()}
        return {name: scale.marks(note) for name, note in notes.items() if note}

    def growth(self, index: str) -> Growth | None:
        """How an index's latency grows; none where too few sizes are measured."""
        found = self._grown(index)
        return found[2] if found else None

    def check(self) -> dict[str, float]:
        """How alike drawn vectors are to the real ones, 1 each; empty where none were drawn."""
        note = self._note(INDEXES_MEASURED[0])
        return dict(note.body["drawn"]) if note else {}

    def _wider(self, dim: int) -> float:
        return dim / self.embedder.dim if self.embedder else 1

    def _to(self, dim: int) -> str:
        return "" if self._wider(dim) == 1 else f", in proportion to {dim:,} numbers a vector"

    def rating(self, embedder: Spec, reads: str) -> Note | None:
        """R@10 of an embedder on the gallery, where it was measured on a machine like this."""
        spec = self.lab.spec(embedder.name)
        note = ratings(self.lab).find(rating_key(self.gallery, spec, reads))
        return note if note and note.here else None

    def _note(self, index: str) -> Note | None:
        if self.job is None:
            return None
        note = scale.notes(self.lab).find(self.job.key(index))
        return note if note and note.here else None

    def _grown(self, index: str) -> tuple[Note, list[Mark], Growth] | None:
        """The sizes at which the target recall was reached; a time that misses it is no answer."""
        note = self._note(index)
        marks = scale.marks(note) if note else []
        if note is None or not (marks and marks[-1].reached):
            return None
        able = [mark for mark in marks if mark.reached]
        forms = FORMS[works(INDEXES.spec(index))]["ms"]
        growth = grown([mark.count for mark in able], [mark.point.p50 for mark in able], forms)
        return (note, able, growth) if growth else None

    def _figure(
        self, note: Note, ends: tuple[float, float, float], measured: bool, where: str
    ) -> Figure:
        title = self.embedder.title if self.embedder else ""
        of = f"vectors of {title}, {self.gallery.title}{where}"
        return Figure(*ends, measured, note.at, note.name, of)


def rating_key(gallery: Gallery, embedder: Spec, reads: str) -> Key:
    """Where an embedder's quality is kept."""
    kind = "picture" if reads == "image" else "text"
    key = vectors_key(gallery, embedder)
    return {**key, "kind": "rating", "queries": kind, "count": QUERIES}


def ratings(lab: Lab) -> Notes:
    """Where a lab keeps the quality of embedders."""
    return Notes(lab.cache / "ratings")


def rated(lab: Lab, gallery: Gallery, embedder: Spec, need: Need) -> Note:
    """R@10 of an embedder on a gallery by ``QUERIES`` of its captions or labels, measured now.

    Raises:
        LabError: it cannot be asked, or the gallery has nothing to ask by.
    """
    body = rating(lab, gallery, embedder, need.reads)
    return ratings(lab).save(rating_key(gallery, embedder, need.reads), body)


def rating(lab: Lab, gallery: Gallery, embedder: Spec, reads: str) -> dict[str, Any]:
    """The same as JSON, not kept."""
    task = _task(gallery, reads)
    with lab.work.doing("quality", "measuring quality"):
        found = quality.measure(lab, gallery, embedder.name, task).rows()["R@10"]
    body = {"task": task.name, "queries": len(task.rows), "R@10": found}
    return {**body, "query_ms": _embedding(lab, embedder, task)}


def _task(gallery: Gallery, reads: str) -> Task:
    if reads == "image":
        whole = by_label(gallery)
    else:
        captions = gallery.captions(range(len(gallery)))
        whole = by_caption(gallery, captions, "caption to picture (en)")
    drawn = np.sort(np.random.default_rng(0).permutation(len(whole.rows))[:QUERIES])
    texts = tuple(whole.texts[at] for at in drawn) if whole.texts else None
    return replace(whole, rows=whole.rows[drawn], texts=texts)


def _embedding(lab: Lab, embedder: Spec, task: Task) -> float | None:
    """Median milliseconds of one text's embedding; none for pictures, whose network may be away."""
    if task.texts is None:
        return None
    model, times = lab.embedder(embedder.name), []
    for text in (task.texts[0], *task.texts[:5]):
        with LANE:
            start = time.perf_counter_ns()
            model.texts([text])
            times.append((time.perf_counter_ns() - start) / 1e6)
    return float(np.median(times[1:]))


def measure(
    lab: Lab,
    evidence: Evidence,
    embedders: Sequence[Spec],
    indexes: Sequence[str],
    need: Need,
    seconds: float,
) -> Generator[str]:
    """Measure what an answer rests on, within a budget; what is known is not done again.

    Args:
        lab: what is loaded.
        evidence: of which gallery and embedder.
        embedders: whose quality is told, the first first.
        indexes: names of those that are measured besides ``INDEXES_MEASURED``.
        need: what is asked for.
        seconds: nothing is begun after them; making vectors ready to be drawn is no part.

    Yields:
        A sentence for each thing that was measured, or could not be.

    Raises:
        LabError: nothing can be measured with this gallery and embedder.
    """
    start = time.monotonic()
    for spec in embedders:
        if evidence.rating(spec, need.reads):
            continue
        if time.monotonic() - start > SHARE * seconds:
            break
        try:
            note = rated(lab, evidence.gallery, spec, need)
            yield f"{spec.title}: R@10 {note.body['R@10']['mean']:.2f}"
        except LabError as error:
            yield f"{spec.title}: {error}"
    if evidence.job is None:
        return
    names = dict.fromkeys((*INDEXES_MEASURED, *indexes))
    specs = [INDEXES.spec(name) for name in names]
    able = [spec for spec in specs if Metric.COSINE in spec.metrics and state(spec).kind == "ready"]
    rest = seconds - (time.monotonic() - start)
    with closing(scale.measure(lab, replace(evidence.job, indexes=able), rest)) as steps:
        for step in steps:
            yield said(step)


def said(step: Mark | Left) -> str:
    """A measured size in a sentence."""
    title = INDEXES.spec(step.index).title
    if isinstance(step, Left):
        return f"{title}: {step.problem}"
    return f"{title}, {step.count:,} vectors: {step.point.p50:.2g} ms"
