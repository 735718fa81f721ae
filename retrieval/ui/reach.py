"""Milliseconds by number of vectors: what was measured, and how far it is told beyond."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
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
from retrieval.ui.plane import HEIGHT, Plane, path, svg
from retrieval.ui.takeaway import takeaway

NARROW, WIDE = 300, 1100
MARGINS = 56, 16, 12, 44
WORDS = {3: "1 k", 4: "10 k", 5: "100 k", 6: "1 M", 7: "10 M", 8: "100 M", 9: "1 B"}


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
        f"{svg(plane, told, f'{_axes(plane)}{series}{_asked(plane, most, ms)}')}"
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
    ys = floor(log10(min(times))), ceil(log10(max(times)) + 0.3)
    return Plane(width, xs, ys, MARGINS)


def _axes(plane: Plane) -> str:
    first, last = int(plane.xs[0]), int(plane.xs[1])
    narrow = plane.width <= 500
    costs = [(power, f"{10.0**power:g}") for power in range(int(plane.ys[0]), int(plane.ys[1]) + 1)]
    counts = [
        (power, "" if narrow and (power - first) % 2 else WORDS.get(power, f"1e{power}"))
        for power in range(first, last + 1)
    ]
    names = (
        f'<text x="{plane.right}" y="{HEIGHT - 6}" text-anchor="end">vectors</text>'
        f'<text x="4" y="{HEIGHT - 6}">milliseconds</text>'
    )
    return plane.axes(costs, counts, names)


def _series(
    plane: Plane, marks: Sequence[Measured], growth: Growth | None, mark: Mark, most: int
) -> str:
    points = [(plane.x(each.count), plane.y(each.point.p50)) for each in marks]
    dots = "".join(mark.draw(x, y) for x, y in points)
    beyond = _beyond(plane, growth, mark, most) if growth else ""
    own = f'<polyline points="{path(points)}" fill="none" stroke="{mark.colour}" stroke-width="2"/>'
    return beyond + own + dots


def _beyond(plane: Plane, growth: Growth, mark: Mark, most: int) -> str:
    if most <= growth.most:
        return ""
    counts = np.geomspace(growth.most, most, 24)
    ends = [growth.at(count) for count in counts]
    middle, low, high = (
        [(plane.x(count), plane.y(end[at])) for count, end in zip(counts, ends, strict=True)]
        for at in range(3)
    )
    band = path([*low, *reversed(high)])
    return (
        f'<polygon points="{band}" fill="{mark.colour}" opacity=".16"/>'
        f'<polyline points="{path(middle)}" fill="none" stroke="{mark.colour}" '
        'stroke-width="2" stroke-dasharray="5 4"/>'
    )


def _asked(plane: Plane, most: int, ms: float) -> str:
    x, y = plane.x(most), plane.y(ms)
    lines = f"M{MARGINS[0]} {y:.1f}H{plane.right}M{x:.1f} {MARGINS[2]}V{plane.bottom}"
    return f'<path class="target" d="{lines}" fill="none"/>'
