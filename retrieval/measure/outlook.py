"""What indexes cost at sizes that were measured, and by a fit at sizes that were not.

By what a cost can grow follows from how an index works, and not only from the few sizes that were
measured, where constants still hide it: exhaustive search reads all; a graph's beam grows with the
logarithm in theory (Malkov and Yashunin 2016) and faster at a high recall; lists grow with the root
where their number does, and with n once it cannot. The interval holds all of an index's forms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from retrieval.indexes import INDEXES
from retrieval.lab import Lab
from retrieval.measure.growth import Growth, grown
from retrieval.measure.notes import Note
from retrieval.measure.scale import LISTS, TARGET, Job, Mark, marks, stored
from retrieval.readiness import state
from retrieval.types import Spec

Cost = Literal["ms", "bytes", "seconds"]
"""Median of one query, what is held in memory, what building takes."""
COSTS: tuple[Cost, ...] = ("ms", "bytes", "seconds")
FORMS: dict[str, dict[Cost, tuple[str, ...]]] = {
    "all": {"ms": ("n",), "bytes": ("n",), "seconds": ("n",)},
    "graph": {"ms": ("log n", "root n"), "bytes": ("n",), "seconds": ("n", "n log n")},
    "lists": {"ms": ("root n", "n"), "bytes": ("n",), "seconds": ("n", "n root n")},
}
"""By what each cost may grow, by how an index works."""
USUAL = (
    "exact",
    "faiss-flat",
    "faiss-sq8",
    "faiss-hnsw",
    "faiss-hnsw-sq8",
    "faiss-ivf",
    "faiss-ivfpq",
    "faiss-ivf-rabitq",
)
"""Those that are measured where none is named: every vector, graphs, lists, codes."""
SHOWN = (1_000, 10_000, 100_000, 1_000_000)
BEYOND = (100_000_000, 1_000_000_000)
"""Sizes that are told and never measured."""
ENDLESS = 1e12
"""Vectors from which on no end is told."""
VAGUE = 10_000
"""A figure whose interval spans more than this many times is too uncertain to be shown."""
EXACT = ("exact", "faiss-flat")
GRAPH = {"M", "m", "R"}
"""Build-time knobs that count a graph's links, where there are no lists."""


@dataclass(frozen=True)
class Figure:
    """A cost at a number of vectors.

    Attributes:
        value: milliseconds, bytes or seconds.
        low: lower end of the 95 % interval; the value where it was measured.
        high: upper end.
        measured: it was measured at this size; else it is of a fit.
    """

    value: float
    low: float
    high: float
    measured: bool

    @property
    def sure(self) -> bool:
        """Whether its interval says anything at all."""
        return self.high <= VAGUE * self.low


@dataclass(frozen=True)
class Outlook:
    """One index at all sizes.

    Attributes:
        spec: the index.
        note: what was measured, and where.
        marks: the same, the fewest vectors first.
    """

    spec: Spec
    note: Note
    marks: tuple[Mark, ...]

    def costs(self, cost: Cost) -> list[tuple[int, float]]:
        """What was measured, by number of vectors; milliseconds only at the target recall."""
        able = [mark for mark in self.marks if cost != "ms" or mark.reached]
        return [(mark.count, _cost(mark, cost)) for mark in able]

    def growth(self, cost: Cost) -> Growth | None:
        """The fit; none from fewer than three sizes, nor where the target is lost on the way."""
        if cost == "ms" and not (self.marks and self.marks[-1].reached):
            return None
        known = self.costs(cost)
        forms = FORMS[works(self.spec)][cost]
        return grown([count for count, _ in known], [value for _, value in known], forms)

    def at(self, count: int, cost: Cost) -> Figure | None:
        """The figure at a number of vectors, measured before told; none where neither is."""
        known = dict(self.costs(cost))
        if count in known:
            return Figure(known[count], known[count], known[count], True)
        growth = self.growth(cost)
        if growth is None or count <= growth.most:
            return None
        value, low, high = growth.at(count)
        least = min(known.values())  # nothing costs less where there is more of it
        return Figure(max(value, least), max(low, least), max(high, least), False)

    def recall(self, count: int) -> float | None:
        """What was found at a size that was measured."""
        found = [mark.point.recall for mark in self.marks if mark.count == count]
        return found[0] if found else None


@dataclass(frozen=True)
class Limit:
    """Where exact search stops being enough.

    Attributes:
        outlook: which exact search.
        ms: what a query may take.
        count: vectors up to which it keeps to that, with the ends of the interval.
        measured: the crossing lies within what was measured.
        fits: vectors that fill the memory of this machine, by the fit.
        beaten: size from which on an approximate index is faster at the target recall, and
            its title; none where none was.
    """

    outlook: Outlook
    ms: float
    count: tuple[float, float, float]
    measured: bool
    fits: float | None
    beaten: tuple[int, str] | None


def works(spec: Spec) -> str:
    """How an index finds: through ``lists``, over a ``graph``, or by reading ``all``."""
    names = {knob.name for knob in spec.knobs}
    if names & {*LISTS}:
        return "lists"
    return "graph" if names & GRAPH else "all"


def outlooks(lab: Lab, job: Job) -> list[Outlook]:
    """All that was measured of a job's indexes, on this machine or another."""
    found = stored(lab, job)
    return [
        Outlook(spec, found[spec.name], tuple(marks(found[spec.name])))
        for spec in job.indexes
        if spec.name in found
    ]


def limits(found: Sequence[Outlook], ms: float, memory: float) -> list[Limit]:
    """Where each exact search stops being enough, by what one machine measured.

    Args:
        found: of all indexes.
        ms: what a query may take.
        memory: bytes that there are.
    """
    told = []
    for each in found:
        growth = each.growth("ms")
        if each.spec.name not in EXACT or growth is None:
            continue
        low, middle, high = sorted(growth.reaches(ms))
        held = each.growth("bytes")
        fits = held.reaches(memory)[0] if held else None
        beaten = _beaten(each, found)
        within = growth.least <= middle <= growth.most
        told.append(Limit(each, ms, (middle, low, high), within, fits, beaten))
    return told


def _beaten(exact: Outlook, found: Sequence[Outlook]) -> tuple[int, str] | None:
    """The smallest size from which on some other index was faster wherever both were measured."""
    rivals = [
        each
        for each in found
        if each.spec.name not in EXACT and each.note.machine == exact.note.machine
    ]
    best: tuple[int, str] | None = None
    for count, value in reversed(exact.costs("ms")):
        at = [(ms, each.spec.title) for each in rivals if (ms := dict(each.costs("ms")).get(count))]
        if at and min(at)[0] >= value:
            break
        best = (count, min(at)[1]) if at else best
    return best


def usual(embedder: Spec) -> list[Spec]:
    """The indexes that are measured where none is named, as far as they are installed."""
    specs = [INDEXES.spec(name) for name in USUAL]
    return [
        each for each in specs if embedder.metric in each.metrics and state(each).kind == "ready"
    ]


def rows(found: Sequence[Outlook]) -> list[dict[str, Any]]:
    """All figures, one dict an index and size: the measured ones, then those that are told."""
    return [
        {"index": each.spec.name, "count": count, **_row(each, count)}
        for each in found
        for count in (*(mark.count for mark in each.marks), *BEYOND)
    ]


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose settings are texts, for CSV."""
    words = {
        name: "&".join(f"{knob}={value}" for knob, value in row[name].items())
        for name in ("knobs", "build")
    }
    return {**row, **words}


def _row(each: Outlook, count: int) -> dict[str, Any]:
    mark = next((mark for mark in each.marks if mark.count == count), None)
    row: dict[str, Any] = {"measured": mark is not None}
    for cost in COSTS:
        figure = each.at(count, cost)
        row[cost] = figure.value if figure else None
        row |= {f"{cost}_{end}": getattr(figure, end, None) for end in ("low", "high")}
    if mark and not mark.reached:  # it is not the target's, but it was measured
        row["ms"] = mark.point.p50
    row["recall"] = mark.point.recall if mark else None
    row["knobs"] = dict(mark.point.knobs) if mark else {}
    row["build"] = dict(mark.build) if mark else {}
    return {**row, "machine": each.note.machine, "at": each.note.at, "receipt": each.note.name}


def said(limit: Limit, memory: float) -> list[str]:
    """A limit in sentences.

    Args:
        limit: of one exact search.
        memory: bytes of this machine.
    """
    title, (count, low, high) = limit.outlook.spec.title, limit.count
    where = "on this machine" if limit.outlook.note.here else "on another machine"
    how = "measured" if limit.measured else "extrapolated"
    ends = f"{many(low)} to {many(high)}" if high < ENDLESS else f"from {many(low)} on"
    first = (
        f"{title} keeps to {limit.ms:g} ms a query up to some {many(count)} vectors {where} "
        f"(95 % interval {ends}, {how})"
    )
    told = [first]
    if limit.beaten:
        at, rival = limit.beaten
        told.append(f"from {many(at)} on {rival} answers faster at recall {TARGET:g}, measured")
    if limit.fits:
        told.append(f"{memory / 1e9:.0f} GB hold {many(limit.fits)} of its vectors")
    return told


def many(count: float) -> str:
    """A number of vectors, such as ``610 k`` or ``1.2 M``."""
    for unit, size in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= 0.9995 * size:
            share = count / size
            return f"{share:.2g} {unit}" if share < 99.5 else f"{share:,.0f} {unit}"
    return f"{count:,.0f}"


def _cost(mark: Mark, cost: Cost) -> float:
    return {"ms": mark.point.p50, "bytes": float(mark.nbytes), "seconds": mark.build_s}[cost]
