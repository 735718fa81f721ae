"""Recall against milliseconds, as an SVG that a keyboard and a screen reader can use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from retrieval.measure.sweep import Speed
from retrieval.ui.figures import escape
from retrieval.ui.marks import SIDE, SMALL, Mark

NARROW = 280
WIDE = 1720
"""Pixels that a plot may be wide."""
LEFT, RIGHT, TOP, BOTTOM = 52, 18, 22, 62
ROOM = 0.06
"""Share of the plot that stays free at its sides."""


@dataclass(frozen=True, slots=True)
class Dot:
    """One setting of an index.

    Attributes:
        x: milliseconds of a query.
        y: recall, from 0 to 1.
        about: its knobs and figures, in words.
        panel: the panel that a click on it opens.
        usual: it is the index's default setting.
        front: no other of the same index is faster and finds more.
    """

    x: float
    y: float
    about: str
    panel: str
    usual: bool = False
    front: bool = False


@dataclass(frozen=True, slots=True)
class Series:
    """The settings of one index.

    Attributes:
        title: its name for a person.
        mark: its shape and colour.
        dots: what was measured.
        away: it was measured on another machine.
    """

    title: str
    mark: Mark
    dots: tuple[Dot, ...]
    away: bool = False


@dataclass(frozen=True, slots=True)
class Plane:
    """Where values stand in pixels.

    Attributes:
        width: of the whole.
        height: of the whole.
        left: log10 of the milliseconds at the left edge.
        right: the same at the right edge.
        low: recall at the lower edge; 1 is just below the upper one.
    """

    width: int
    height: int
    left: float
    right: float
    low: float

    @classmethod
    def of(cls, dots: Sequence[Dot], width: int) -> Plane:
        """The smallest that shows all dots."""
        width = min(max(width, NARROW), WIDE)
        logs = [log10(max(dot.x, 1e-6)) for dot in dots]
        spread = max(max(logs) - min(logs), 0.5)
        low = min(floor(10 * min(dot.y for dot in dots) - 0.2) / 10, 0.9)
        side = spread * ROOM
        height = 496 if width >= 600 else 400
        middle = (max(logs) + min(logs)) / 2
        return cls(
            width, height, middle - spread / 2 - side, middle + spread / 2 + side, max(low, 0.0)
        )

    def x(self, ms: float) -> float:
        """Pixels from the left."""
        share = (log10(max(ms, 1e-6)) - self.left) / (self.right - self.left)
        return LEFT + share * (self.width - LEFT - RIGHT)

    def y(self, recall: float) -> float:
        """Pixels from the top."""
        return TOP + (1 - recall) / (1 - self.low) * (self.height - TOP - BOTTOM)


AXES: dict[Speed, str] = {
    "alone": "ms, one query on one thread (p50, log)",
    "together": "ms a query, all in one call on every core (log)",
}
"""What stands under the plot, and in its description."""


def scatter(
    series: Sequence[Series],
    best: Sequence[Dot],
    target: float,
    width: int,
    speed: Speed = "alone",
) -> str:
    """The plot.

    Args:
        series: one an index.
        best: the Pareto front over all of them, the fastest first.
        target: the recall that is wanted, drawn as a line.
        width: pixels that there are.
        speed: of what the milliseconds are.
    """
    dots = [dot for each in series for dot in each.dots]
    if not dots:
        return ""
    plane = Plane.of(dots, width)
    lines = "".join(_line(each, plane) for each in series)
    drawn = "".join(_series(each, plane) for each in series)
    return (
        f'<svg class="scatter" viewBox="0 0 {plane.width} {plane.height}" role="group"'
        f' aria-labelledby="scatter-title scatter-desc">'
        '<title id="scatter-title">Recall against latency</title>'
        f'<desc id="scatter-desc">{len(dots)} settings of {len(series)} indexes: recall@10 '
        "upwards, median milliseconds of one query to the right, on a logarithmic scale. "
        "Up and left is better. The table below has the same figures.</desc>"
        f"{_grid(plane, AXES[speed])}{_target(target, plane)}{lines}{_front(best, plane)}"
        f"{drawn}</svg>"
    )


def ticks(left: float, right: float, most: int) -> list[float]:
    """Round milliseconds between two powers of ten: 1, 2, 5, or fewer where there are many."""
    for steps in ((1, 2, 5), (1, 3), (1,)):
        found = [
            step * 10.0**power
            for power in range(floor(left), ceil(right) + 1)
            for step in steps
            if left <= log10(step * 10.0**power) <= right
        ]
        if len(found) <= most:
            break
    return found


def _grid(plane: Plane, axis: str) -> str:
    bottom, right = plane.height - BOTTOM, plane.width - RIGHT
    down = "".join(
        f'<path d="M{plane.x(ms):.1f} {TOP}V{bottom}"/>'
        f'<text x="{plane.x(ms):.1f}" y="{bottom + 18}" text-anchor="middle">{_short(ms)}</text>'
        f'<text x="{plane.x(ms):.1f}" y="{bottom + 34}" text-anchor="middle">{rate(ms)}</text>'
        for ms in ticks(plane.left, plane.right, plane.width // 60)
    )
    step = 0.02 if plane.low >= 0.9 else 0.05 if plane.low >= 0.75 else 0.1
    count = round((1 - plane.low) / step)
    levels = [1 - at * step for at in range(count + 1)]
    across = "".join(
        f'<path d="M{LEFT} {plane.y(level):.1f}H{right}"/>'
        f'<text x="{LEFT - 8}" y="{plane.y(level) + 4:.1f}" text-anchor="end">{level:.2f}</text>'
        for level in levels
    )
    middle = (LEFT + right) / 2
    return (
        f'<g class="axes" aria-hidden="true">{down}{across}'
        f'<text x="{middle:.0f}" y="{plane.height - 6}" text-anchor="middle">'
        f"{axis}</text>"
        f'<text x="4" y="12">recall@10</text><text x="4" y="{bottom + 18}">ms</text>'
        f'<text x="4" y="{bottom + 34}">a second</text></g>'
    )


def rate(ms: float) -> str:
    """How many of so many milliseconds make a second, such as ``50 k``."""
    count = 1000 / ms
    for unit, least in ((" M", 1e6), (" k", 1e3)):
        if count >= least:
            return f"{count / least:.3g}{unit}"
    return f"{count:.3g}"


def _short(ms: float) -> str:
    return f"{ms:g}"


def _target(target: float, plane: Plane) -> str:
    if not plane.low <= target <= 1:
        return ""
    y = plane.y(target)
    return f'<path class="target" d="M{LEFT} {y:.1f}H{plane.width - RIGHT}" aria-hidden="true"/>'


def _line(each: Series, plane: Plane) -> str:
    """An index's own front, thin, in its colour."""
    front = sorted((dot for dot in each.dots if dot.front), key=lambda dot: dot.x)
    path = " ".join(f"{plane.x(dot.x):.1f},{plane.y(dot.y):.1f}" for dot in front)
    return (
        f'<polyline class="own" points="{path}" stroke="{each.mark.colour}" aria-hidden="true"/>'
        if len(front) > 1
        else ""
    )


def _front(best: Sequence[Dot], plane: Plane) -> str:
    """Steps: between two settings of the front there is nothing better than the first."""
    if not best:
        return ""
    path = f"M{plane.x(best[0].x):.1f} {plane.y(best[0].y):.1f}"
    for dot in best[1:]:
        path += f"H{plane.x(dot.x):.1f}V{plane.y(dot.y):.1f}"
    return f'<path class="front" d="{path}H{plane.width - RIGHT}" aria-hidden="true"/>'


def _series(each: Series, plane: Plane) -> str:
    first = next((dot for dot in each.dots if dot.usual), each.dots[0] if each.dots else None)
    ordered = sorted(each.dots, key=lambda dot: (dot.front or dot.usual, dot.x, dot.y))
    drawn = "".join(_dot(each, dot, plane, dot is first) for dot in ordered)
    return f'<g class="series" role="group" aria-label="{escape(each.title)}">{drawn}</g>'


def _dot(each: Series, dot: Dot, plane: Plane, first: bool) -> str:
    x, y = plane.x(dot.x), plane.y(dot.y)
    ring = f'<circle class="usual" cx="{x:.1f}" cy="{y:.1f}" r="10"/>' if dot.usual else ""
    said = f"{each.title}, {dot.about}"
    plain = not (dot.front or dot.usual)
    return (
        f'<g class="dot{" behind" if plain else ""}" role="button" tabindex="{0 if first else -1}"'
        f' data-apply="{escape(dot.panel)}" aria-label="{escape(said)}">'
        f'<circle class="reach" cx="{x:.1f}" cy="{y:.1f}" r="13"/>{ring}'
        f"{each.mark.draw(x, y, each.away, SMALL if plain else SIDE)}</g>"
    )
