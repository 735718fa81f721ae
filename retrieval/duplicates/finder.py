"""Near-duplicates of a lab's galleries, each comparison made once and kept while there is room."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property

from retrieval.duplicates import kept, truth
from retrieval.duplicates.detection import measure, sample
from retrieval.duplicates.groups import Group, groups
from retrieval.duplicates.kept import Detection, Detections
from retrieval.duplicates.pairs import FIRST, MOST, Near, near
from retrieval.duplicates.truth import Rated
from retrieval.errors import BadQuery
from retrieval.galleries.base import Gallery
from retrieval.lab import Lab
from retrieval.shelf import Shelf
from retrieval.store import revision
from retrieval.types import Metric, Spec

ROOM = 100_000_000
"""Bytes of pairs that stay in memory."""
ENTRY = 100
"""Bytes of a row in a group, about."""


@dataclass(frozen=True)
class Step:
    """How far a measuring has come.

    Attributes:
        embedder: its name.
        done: pictures of its sample.
        total: of how many.
        problem: why it cannot be measured; the others go on.
    """

    embedder: str
    done: int
    total: int
    problem: str = ""


class Finder:
    """Pairs, groups, ratings and detections by gallery and embedder.

    Args:
        lab: what is loaded.
    """

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._near: Shelf[Near] = Shelf(ROOM, lambda each: each.rows.nbytes + each.scores.nbytes)
        self._groups: Shelf[list[Group]] = Shelf(
            ROOM, lambda some: ENTRY * sum(len(group) for group in some)
        )
        self._rated: Shelf[Rated | None] = Shelf(ROOM, lambda _: ENTRY * ENTRY)

    @cached_property
    def detections(self) -> Detections:
        """What was measured and kept."""
        return Detections(self.lab)

    def near(self, gallery: Gallery, name: str) -> Near:
        """The closest pairs of a gallery.

        Raises:
            LabError: the embedder has no vectors of it.
        """
        spec = self.lab.spec(name)
        return self._near.get(
            self._place(gallery, spec), lambda: self._compared(gallery, spec, MOST)
        )

    def first(self, gallery: Gallery, name: str) -> Near:
        """The very closest pairs alone, which are found much sooner; all by a hash.

        Raises:
            LabError: the embedder has no vectors of it.
        """
        spec = self.lab.spec(name)
        if spec.metric is Metric.HAMMING:
            return self.near(gallery, name)
        place = (*self._place(gallery, spec), "first")
        return self._near.get(place, lambda: self._compared(gallery, spec, FIRST))

    def reaching(self, gallery: Gallery, name: str, least: float) -> Near:
        """Pairs among which are all that reach a score.

        Raises:
            LabError: the embedder has no vectors of it.
        """
        found = self.first(gallery, name)
        return found if least - 1e-6 > found.floor else self.near(gallery, name)

    def both(self, gallery: Gallery, first: str, second: str) -> tuple[Near, Near]:
        """The very closest pairs by two embedders, looked for at the same time.

        Raises:
            LabError: one of them has no vectors of it.
        """
        with ThreadPoolExecutor(1, "pairs") as pool:
            waiting = pool.submit(self.first, gallery, first)
            other = self.first(gallery, second)
            return waiting.result(), other

    def groups(self, gallery: Gallery, name: str, least: float) -> list[Group]:
        """Groups in which every two pictures reach a score, the tightest first.

        Raises:
            LabError: the embedder has no vectors of it, or too many pairs reach it.
        """
        found = self.reaching(gallery, name, least)
        first = found.within(least)  # what finds the same pairs has the same groups
        place = (*self._place(gallery, self.lab.spec(name)), str(first))
        return self._groups.get(place, lambda: groups(found, least))

    def rated(self, gallery: Gallery, name: str) -> Rated | None:
        """How an embedder tells the pairs that were picked by looking; none where nobody has.

        Raises:
            LabError: the embedder has no vectors of it, or the pairs are of another gallery.
        """
        spec = self.lab.spec(name)

        def make() -> Rated | None:
            pairs = truth.read(self.lab.data, gallery)
            vectors = self.lab.vectors(gallery, name)
            return truth.rate(vectors, spec.metric, pairs) if pairs else None

        return self._rated.get(self._place(gallery, spec), make)

    def detection(self, gallery: Gallery, name: str) -> Detection:
        """What was measured of an embedder under distortions, perhaps nothing.

        Raises:
            Damaged: what ships differs from its manifest.
        """
        return self.detections.find(kept.key(gallery, self.lab.spec(name)))

    def measure(self, gallery: Gallery, name: str, count: int, seconds: float) -> Generator[Step]:
        """Measure an embedder until so many pictures of the sample are done, or the time is up.

        Closing the generator, or its end, keeps what was measured.

        Raises:
            LabError: it cannot be measured, or nothing can be kept.
        """
        if count < 1:
            raise BadQuery(f"{count} pictures are asked for; measure at least 1")
        known = self.detection(gallery, name)
        rows = sample(len(gallery))[:count]
        done, left = known, rows[len(known.measured) :]
        try:
            with closing(measure(self.lab, gallery, name, left, seconds)) as parts:
                for part in parts:
                    done = done.more(part)
                    yield Step(name, len(done.measured), len(rows))
        finally:
            if done is not known:
                self.detections.save(done)

    def _compared(self, gallery: Gallery, spec: Spec, most: int) -> Near:
        vectors = self.lab.vectors(gallery, spec.name)
        with self.lab.work.doing("duplicates", f"comparing all pictures of {gallery.name}"):
            return near(vectors, spec.metric, most)

    def _place(self, gallery: Gallery, spec: Spec) -> tuple[str, ...]:
        return (gallery.name, revision(gallery, spec), spec.name, spec.precision)


def least(spec: Spec, value: float) -> float:
    """A Hamming radius in bits, or a cosine, as a score.

    Raises:
        BadQuery: it is outside.
    """
    if spec.metric is Metric.HAMMING:
        if not 0 <= value <= spec.dim or value != int(value):
            raise BadQuery(
                f"the radius is {value:g}; it must be a whole number from 0 to {spec.dim} bits"
            )
        return 1 - value / spec.dim
    if not -1 <= value <= 1:  # NaN is in no range
        raise BadQuery(f"the threshold is {value:g}; it must be from -1 to 1")
    return value
