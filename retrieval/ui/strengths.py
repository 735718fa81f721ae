"""Small plots side by side: a share or a similarity against the strength of a distortion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from retrieval.ui.figures import escape
from retrieval.ui.marks import Mark

WIDTH, HEIGHT = 430, 236
LEFT, RIGHT, TOP, BOTTOM = 44, 22, 16, 42
THUMB = 44
"""Pixels of a picture under its strength."""
MARKS = (Mark(0), Mark(3))
"""A circle for the hash, a diamond for the embedding."""


@dataclass(frozen=True)
class Line:
    """One way in one plot.

    Attributes:
        title: its name.
        mark: its shape and colour.
        points: from left to right, each x from 0 to 1 and y.
        low: lower ends of the intervals; empty where there are none.
        high: upper ends.
        rule: a threshold to be drawn across.
        joined: the points are of one scale.
        dots: every point has its mark.
    """

    title: str
    mark: Mark
    points: Sequence[tuple[float, float]]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    rule: float | None = None
    joined: bool = True
    dots: bool = True


@dataclass(frozen=True)
class Frame:
    """What stands around the lines.

    Attributes:
        title: over the plot.
        below: under the horizontal axis.
        ticks: x from 0 to 1 with its word.
        floor: y at the bottom; 1 is at the top.
        percent: y is a share.
        pictures: links of pictures for the ticks; empty where there are none.
    """

    title: str
    below: str
    ticks: Sequence[tuple[float, str]]
    floor: float = 0.0
    percent: bool = True
    pictures: Sequence[str] = ()

    @property
    def height(self) -> int:
        """Of the whole, in pixels."""
        return HEIGHT + (THUMB + 8 if self.pictures else 0)

    def x(self, share: float) -> float:
        """Pixels from the left."""
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Pixels from the top; what is below the floor lies on it."""
        share = (1 - max(value, self.floor)) / (1 - self.floor)
        return TOP + share * (HEIGHT - TOP - BOTTOM)

    def word(self, value: float) -> str:
        """A value as it is written."""
        return f"{value:.0%}" if self.percent else f"{value:.2f}"


def steps(labels: Sequence[str]) -> list[tuple[float, str]]:
    """Ticks in the middles of equal columns."""
    return [((at + 0.5) / len(labels), label) for at, label in enumerate(labels)]


def plot(frame: Frame, lines: Sequence[Line]) -> str:
    """The SVG, with all its figures as its label."""
    said = "; ".join(_said(frame, line) for line in lines)
    drawn = "".join(_line(frame, line) for line in lines)
    return (
        f'<figure><figcaption>{escape(frame.title)}</figcaption><svg class="scatter" role="img"'
        f' viewBox="0 0 {WIDTH} {frame.height}"'
        f' aria-label="{escape(f"{frame.title}, {frame.below}: {said}")}">'
        f"{_axes(frame)}{drawn}</svg></figure>"
    )


def legend(lines: Sequence[Line]) -> str:
    """What the marks stand for."""
    names = "".join(f"<li>{line.mark.legend()}{escape(line.title)}</li>" for line in lines)
    return f'<ul class="legend">{names}</ul>'


def _said(frame: Frame, line: Line) -> str:
    points = zip(frame.ticks, line.points, strict=False)
    figures = ", ".join(f"{word} {frame.word(y)}" for (_, word), (_, y) in points)
    return f"{line.title} {figures}"


def _axes(frame: Frame) -> str:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    levels = [frame.floor + share * (1 - frame.floor) for share in (0, 0.5, 1)]
    across = "".join(
        f'<path d="M{LEFT} {frame.y(level):.1f}H{right}"/><text x="{LEFT - 6}"'
        f' y="{frame.y(level) + 4:.1f}" text-anchor="end">{frame.word(level)}</text>'
        for level in levels
    )
    along = "".join(
        f'<text x="{frame.x(x):.1f}" y="{bottom + 17}" text-anchor="middle">{escape(word)}</text>'
        for x, word in frame.ticks
    )
    pictures = "".join(
        f'<rect x="{frame.x(x) - THUMB / 2:.1f}" y="{HEIGHT + 2}" width="{THUMB}"'
        f' height="{THUMB}" rx="4" class="mat"/><image href="{escape(link)}"'
        f' x="{frame.x(x) - THUMB / 2 + 2:.1f}" y="{HEIGHT + 4}" width="{THUMB - 4}"'
        f' height="{THUMB - 4}"/>'
        for (x, _), link in zip(frame.ticks, frame.pictures, strict=False)
    )
    return (
        f'<g class="axes">{across}{along}<text x="{(LEFT + right) / 2:.0f}"'
        f' y="{bottom + 35}" text-anchor="middle">{escape(frame.below)}</text>{pictures}</g>'
    )


def _line(frame: Frame, line: Line) -> str:
    places = [(frame.x(x), frame.y(y)) for x, y in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    colour = line.mark.colour
    marks = "".join(
        ""
        if not line.dots
        else line.mark.draw(x, y, line.rule is not None and value < line.rule - 5e-7, 4.5)
        for (x, y), (_, value) in zip(places, line.points, strict=True)
    )
    own = f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    return f"{_band(frame, line)}{_rule(frame, line)}{own if line.joined else ''}{marks}"


def _band(frame: Frame, line: Line) -> str:
    if not line.low:
        return ""
    xs = [frame.x(x) for x, _ in line.points]
    upper = [f"{x:.1f},{frame.y(y):.1f}" for x, y in zip(xs, line.high, strict=True)]
    lower = [f"{x:.1f},{frame.y(y):.1f}" for x, y in zip(xs, line.low, strict=True)]
    if not line.joined:
        ends = "".join(f"M{low}L{high}" for low, high in zip(lower, upper, strict=True))
        return f'<path d="{ends}" stroke="{line.mark.colour}" stroke-width="2" opacity=".5"/>'
    corners = " ".join([*upper, *reversed(lower)])
    return f'<polygon points="{corners}" fill="{line.mark.colour}" opacity=".18"/>'


def _rule(frame: Frame, line: Line) -> str:
    if line.rule is None:
        return ""
    y = frame.y(line.rule)
    return (
        f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{line.mark.colour}"'
        f' stroke-width="1.5" stroke-dasharray="{"6 4" if line.mark.place else "2 3"}"/>'
    )
