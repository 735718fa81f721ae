"""Sweeps of several indexes in turns, within a budget, kept however they end."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from retrieval.errors import LabError
from retrieval.galleries.base import Gallery
from retrieval.lab import Lab
from retrieval.measure.sweep import Asked, Kind, Point, askable, asked, grid, measured
from retrieval.measure.sweeps import Sweeps, made, of
from retrieval.measure.sweeps import key as sweep_key
from retrieval.panel import Panel
from retrieval.store import Built, Key, columns_key, index_key, vectors_key
from retrieval.types import Spec

LOG = logging.getLogger(__name__)
K = 10
COUNT = 200
DEFAULTS: Mapping[str, int] = {}
"""Knobs of an index that nobody has set."""


@dataclass(frozen=True)
class Step:
    """One setting that was measured, or an index that could not be.

    Attributes:
        index: its name.
        point: what came out; none where the index cannot be measured.
        problem: why not, in a sentence.
    """

    index: str
    point: Point | None
    problem: str = ""


@dataclass(frozen=True)
class Job:
    """What is swept.

    Attributes:
        gallery: whose vectors.
        embedder: whose vectors.
        indexes: which of them.
        kind: what is asked with.
    """

    gallery: Gallery
    embedder: Spec
    indexes: Sequence[Spec]
    kind: Kind

    def key(self, index: Spec, knobs: Mapping[str, int] = DEFAULTS) -> Key:
        """Where an index's sweep is kept; nothing is loaded for it.

        Args:
            index: the one.
            knobs: of it, where they differ from its defaults; those of queries decide nothing.
        """
        built = index_key(
            vectors_key(self.gallery, self.embedder) | columns_key(self.gallery, index),
            index,
            {knob.name: knobs.get(knob.name, knob.default) for knob in index.knobs},
        )
        return of(built, self.kind, K, min(COUNT, _askable(self.gallery, self.kind)))


def sweeps(lab: Lab) -> Sweeps:
    """Where a lab keeps its sweeps."""
    return Sweeps(lab.data / "sweeps", lab.cache / "sweeps")


def rounds(lab: Lab, job: Job, seconds: float) -> Generator[Step]:
    """Measure a setting of each index, then another of each, until the time is up.

    Settings that were not measured here yet come first, defaults before others. Closing the
    iterator, or its end, keeps what was measured.

    Args:
        lab: what is loaded.
        job: what is swept.
        seconds: no new setting is begun after them.

    Yields:
        A step for each setting that was begun in time, and for each index that failed.

    Raises:
        LabError: the embedder cannot read the queries, or has no vectors here.
    """
    end = time.monotonic() + seconds
    queries = asked(lab, job.gallery, job.embedder.name, job.kind, K, COUNT)
    running = Running(lab, job, queries)
    try:
        for index, knobs in running.order():
            if time.monotonic() >= end:
                return
            step = running.step(index, knobs)
            if step is not None:
                yield step
    finally:
        running.keep()


class Running:
    """Indexes that are being swept.

    Args:
        lab: what is loaded.
        job: what is swept.
        queries: what is asked.
    """

    def __init__(self, lab: Lab, job: Job, queries: Asked) -> None:
        self.lab = lab
        self.job = job
        self.queries = queries
        self.store = sweeps(lab)
        self.built: dict[str, Built] = {}
        self.points: dict[str, list[Point]] = {}
        self.failed: set[str] = set()

    def order(self) -> list[tuple[str, dict[str, int]]]:
        """Every setting of every index, those of nobody's first, in turns."""
        turns = []
        for at, spec in enumerate(self.job.indexes):
            known = self._known(spec)
            settings = sorted(grid(spec), key=lambda knobs: knobs != _default(spec))
            for turn, knobs in enumerate(settings):
                turns.append((knobs in known, turn, at, spec.name, knobs))
        return [(name, knobs) for *_, name, knobs in sorted(turns, key=lambda each: each[:3])]

    def step(self, name: str, knobs: dict[str, int]) -> Step | None:
        """Measure a setting; none of an index that has failed before."""
        if name in self.failed:
            return None
        try:
            built = self._index(name)
            point = measured(built.index, self.queries, knobs)
        except LabError as error:
            return self._failed(name, str(error))
        except Exception as error:  # an engine's own failure costs its own points alone
            LOG.exception("the sweep of %s failed", name)
            why = "the server's log has the details"
            return self._failed(name, why if self.lab.public else f"{name} failed: {error}"[:500])
        self.points.setdefault(name, []).append(point)
        return Step(name, point)

    def keep(self) -> None:
        """Store what was measured beside what was known.

        Raises:
            LabError: the cache cannot be written.
        """
        for name, points in self.points.items():
            built = self.built[name]
            key = sweep_key(self.job.gallery, self.job.embedder, built.index, self.queries)
            self.store.save(made(key, points, built))

    def _index(self, name: str) -> Built:
        if name not in self.built:
            panel = Panel(self.job.embedder.name, name)
            self.built[name] = self.lab.index(self.job.gallery, panel)
        return self.built[name]

    def _failed(self, name: str, problem: str) -> Step:
        self.failed.add(name)
        return Step(name, None, problem)

    def _known(self, spec: Spec) -> list[dict[str, int]]:
        found = self.store.sound(self.job.key(spec))
        return [point.knobs for point in found.points] if found and found.here else []


@lru_cache(maxsize=32)
def _askable(gallery: Gallery, kind: Kind) -> int:
    """How many rows can be asked with; counting them takes every caption."""
    return len(askable(gallery, kind))


def _default(spec: Spec) -> dict[str, int]:
    return {each.name: each.default for each in spec.knobs if each.when == "query"}
