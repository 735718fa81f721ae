"""Milliseconds by number of vectors: what was measured, and how far it is told beyond."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil, floor, log10
from typing import Any

import numpy as np

from retrieval.advisor.evidence import Evidence
from retrieval.indexes import INDEXES
from retrieval.measure.growth import Growth
from retrieval.measure.scale import Mark as Measured
from retrieval.measure.tables import header, marked
from retrieval.ui.figures import escape
from retrieval.ui.marks import Mark
from retrieval.ui.takeaway import takeaway

NARROW, WIDE, HEIGHT = 300, 1100, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 12, 44
WORDS = {3: "1 k", 4: "10 k", 5: "100 k", 6: "1 M", 7: "10 M", 8: "100 M", 9: "1 B"}


@dataclass(frozen=True)
class Plane:
    """Where values stand in pixels, both axes logarithmic.

    Attributes:
        width: of the whole.
        xs: log10 of the vectors at both edges.
        ys: log10 of the milliseconds at the lower and the upper edge.
    """

    width: int
    xs: tuple[float, float]
    ys: tuple[float, float]

    def x(self, count: float) -> float:
        """Pixels from the left."""
        share = (log10(count) - self.xs[0]) / (self.xs[1] - self.xs[0])
        return LEFT + share * (self.width - LEFT - RIGHT)

    def y(self, ms: float) -> float:
        """Pixels from the top; what is outside stands at the edge."""
        share = (log10(max(ms, 1e-9)) - self.ys[0]) / (self.ys[1] - self.ys[0])
        return TOP + (1 - min(max(share, 0), 1)) * (HEIGHT - TOP - BOTTOM)


def drawn(evidence: Evidence, most: int, ms: float, width: int) -> str:
    """The plot with its legend; empty where too little is measured.

    Args:
        evidence: what was measured.
        most: vectors that are asked about.
        ms: milliseconds that are allowed.
        width: pixels that it may take.
    """
    found = {name: marks for name, marks in evidence.marks().items() if evidence.growth(name)}
    if not found:
        return ""
    plane = _plane(found, most, ms, min(max(width, NARROW), WIDE))
    series = "".join(
        _series(plane, marks, evidence.growth(name), Mark(at), most)
        for at, (name, marks) in enumerate(found.items())
    )
    names = "".join(
        f"<li>{Mark(at).legend()}{escape(INDEXES.spec(name).title)}</li>"
        for at, name in enumerate(found)
    )
    told = "Milliseconds of one query by number of vectors, measured and beyond"
    again = once_more(evidence)
    about = [evidence.embedder] if evidence.embedder else []
    return (
        f'<figure class="reach"><figcaption class="hint">{told}: dots are measured, a dashed line '
        f'is the fit, its band the 95 % interval.</figcaption><ul class="legend">{names}'
        '<li><i class="stroke target"></i>what is asked</li></ul>'
        f'<svg class="scatter" viewBox="0 0 {plane.width} {HEIGHT}" '
        f'style="max-width:{plane.width}px" role="img" '
        f'aria-label="{told}; the table below has the figures">{_axes(plane)}{series}'
        f"{_asked(plane, most, ms)}</svg>"
        f"{takeaway(told, figures(evidence), evidence.gallery, *about, again=again)}</figure>"
    )


def figures(evidence: Evidence) -> list[dict[str, Any]]:
    """What was measured, a row an index and size, its setting in words."""
    return [
        {**marked(asdict(mark)), "p95": mark.point.p95}
        for marks in evidence.marks().values()
        for mark in marks
    ]


def once_more(evidence: Evidence) -> dict[str, Any]:
    """What makes them a receipt."""
    return header("scale", evidence.gallery, [evidence.embedder] if evidence.embedder else [])


def _plane(found: dict[str, list[Measured]], most: int, ms: float, width: int) -> Plane:
    marks = [mark for each in found.values() for mark in each]
    counts = [*(mark.count for mark in marks), most]
    times = [*(mark.point.p50 for mark in marks), ms]
    xs = floor(log10(min(counts))), ceil(log10(max(counts)) + 0.05)
    return Plane(width, xs, (floor(log10(min(times))), ceil(log10(max(times)) + 0.3)))


def _axes(plane: Plane) -> str:
    floor_y, right = HEIGHT - BOTTOM, plane.width - RIGHT
    lines, words = [], []
    for power in range(int(plane.ys[0]), int(plane.ys[1]) + 1):
        y = plane.y(10.0**power)
        lines.append(f"M{LEFT} {y:.1f}H{right}")
        words.append(
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g}</text>'
        )
    for power in range(int(plane.xs[0]), int(plane.xs[1]) + 1):
        x = plane.x(10.0**power)
        lines.append(f"M{x:.1f} {TOP}V{floor_y}")
        if plane.width > 500 or (power - plane.xs[0]) % 2 == 0:
            word = WORDS.get(power, f"1e{power}")
            words.append(f'<text x="{x:.1f}" y="{floor_y + 18}" text-anchor="middle">{word}</text>')
    words.append(f'<text x="{right}" y="{HEIGHT - 6}" text-anchor="end">vectors</text>')
    words.append(f'<text x="4" y="{HEIGHT - 6}">milliseconds</text>')
    return f'<g class="axes"><path d="{"".join(lines)}"/>{"".join(words)}</g>'


def _series(
    plane: Plane, marks: Sequence[Measured], growth: Growth | None, mark: Mark, most: int
) -> str:
    points = [(plane.x(each.count), plane.y(each.point.p50)) for each in marks]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(mark.draw(x, y) for x, y in points)
    beyond = _beyond(plane, growth, mark, most) if growth else ""
    own = f'<polyline points="{line}" fill="none" stroke="{mark.colour}" stroke-width="2"/>'
    return beyond + own + dots


def _beyond(plane: Plane, growth: Growth, mark: Mark, most: int) -> str:
    if most <= growth.most:
        return ""
    counts = np.geomspace(growth.most, most, 24)
    ends = [growth.at(count) for count in counts]
    xs = [plane.x(count) for count in counts]
    middle = " ".join(f"{x:.1f},{plane.y(end[0]):.1f}" for x, end in zip(xs, ends, strict=True))
    low = [f"{x:.1f},{plane.y(end[1]):.1f}" for x, end in zip(xs, ends, strict=True)]
    high = [f"{x:.1f},{plane.y(end[2]):.1f}" for x, end in zip(xs, ends, strict=True)]
    band = " ".join([*low, *reversed(high)])
    return (
        f'<polygon points="{band}" fill="{mark.colour}" opacity=".16"/><polyline points="{middle}" '
        f'fill="none" stroke="{mark.colour}" stroke-width="2" stroke-dasharray="5 4"/>'
    )


def _asked(plane: Plane, most: int, ms: float) -> str:
    x, y = plane.x(most), plane.y(ms)
    path = f"M{LEFT} {y:.1f}H{plane.width - RIGHT}M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"
    return f'<path class="target" d="{path}" fill="none"/>'
