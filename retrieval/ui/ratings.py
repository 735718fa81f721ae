"""Quality and losses of a gallery, some queries at a time; what is whole is kept on disk."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from threading import Lock
from typing import Any

import numpy as np

from retrieval.commands.evaluate import can, tasks, usual
from retrieval.errors import LabError
from retrieval.galleries.base import Gallery
from retrieval.lab import Lab
from retrieval.measure import calibration, losses, qualities, quality
from retrieval.measure.calibrations import Calibrations, key, kind
from retrieval.measure.losses import Loss
from retrieval.measure.metrics import per_query
from retrieval.measure.quality import Floats, Quality, Task
from retrieval.panel import Panel
from retrieval.store import Key

LOG = logging.getLogger(__name__)
K = 10
"""Pictures that a person looks at, for the losses."""
KEPT = 256
"""Measurements that are kept; those that nobody looked at longest go first."""


@dataclass(eq=False)
class Rating:
    """A task by an embedder, or by a panel, as far as it was measured.

    Attributes:
        task: the queries.
        embedder: its name.
        panel: whose losses; none for an embedder's quality.
        parts: what was measured, ``CHUNK`` queries each.
        pairs: of an embedder, the best scores of the same queries, for a fit.
        problem: why it cannot be measured.
        unfit: why no probability can be fitted to its scores, or be kept.
        ends: of the 95 % intervals, where they were kept with the rest.
    """

    task: Task
    embedder: str
    panel: Panel | None = None
    parts: list[Floats] = field(default_factory=list)
    pairs: list[Floats] = field(default_factory=list)
    problem: str = ""
    unfit: str = ""
    ends: Sequence[Any] = ()

    @property
    def done(self) -> int:
        """Queries that were measured."""
        return sum(len(part) for part in list(self.parts))

    @property
    def total(self) -> int:
        """Queries that there are."""
        return len(self.task.rows)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to measure."""
        return bool(self.problem) or self.done == self.total

    @cached_property
    def quality(self) -> Quality:
        """Of an embedder, once finished."""
        if not self.ends:
            return quality.whole(self.embedder, self.task, self.parts)
        low, high = np.array(self.ends)
        return Quality(self.embedder, self.task.name, np.concatenate(self.parts), low, high)

    @cached_property
    def loss(self) -> Loss:
        """Of a panel, once finished."""
        assert self.panel is not None
        parts = [(part[:, 0], part[:, 1], part[:, 2:]) for part in self.parts]
        return losses.whole(self.panel, K, parts)

    @cached_property
    def by_index(self) -> tuple[float, float, float]:
        """What a panel's index loses, with its interval, once finished."""
        if not self.ends:
            return self.loss.interval()
        loss, low, high = self.ends
        return loss, low, high

    def take(self, body: Mapping[str, Any]) -> None:
        """Take up what was kept."""
        self.parts, self.ends = [np.array(body["values"], np.float64)], body["ends"]

    def body(self) -> dict[str, Any]:
        """What is kept of it, once finished."""
        own = self.panel is None
        ends = [self.quality.low.tolist(), self.quality.high.tolist()] if own else self.by_index
        return {"values": np.concatenate(self.parts).tolist(), "ends": ends}


@dataclass(frozen=True)
class Progress:
    """How far a measuring has come.

    Attributes:
        what: is being measured.
        done: queries, of all that were to do.
        total: of how many.
    """

    what: str
    done: int
    total: int


class Ratings:
    """What was measured, here or before it was shipped.

    Args:
        lab: what is loaded.
        fits: where fitted probabilities are kept.
    """

    def __init__(self, lab: Lab, fits: Calibrations) -> None:
        self.lab = lab
        self.fits = fits
        self.notes = qualities.notes(lab)
        self._kept: OrderedDict[tuple[str, ...], Rating] = OrderedDict()
        self._lock = Lock()

    def of(
        self,
        gallery: Gallery,
        embedders: Sequence[str],
        panels: Sequence[Panel],
        language: str = "",
    ) -> list[Rating]:
        """Every task by every embedder and panel that can do it, measured or not."""
        every = []
        for task in asked(gallery, language):
            names = [name for name in embedders if can(self.lab.spec(name), task)]
            every += [self._rating(gallery, task, name, None) for name in names]
            stacks = [each for each in panels if can(self.lab.spec(each.embedder), task)]
            every += [self._rating(gallery, task, each.embedder, each) for each in stacks]
        return every

    def measure(
        self, gallery: Gallery, ratings: Sequence[Rating], seconds: float
    ) -> Generator[Progress]:
        """Measure what is not finished; stop when the time is up, and keep all of it.

        Args:
            gallery: whose rows.
            ratings: from ``of``.
            seconds: no new part is begun after them.

        Yields:
            After each part, how far it is.

        Raises:
            LabError: what was measured cannot be kept.
        """
        end = time.monotonic() + seconds
        panels = {each.embedder for each in ratings if each.panel}
        left = sorted(  # what needs no embedding comes first, then what the search shows
            (each for each in ratings if not each.finished),
            key=lambda each: (
                each.task.texts is not None,
                each.panel is None,
                each.embedder not in panels,
            ),
        )
        before = sum(each.done for each in left)
        total = sum(each.total for each in left) - before
        for each in left:
            with self.lab.work.doing("quality", "measuring quality"):
                for _ in self._parts(gallery, each):
                    if each.finished:
                        self._keep(gallery, each)
                    done = sum(rating.done for rating in left) - before
                    yield Progress(str(each.panel or each.embedder), done, total)
                    if time.monotonic() >= end:
                        return

    def _parts(self, gallery: Gallery, rating: Rating) -> Iterator[None]:
        task, first = rating.task, rating.done
        try:
            if rating.panel is None:
                for ranked in quality.ranked(self.lab, gallery, rating.embedder, task, first):
                    rating.pairs.append(calibration.top(*ranked))
                    rating.parts.append(per_query(*ranked))
                    if rating.done == rating.total:
                        self._fit(gallery, rating)
                    yield
            else:
                for part in losses.parts(self.lab, gallery, rating.panel, task, K, first):
                    rating.parts.append(_columns(*part))
                    yield
        except LabError as error:
            rating.problem = str(error)
        except Exception:  # a model's or an engine's own failure costs its own rating alone
            LOG.exception("the quality of %s failed", rating.panel or rating.embedder)
            rating.problem = "it failed; the server's log has the details"

    def _fit(self, gallery: Gallery, rating: Rating) -> None:
        """Keep what the scores are worth, where the search can use it."""
        wanted = kind(rating.task)
        if wanted is None:
            return
        try:
            place = key(gallery, self.lab.spec(rating.embedder), wanted)
            if self.fits.find(place) is None:
                self.fits.save(place, calibration.of(rating.task, rating.pairs))
        except LabError as error:
            rating.unfit = str(error)
        finally:
            rating.pairs.clear()

    def _keep(self, gallery: Gallery, rating: Rating) -> None:
        """Keep it on disk; in public mode no panel, of which strangers can name any number."""
        if not (rating.panel and self.lab.public):
            self.notes.save(self._key(gallery, rating), rating.body())

    def _stored(self, gallery: Gallery, rating: Rating) -> Rating:
        """With what was kept of it; not without its fit, which is made of the same scores."""
        wanted = None if rating.panel else kind(rating.task)
        spec = self.lab.spec(rating.embedder)
        note = self.notes.find(self._key(gallery, rating))
        if note and (wanted is None or self.fits.find(key(gallery, spec, wanted))):
            rating.take(note.body)
        return rating

    def _key(self, gallery: Gallery, rating: Rating) -> Key:
        spec = self.lab.spec(rating.embedder)
        return qualities.key(gallery, spec, rating.task, rating.panel)

    def _rating(self, gallery: Gallery, task: Task, embedder: str, panel: Panel | None) -> Rating:
        name = (
            gallery.name,
            gallery.revision,
            gallery.words,
            task.name,
            embedder,
            str(panel or ""),
        )
        with self._lock:
            found = self._kept.get(name)
            if found is None or found.problem:  # it may be gone since
                found = self._kept[name] = self._stored(gallery, Rating(task, embedder, panel))
            self._kept.move_to_end(name)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return found


@lru_cache(maxsize=16)
def asked(gallery: Gallery, language: str = "") -> tuple[Task, ...]:
    """What can be asked of a gallery in a language; nothing where it has no words."""
    return tuple(tasks(gallery, [language or usual(gallery)]))


def _columns(*columns: Floats) -> Floats:
    return np.column_stack(columns)
