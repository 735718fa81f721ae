"""Costs of indexes by number of vectors: measured marks, and hollow ones that a fit tells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from retrieval.measure.outlook import BEYOND, Cost, Figure, Outlook, many
from retrieval.ui.figures import escape, size, span
from retrieval.ui.marks import Mark
from retrieval.ui.plane import Plane, path, svg

NARROW, WIDE = 300, 560
MARGINS = 62, 26, 30, 26
SIDE = 5.0
APART = 3
"""Pixels between the whiskers of two indexes at one size."""
ROOM = 1.5
"""Powers of ten by which a whisker may leave the values that are drawn."""
TITLES: dict[Cost, str] = {
    "ms": "One query (p50)",
    "bytes": "Memory",
    "seconds": "Build",
}
WORDS: dict[Cost, Callable[[float], str]] = {
    "ms": lambda value: span(value / 1000),
    "bytes": lambda value: size(round(value)),
    "seconds": span,
}


@dataclass(frozen=True)
class Row:
    """One index and its mark.

    Attributes:
        outlook: what is known of it.
        mark: its shape and colour.
    """

    outlook: Outlook
    mark: Mark


def plots(rows: Sequence[Row], width: int) -> str:
    """A plot a cost, as many beside each other as there is room."""
    beside = 3 if width >= 3 * NARROW + 100 else 1
    each = min(max(width // beside - 16, NARROW), WIDE)
    return "".join(_plot(rows, cost, each) for cost in TITLES)


def _plot(rows: Sequence[Row], cost: Cost, width: int) -> str:
    plane = _plane(rows, cost, width)
    if plane is None:
        return ""
    told = f"{TITLES[cost]} by number of vectors: filled marks are measured, hollow ones told"
    drawn = "".join(_series(plane, row, cost, at, len(rows)) for at, row in enumerate(rows))
    return svg(plane, told, f"{_beyond(plane, rows)}{_axes(plane, cost)}{drawn}")


def _plane(rows: Sequence[Row], cost: Cost, width: int) -> Plane | None:
    values = [value for row in rows for _, value in row.outlook.costs(cost) if value > 0]
    if not values:
        return None
    ends = [figure for row in rows for _, figure in _told(row, cost)]
    low, high = min(values), max([*values, *(end.value for end in ends)])
    low = min([low, *(max(end.low, low / 10**ROOM) for end in ends)])
    high = max([high, *(min(end.high, high * 10**ROOM) for end in ends)])
    first = min(mark.count for row in rows for mark in row.outlook.marks)
    xs = log10(first) - 0.15, log10(BEYOND[-1]) + 0.4
    return Plane(width, xs, (floor(log10(low)), ceil(log10(high) + 0.05)), MARGINS)


def _told(row: Row, cost: Cost) -> list[tuple[int, Figure]]:
    found = ((count, row.outlook.at(count, cost)) for count in BEYOND)
    return [(count, figure) for count, figure in found if figure and figure.sure]


def _beyond(plane: Plane, rows: Sequence[Row]) -> str:
    """The ground on which nothing was measured."""
    most = max(mark.count for row in rows for mark in row.outlook.marks)
    x = plane.x(most * 1.25)
    top, wide = MARGINS[2], plane.right - x
    return (
        f'<rect class="beyond" x="{x:.1f}" y="{top}" width="{wide:.1f}" '
        f'height="{plane.bottom - top}"/>'
        f'<text x="{plane.right - 6}" y="{top + 15}" text-anchor="end">extrapolated</text>'
    )


def _axes(plane: Plane, cost: Cost) -> str:
    low, high = int(plane.ys[0]), int(plane.ys[1])
    costs = range(low, high + 1, 1 if high - low <= 6 else 2)
    counts = range(ceil(plane.xs[0]), floor(plane.xs[1]) + 1)
    return plane.axes(
        [(power, escape(_tick(10.0**power, cost))) for power in costs],
        [(each, many(10.0**each) if each % 2 or plane.width > 400 else "") for each in counts],
        f'<text class="name" x="4" y="15">{TITLES[cost]}</text>',
    )


def _tick(value: float, cost: Cost) -> str:
    if cost == "ms" and value < 1:
        return f"{value:g} ms"
    return WORDS[cost](value).replace(".0 ", " ")


def _series(plane: Plane, row: Row, cost: Cost, at: int, count: int) -> str:
    known = [(plane.x(n), plane.y(value)) for n, value in row.outlook.costs(cost)]
    if not known:
        return ""
    shift = APART * (at - (count - 1) / 2)
    told = [(plane.x(n) + shift, plane.y(each.value), each) for n, each in _told(row, cost)]
    colour, title = row.mark.colour, escape(row.outlook.spec.title)
    line = f'<polyline class="own" points="{path(known)}" stroke="{colour}"/>'
    if told:
        points = path([known[-1], *((x, y) for x, y, _ in told)])
        line += (
            f'<polyline class="own" points="{points}" stroke="{colour}" stroke-dasharray="5 4"/>'
        )
    away = not row.outlook.note.here
    dots = "".join(row.mark.draw(x, y, side=3.5 if away else SIDE) for x, y in known)
    beyond = "".join(_whisker(plane, row.mark, *each) for each in told)
    return f'<g class="series"><title>{title}</title>{line}{beyond}{dots}</g>'


def _whisker(plane: Plane, mark: Mark, x: float, y: float, told: Figure) -> str:
    low, high = plane.y(told.low), plane.y(told.high)
    bar = f"M{x:.1f} {low:.1f}V{high:.1f}M{x - 2:.1f} {low:.1f}h4M{x - 2:.1f} {high:.1f}h4"
    dot = mark.draw(x, y, hollow=True, side=4)
    rim = dot.replace(f'stroke="{mark.colour}" stroke-width="2"', 'class="rim"')
    return f'<path d="{bar}" fill="none" stroke="{mark.colour}"/>{rim}{dot}'


def words(figure: Figure, cost: Cost) -> str:
    """A figure in words; one that is told has a tilde and its interval."""
    said = WORDS[cost]
    if figure.measured:
        return said(figure.value)
    if not figure.sure:
        return "too uncertain"
    low, high = said(figure.low), said(figure.high)
    if low.split()[1:] == high.split()[1:]:
        low = low.split()[0]
    return f"~{said(figure.value)} ({low} to {high})"
