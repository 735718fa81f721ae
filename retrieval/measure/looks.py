"""Looks at settings of indexes, what they come to, and the settings between two of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from retrieval.measure.sweep import steps
from retrieval.types import Knob

FINER = 16
"""Settings between two steps of the grid, at most: 7 % apart where the steps are."""


@dataclass(frozen=True, slots=True)
class Look:
    """One setting of an index, looked at.

    Attributes:
        index: its name.
        knobs: query-time knobs by name.
        recall: mean recall@10 against exact search.
        p50: median milliseconds of one query, on one thread.
    """

    index: str
    knobs: dict[str, int]
    recall: float
    p50: float


@dataclass(frozen=True)
class Picked:
    """What was picked, and why.

    Attributes:
        best: the fastest of the finalists that reach the target.
        finalists: each measured with all queries, in turns, the fastest first.
        out: why an index is not among them, by name.
        looks: how many settings were looked at.
        seconds: that looking and measuring took, without building and loading.
        queries: by how many the finalists were measured.
        late: the time was up before everything was looked at; what was decides.
    """

    best: Look
    finalists: tuple[Look, ...]
    out: dict[str, str]
    looks: int
    seconds: float
    queries: int
    late: bool


def typical(looks: Sequence[Look]) -> Look:
    """One setting that was looked at several times, with its median latency."""
    return replace(looks[0], p50=float(np.median([each.p50 for each in looks])))


def once(looks: Iterable[Look]) -> list[Look]:
    """Each setting once, as ``typical`` has it."""
    same: dict[tuple[object, ...], list[Look]] = {}
    for look in looks:
        same.setdefault((look.index, *sorted(look.knobs.items())), []).append(look)
    return [typical(each) for each in same.values()]


def between(knob: Knob, value: int) -> list[int]:
    """The values of a knob above the step of the grid that is below a step, up to that.

    Where there are many they are ``FINER`` of them, by equal factors.
    """
    below = [each for each in steps(knob) if each < value]
    all_ = range(below[-1] + 1 if below else value, value + 1)
    values = [each for each in all_ if knob.scale == "linear" or not each & (each - 1)]
    if len(values) > FINER:
        values = np.unique(np.rint(np.geomspace(values[0], value, FINER)).astype(int)).tolist()
    return values


def named(knobs: Sequence[Knob], values: Sequence[int]) -> dict[str, int]:
    """Values by the names of their knobs."""
    return {knob.name: value for knob, value in zip(knobs, values, strict=False)}
