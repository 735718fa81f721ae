"""Indexes at sizes that the gallery does not have: over vectors drawn around its own."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

from retrieval.errors import LabError, Refused, Unsupported
from retrieval.galleries.base import Gallery
from retrieval.indexes import INDEXES
from retrieval.indexes.base import Index
from retrieval.lab import Lab
from retrieval.measure.drawing import COUNT, Drawing, K
from retrieval.measure.notes import Note, Notes
from retrieval.measure.sweep import Asked, Point, measured, steps
from retrieval.runtime import threads
from retrieval.runtime.machine import memory
from retrieval.store import Key, vectors_key
from retrieval.types import Metric, Spec

LOG = logging.getLogger(__name__)
SIZES = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
TARGET = 0.95
LISTS = ("nlist", "lists", "num_partitions")
"""Knobs that count lists: 4 times the root of n, as FAISS's guidelines have it."""
SLOWER = 1.6
"""A build at the next size takes this much more than in proportion, at most."""


@dataclass(frozen=True)
class Mark:
    """One index at one size.

    Attributes:
        index: its name.
        count: vectors.
        point: the cheapest setting that was found to reach the target, else the best.
        nbytes: what the index holds in memory.
        build_s: seconds that building it took.
        build: build-time knobs off their defaults.
    """

    index: str
    count: int
    point: Point
    nbytes: int
    build_s: float
    build: dict[str, int]

    @property
    def reached(self) -> bool:
        """Whether it reaches the target recall."""
        return self.point.recall >= TARGET

    @classmethod
    def of(cls, told: dict[str, Any]) -> Mark:
        """From its JSON."""
        return cls(**{**told, "point": Point(**told["point"])})


@dataclass(frozen=True)
class Left:
    """An index at a size that is not measured, and why."""

    index: str
    count: int
    problem: str


@dataclass(frozen=True)
class Job:
    """What is measured.

    Attributes:
        gallery: whose vectors are drawn around.
        embedder: whose vectors.
        indexes: which, in order.
    """

    gallery: Gallery
    embedder: Spec
    indexes: Sequence[Spec]

    def key(self, index: str) -> Key:
        """Where an index's marks are kept."""
        base = vectors_key(self.gallery, self.embedder)
        return {**base, "kind": "scale", "index": index, "k": K, "count": COUNT, "target": TARGET}


def notes(lab: Lab) -> Notes:
    """Where a lab keeps what it measured at scale."""
    return Notes(lab.cache / "scales", lab.data / "scales")


def stored(lab: Lab, job: Job) -> dict[str, Note]:
    """What was measured on any machine, by index."""
    found = ((spec.name, notes(lab).find(job.key(spec.name))) for spec in job.indexes)
    return {name: note for name, note in found if note}


def known(lab: Lab, job: Job) -> dict[str, Note]:
    """What was measured on a machine like this one, by index."""
    return {name: note for name, note in stored(lab, job).items() if note.here}


def marks(note: Note) -> list[Mark]:
    """The marks of a note, the fewest vectors first."""
    return sorted((Mark.of(each) for each in note.body["marks"]), key=lambda each: each.count)


def measure(
    lab: Lab, job: Job, seconds: float, most: int = SIZES[-1], room: float | None = None
) -> Generator[Mark | Left]:
    """Measure every index at growing sizes until the time is up; what is known is not done again.

    A build that would outlast the time is not begun. Each mark is kept at once.

    Args:
        lab: what is loaded.
        job: what is measured.
        seconds: nothing is begun after them; making vectors ready to be drawn is no part.
        most: vectors at most.
        room: bytes of memory that it may take; a quarter of the machine's by default.

    Yields:
        Marks, and what was left out for its time or its failure.

    Raises:
        Refused: pictures of somebody else's, in public mode.
        Unsupported: the embedder makes bits.
        LabError: there are no vectors here, or too few.
    """
    if lab.public and lab.catalog.entry(job.gallery.name).kind != "parquet":
        raise Refused("a public lab measures on the shipped galleries only; choose one of them")
    if job.embedder.metric is not Metric.COSINE:
        raise Unsupported(f"{job.embedder.title} makes bits; scale is measured for vectors only")
    end = time.monotonic() + seconds
    running = Running(lab, job)
    with closing(running):
        for count in sizes(job.embedder.dim, most, room):
            for spec in job.indexes:
                if time.monotonic() >= end:
                    return
                yield from running.step(spec, count, end)


def sizes(dim: int, most: int = SIZES[-1], room: float | None = None) -> list[int]:
    """Numbers of vectors whose arrays and index fit in the room, a quarter of the memory."""
    room = memory() / 4 if room is None else room
    return [each for each in SIZES if each <= most and 3 * 4 * dim * each <= room]


Measure = Callable[[Index, Asked], Point]


class Running:
    """Indexes that are being measured at growing sizes.

    Args:
        lab: what is loaded.
        job: what is measured.
    """

    def __init__(self, lab: Lab, job: Job) -> None:
        self.lab = lab
        self.job = job
        self.store = notes(lab)
        self.found = {name: marks(note) for name, note in known(lab, job).items()}
        self.failed: set[str] = set()
        self.drawing = Drawing(lab, job.gallery, job.embedder, self.store)

    def step(self, spec: Spec, count: int, end: float) -> Generator[Mark | Left]:
        """Measure an index at a size, unless it is known, has failed or would take too long."""
        before = self.found.setdefault(spec.name, [])
        if spec.name in self.failed or count in [mark.count for mark in before]:
            return
        try:
            end += self._readied()
            late = self._expected(before, count) > end - time.monotonic()
            mark = None if late else self._mark(spec, count)
        except LabError as error:
            self.failed.add(spec.name)
            yield Left(spec.name, count, str(error))
            return
        except Exception:  # an engine's own failure costs its own marks alone
            LOG.exception("measuring %s at %d vectors failed", spec.name, count)
            self.failed.add(spec.name)
            yield Left(spec.name, count, "it failed; the server's log has the details")
            return
        if mark is None:
            self.failed.add(spec.name)
            yield Left(spec.name, count, f"{count:,} vectors would take longer than what is left")
            return
        before.append(mark)
        self._keep(spec.name)
        yield mark

    def close(self) -> None:
        """Let go of the vectors."""
        self.drawing.close()

    def _readied(self) -> float:
        """Seconds that making ready took: a busy machine's slices would have no others."""
        start = time.monotonic()
        self.drawing.ready()
        return time.monotonic() - start

    def _expected(self, before: Sequence[Mark], count: int) -> float:
        drawing = self.drawing.seconds(count)
        if not before:
            return drawing
        last = before[-1]
        asking = 4 * COUNT * last.point.p50 / 1000
        return drawing + SLOWER * count / last.count * (last.build_s + asking)

    def again(self, spec: Spec, count: int, knobs: dict[str, int]) -> Mark:
        """One setting of an index at a size, not kept.

        Raises:
            LabError: it cannot be built, or there are no vectors here.
        """
        return self._mark(spec, count, lambda index, asked: measured(index, asked, knobs))

    def _mark(self, spec: Spec, count: int, point: Measure | None = None) -> Mark:
        asked = self.drawing.asked(count)
        build, work = lists(spec, count), self.lab.work
        with INDEXES.load(spec)(spec, Metric.COSINE, **build) as index:
            start = time.perf_counter()
            with work.doing("scale", f"building {spec.title}"), threads.every_core():
                index.build(asked.stored)
            took = time.perf_counter() - start
            found = point(index, asked) if point else steady(index, asked, cheapest(index, asked))
            return Mark(spec.name, count, found, index.nbytes(), took, build)

    def _keep(self, name: str) -> None:
        """Store an index's marks, and take up those that others have measured meanwhile."""

        def joined(note: Note | None) -> dict[str, Any]:
            theirs = marks(note) if note and note.here else []
            every = {each.count: each for each in [*theirs, *self.found[name]]}
            self.found[name][:] = [each for _, each in sorted(every.items())]
            return {
                "marks": [asdict(each) for each in self.found[name]],
                "drawn": self.drawing.check,
            }

        self.store.add(self.job.key(name), joined)


def steady(index: Index, asked: Asked, point: Point) -> Point:
    """The middle one of three measurements of a setting, by its median latency."""
    again = [measured(index, asked, point.knobs) for _ in range(2)]
    return sorted((point, *again), key=lambda each: each.p50)[1]


def lists(spec: Spec, count: int) -> dict[str, int]:
    """The number of lists for so many vectors; nothing for an index without them."""
    wanted = round(4 * count**0.5)
    return {
        each.name: min(each.high, max(each.low, wanted))
        for each in spec.knobs
        if each.name in LISTS
    }


def cheapest(index: Index, asked: Asked) -> Point:
    """The lowest value of the first query-time knob that reaches the target, by bisection."""
    knobs = [each for each in index.spec.knobs if each.when == "query"]
    usual = {each.name: each.default for each in knobs}
    if not knobs:
        return measured(index, asked, usual)
    values = steps(knobs[0])
    low, high, best = 0, len(values) - 1, None
    while low <= high:
        middle = (low + high) // 2
        point = measured(index, asked, {**usual, knobs[0].name: values[middle]})
        if point.recall >= TARGET:
            best, high = point, middle - 1
        else:
            low = middle + 1
    return best or point  # where none reaches it, the last was the highest
