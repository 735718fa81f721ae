"""The fastest index and setting that reach a recall within a memory, without a whole sweep.

Recall and time both rise with every query-time knob, so the settings of an index that just
reach the target lie on a staircase through its grid (``sweep.grid``): walking it down from the
widest setting costs one look a step, the sum of the knobs' values and not their product. A look
asks a few queries. Of the indexes that are near the fastest then, each knob is raised until all
queries reach the target and brought down by halves to the least value between two steps that
does; the best are measured in turns, and the fastest wins.

Where the time is up before that, what was looked at by then decides.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from retrieval.errors import BadQuery, LabError
from retrieval.indexes.base import Index
from retrieval.lab import Lab
from retrieval.measure.looks import Look, Picked, between, named, once, typical
from retrieval.measure.recall import recalls
from retrieval.measure.rounds import COUNT, Job, K
from retrieval.measure.sweep import Asked, alone, asked, steps
from retrieval.panel import Panel
from retrieval.types import Knob, Progress, Spec

LOG = logging.getLogger(__name__)
FEW = 40
"""Queries of one look."""
NEAR = 2
"""Times the fastest: what takes longer is sought no finer, as a step of the grid costs no more."""
FINALISTS = 6
"""Settings that are measured again."""
ROUNDS = 5
"""Times that each finalist is measured."""


class Late(Exception):
    """The time is up."""


def pick(
    lab: Lab,
    job: Job,
    target: float,
    memory: int | None,
    told: Progress | None = None,
    seconds: float = math.inf,
) -> Picked:
    """Pick an index and its setting.

    Args:
        lab: what is loaded.
        job: gallery, embedder, the indexes to choose from and what is asked with.
        target: recall@10 to reach, from 0 to 1.
        memory: bytes that an index may hold, vectors included; none for any.
        told: how many indexes were looked at.
        seconds: nothing is loaded, built or looked at that was not begun in them.

    Raises:
        BadQuery: no index reaches the target within the memory and the time, the target is no
            share, or the time is none.
    """
    if not 0 < target <= 1:
        raise BadQuery(f"the recall to reach is {target:g}; it must be above 0 and at most 1")
    if not seconds > 0:  # NaN is not
        raise BadQuery(f"the time is {seconds:g} s; it must be more than 0")
    end = time.monotonic() + seconds
    queries = asked(lab, job.gallery, job.embedder.name, job.kind, K, COUNT)
    return Picking(lab, job, queries, target, memory, end).run(told)


class Picking:
    """A choice that is being made.

    Args:
        lab: what is loaded.
        job: what is chosen from.
        queries: all that are asked.
        target: recall to reach.
        memory: bytes that an index may hold.
        end: when nothing more is begun, by the monotonic clock.
    """

    def __init__(
        self,
        lab: Lab,
        job: Job,
        queries: Asked,
        target: float,
        memory: int | None,
        end: float = math.inf,
    ) -> None:
        self.lab, self.job, self.target, self.memory, self.end = lab, job, target, memory, end
        self.queries = queries
        self.few = replace(queries, vectors=queries.vectors[:FEW], truth=queries.truth[:FEW])
        self.indexes: dict[str, Index] = {}
        self.out: dict[str, str] = {}
        self.seen: dict[str, list[Look]] = {"few": [], "all": []}
        self.looks = 0
        self.seconds = 0.0
        self.fastest = math.inf  # milliseconds of what reaches the target with all queries

    def run(self, told: Progress | None) -> Picked:
        """Look at every index, measure the best again; in time, or as far as that goes."""
        late, queries = False, self.queries
        try:
            finalists = self._finalists(self._stairs(told))
        except Late:
            late, (finalists, queries) = True, self._so_far()
        reached = [each for each in finalists if each.recall >= self.target]
        if not reached:
            raise BadQuery(self._none(finalists, late))
        count = len(queries.vectors)
        return Picked(reached[0], finalists, self.out, self.looks, self.seconds, count, late)

    def _stairs(self, told: Progress | None) -> list[list[Look]]:
        """What just reaches the target, of each index, the fastest first."""
        found: list[list[Look]] = []
        for at, spec in enumerate(self.job.indexes):
            if told is not None:
                told(f"looking at {spec.name}", at, len(self.job.indexes))
            stairs = self._tried(spec)
            if stairs:
                found.append(sorted(stairs, key=lambda each: each.p50))
        return sorted(found, key=lambda each: each[0].p50)

    def _so_far(self) -> tuple[tuple[Look, ...], Asked]:
        """What was looked at, the fastest first: with all queries if that reaches the target."""
        known = {look.index for looks in self.seen.values() for look in looks} | {*self.out}
        left = [spec.name for spec in self.job.indexes if spec.name not in known]
        self.out.update(dict.fromkeys(left, "not looked at: the time was up"))
        whole = self._any(self.seen["all"])
        looks, asked = (self.seen["all"], self.queries) if whole else (self.seen["few"], self.few)
        enough = [look for look in once(looks) if look.recall >= self.target]
        return tuple(sorted(enough, key=lambda each: each.p50)[:FINALISTS]), asked

    def _none(self, finalists: Sequence[Look], late: bool) -> str:
        if late:
            return f"nothing that was looked at in time reaches {self.target:g}; give more seconds"
        best = max((each.recall for each in finalists), default=None)
        reached = "" if best is None else f"; with all queries the best has {best:.3f}"
        kept = "" if self.memory is None else f" within {self.memory / 1e6:,.0f} MB"
        return f"no index reaches recall {self.target:g}{kept}{reached}; ask for less"

    def _in_time(self) -> None:
        if time.monotonic() >= self.end:
            raise Late

    def _tried(self, spec: Spec) -> list[Look]:
        """The settings of an index that just reach the target; none where it is out."""
        self._in_time()
        try:
            index = self.lab.index(self.job.gallery, Panel(self.job.embedder.name, spec.name)).index
            if self.memory is not None and index.nbytes() > self.memory:
                self.out[spec.name] = f"holds {index.nbytes() / 1e6:,.1f} MB"
                return []
            self.indexes[spec.name] = index
            stairs = list(self._walk(spec, index))
        except Late:
            raise
        except LabError as error:
            self.out[spec.name] = str(error)
            return []
        except Exception as error:  # an engine's own failure costs its own looks alone
            LOG.exception("looking at %s failed", spec.name)
            self.out[spec.name] = f"failed: {error}"[:300]
            return []
        if not stairs:
            self.out[spec.name] = f"none of its settings reaches {self.target:g}"
        return stairs

    def _walk(self, spec: Spec, index: Index) -> Iterator[Look]:
        """Down the staircase: one knob falls while the target is reached, else another rises."""
        knobs = [each for each in spec.knobs if each.when == "query"]
        if len(knobs) > 2:
            raise BadQuery(f"{spec.name} has {len(knobs)} query-time knobs; two are searched")
        rising, falling = ([*(steps(each) for each in knobs)] + [[0], [0]])[:2]
        at, to = 0, len(falling) - 1
        if len(knobs) < 2:  # a single knob: the first value that is enough, by halves
            at = self._first(index, knobs, rising)
        while at < len(rising) and to >= 0:
            values = (rising[at], falling[to])
            look = self._look(index, named(knobs, values), self.few)
            if look.recall >= self.target:
                yield look
                to -= 1
            else:
                at += 1

    def _first(self, index: Index, knobs: Sequence[Knob], values: Sequence[int]) -> int:
        settings = [named(knobs, (value,)) for value in values]
        return self._least(index, settings, self.few)

    def _least(self, index: Index, settings: Sequence[dict[str, int]], queries: Asked) -> int:
        """The place of the first setting that is enough, by halves; the last where none is."""
        low, high = 0, len(settings) - 1
        while low < high:
            middle = (low + high) // 2
            look = self._look(index, settings[middle], queries)
            low, high = (low, middle) if look.recall >= self.target else (middle + 1, high)
        return low

    def _look(self, index: Index, knobs: dict[str, int], queries: Asked) -> Look:
        self._in_time()
        start = time.perf_counter()
        times, rows = alone(index, queries, knobs)
        self.seconds += time.perf_counter() - start
        self.looks += 1
        share = recalls(queries.vectors, queries.stored, rows, queries.truth, index.metric).mean()
        look = Look(index.spec.name, knobs, float(share), float(np.median(times)) / 1e6)
        self.seen["all" if queries is self.queries else "few"].append(look)
        if queries is self.queries and look.recall >= self.target:
            self.fastest = min(self.fastest, look.p50)
        return look

    def _finalists(self, found: Sequence[Sequence[Look]]) -> tuple[Look, ...]:
        """Indexes of like speed at a time, until one reaches the target with all queries.

        Where none does, few queries flattered all of them: each at its widest setting then.
        """
        best = left = [stairs[0] for stairs in found]
        finalists: list[Look] = []
        while left and not self._any(finalists):
            near = [each for each in left if each.p50 <= NEAR * left[0].p50]
            left = left[len(near) :]
            finer = [each for look in near for each in self._refined(look)]
            enough = [each for each in finer if self._any([each]) and self._promising(each)]
            enough.sort(key=lambda each: each.p50)
            finalists += self._final(enough[:FINALISTS]) if enough else finer
        if not self._any(finalists):
            finalists += self._final([self._widest(look) for look in best])
        return tuple(sorted(finalists, key=lambda each: each.p50))

    def _any(self, looks: Sequence[Look]) -> bool:
        return any(each.recall >= self.target for each in looks)

    def _final(self, chosen: Sequence[Look]) -> Iterator[Look]:
        """Settings measured with all queries, in turns."""
        runs: list[list[Look]] = [[] for _ in chosen]
        for _ in range(ROUNDS):
            for run, each in zip(runs, chosen, strict=True):
                run.append(self._look(self.indexes[each.index], each.knobs, self.queries))
        yield from map(typical, runs)

    def _refined(self, look: Look) -> list[Look]:
        """A setting with each of its knobs, one at a time, as low as all queries let it be."""
        index = self.indexes[look.index]
        first = self._look(index, look.knobs, self.queries)
        found: list[Look] = []
        for knob in (each for each in index.spec.knobs if each.when == "query"):
            finer = self._fitted(index, first, knob)
            found += [finer] if finer not in found else []
        return found or [first]

    def _fitted(self, index: Index, look: Look, knob: Knob) -> Look:
        """A knob a step up and another until it is enough, then down to the least that is.

        It stays where it is once others have the recall in much less time.
        """
        above = [each for each in steps(knob) if each > look.knobs[knob.name]]
        while look.recall < self.target and above and self._promising(look):
            look = self._look(index, {**look.knobs, knob.name: above.pop(0)}, self.queries)
        values = between(knob, look.knobs[knob.name])
        if look.recall < self.target or len(values) == 1 or not self._promising(look):
            return look
        settings = [{**look.knobs, knob.name: value} for value in values]
        least = settings[self._least(index, settings, self.queries)]
        return self._look(index, least, self.queries)

    def _promising(self, look: Look) -> bool:
        return look.p50 <= NEAR * self.fastest

    def _widest(self, look: Look) -> Look:
        """The setting of its index that asks most."""
        knobs = {
            each.name: steps(each)[-1]
            for each in self.indexes[look.index].spec.knobs
            if each.when == "query"
        }
        return replace(look, knobs=knobs)
