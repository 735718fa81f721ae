"""A plane of costs by numbers of vectors, both logarithmic: where values stand, its axes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import log10

HEIGHT = 300


@dataclass(frozen=True)
class Plane:
    """Where values stand in pixels.

    Attributes:
        width: of the whole.
        xs: log10 of the vectors at both edges.
        ys: log10 of the cost at the lower and the upper edge.
        margins: pixels that stay free at the left, the right, the top and the bottom.
    """

    width: int
    xs: tuple[float, float]
    ys: tuple[float, float]
    margins: tuple[int, int, int, int]

    @property
    def right(self) -> int:
        """Pixels from the left of its right edge."""
        return self.width - self.margins[1]

    @property
    def bottom(self) -> int:
        """Pixels from the top of its lower edge."""
        return HEIGHT - self.margins[3]

    def x(self, count: float) -> float:
        """Pixels from the left."""
        share = (log10(count) - self.xs[0]) / (self.xs[1] - self.xs[0])
        return self.margins[0] + share * (self.right - self.margins[0])

    def y(self, value: float) -> float:
        """Pixels from the top; what is outside stands at the edge."""
        share = (log10(max(value, 1e-12)) - self.ys[0]) / (self.ys[1] - self.ys[0])
        return self.margins[2] + (1 - min(max(share, 0), 1)) * (self.bottom - self.margins[2])

    def axes(
        self, costs: Iterable[tuple[int, str]], counts: Iterable[tuple[int, str]], names: str
    ) -> str:
        """A line for each power of ten, with its word; and the names of both axes, as they are."""
        left, _, top, _ = self.margins
        lines, words = "", names
        for power, word in costs:
            y = self.y(10.0**power)
            lines += f"M{left} {y:.1f}H{self.right}"
            words += f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{word}</text>'
        for power, word in counts:
            x = self.x(10.0**power)
            lines += f"M{x:.1f} {top}V{self.bottom}"
            if word:
                at = f'x="{x:.1f}" y="{self.bottom + 18}"'
                words += f'<text {at} text-anchor="middle">{word}</text>'
        return f'<g class="axes"><path d="{lines}"/>{words}</g>'


def path(points: Iterable[tuple[float, float]]) -> str:
    """The points of a line."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def svg(plane: Plane, label: str, drawn: str) -> str:
    """The whole plot, which says where its figures are in words."""
    return (
        f'<svg class="scatter" viewBox="0 0 {plane.width} {HEIGHT}" '
        f'style="max-width:{plane.width}px" role="img" '
        f'aria-label="{label}; the table below has the figures">{drawn}</svg>'
    )
