"""Two indexes at a recall that both reach, from what is stored of their sweeps."""

from __future__ import annotations

from dataclasses import dataclass

from retrieval.galleries.base import Gallery
from retrieval.indexes import INDEXES
from retrieval.lab import Lab
from retrieval.measure.rounds import Job, sweeps
from retrieval.measure.sweep import Point, cheapest
from retrieval.types import Spec

HIGH = 0.95
"""The recall at which they are compared, where both reach it."""


@dataclass(frozen=True, slots=True)
class Beside:
    """The cheapest setting of each of two indexes.

    Attributes:
        recall: that both reach.
        points: of the one, and of the other.
        here: they were measured on a machine like this one.
        at: the day of the later one.
    """

    recall: float
    points: tuple[Point, Point]
    here: bool
    at: str


def beside(lab: Lab, gallery: Gallery, embedder: Spec, names: tuple[str, str]) -> Beside | None:
    """Two indexes over a gallery's vectors, asked with its pictures one at a time.

    None where they were not both measured, on one machine.

    Args:
        lab: whose sweeps.
        gallery: whose vectors.
        embedder: by which.
        names: of the two indexes.
    """
    specs = [INDEXES.spec(name) for name in names]
    job = Job(gallery, embedder, specs, "picture")
    one, other = (sweeps(lab).find(job.key(spec)) for spec in specs)
    if not (one and other and one.points and other.points) or one.machine != other.machine:
        return None
    reached = (max(point.recall for point in each.points) for each in (one, other))
    target = min(HIGH, *reached)
    points = cheapest(one.points, target), cheapest(other.points, target)
    if points[0] is None or points[1] is None:  # not without NaN
        return None
    return Beside(target, (points[0], points[1]), one.here, max(one.at, other.at)[:10])
