"""Query-time knobs that change nothing: neither recall nor time, by a sweep that is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from retrieval.measure.knobs import SAME_RECALL, SAME_WORK
from retrieval.measure.sweep import Point, steps
from retrieval.measure.sweeps import Sweep
from retrieval.types import Knob, Spec


@dataclass(frozen=True)
class Idle:
    """A knob that does nothing over its whole range, the others at their defaults.

    Attributes:
        knob: its name.
        alone: the index has no other query-time knob.
        low: what was measured at its lowest setting.
        high: the same at its highest.
        sweep: which has measured it.
    """

    knob: str
    alone: bool
    low: Point
    high: Point
    sweep: Sweep


def idle(spec: Spec, sweep: Sweep) -> tuple[Idle, ...]:
    """The knobs of an index that a sweep shows to do nothing.

    One is left out that was not measured at both ends of the grid: half a range shows nothing.
    """
    tuned = [knob for knob in spec.knobs if knob.when == "query"]
    return tuple(
        Idle(knob.name, len(tuned) == 1, points[0], points[-1], sweep)
        for knob in tuned
        for points in [along(knob, tuned, sweep.points)]
        if _whole(knob, points) and _same(points)
    )


def along(knob: Knob, tuned: Sequence[Knob], points: Sequence[Point]) -> list[Point]:
    """The settings that differ from the defaults in one knob at most, by its value."""
    usual = {each.name: each.default for each in tuned}
    found = [
        point
        for point in points
        if knob.name in point.knobs and {**point.knobs, knob.name: knob.default} == usual
    ]
    return sorted(found, key=lambda point: point.knobs[knob.name])


def _whole(knob: Knob, points: Sequence[Point]) -> bool:
    grid, values = steps(knob), [point.knobs[knob.name] for point in points]
    return len(values) > 1 and values[0] <= grid[0] and values[-1] >= grid[-1]


def _same(points: Sequence[Point]) -> bool:
    """Whether no recall differs from another, nor the time at one end from that at the other."""
    recalls = [point.recall for point in points]
    fast, slow = sorted((points[0].p50, points[-1].p50))
    return max(recalls) - min(recalls) < SAME_RECALL and slow < SAME_WORK * fast
