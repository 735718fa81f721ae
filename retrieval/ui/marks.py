"""Marks of a plot: a shape and a colour for each series, so that neither carries meaning alone."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#f0e442")
"""Okabe and Ito's palette without black, which is the outline of all."""
SIDE = 5.5
"""Half the width of a mark in pixels."""
SMALL = 3.5
"""The same of one that another of its series beats."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What stands for a series; no two of the first 56 are equal, and no neighbours alike.

    Attributes:
        place: of the series among all, from 0.
    """

    place: int

    @property
    def colour(self) -> str:
        """Of the palette."""
        return COLOURS[self.place % len(COLOURS)]

    def draw(self, x: float, y: float, hollow: bool = False, side: float = SIDE) -> str:
        """Its SVG around a point; hollow, or of another half width."""
        fill = "none" if hollow else self.colour
        stroke = self.colour if hollow else "currentColor"
        look = f'fill="{fill}" stroke="{stroke}" stroke-width="{2 if hollow else 0.8}"'
        shape = SHAPES[self.place % len(SHAPES)]
        if shape is None:
            return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{side}" {look}/>'
        corners = " ".join(f"{x + side * dx:.1f},{y + side * dy:.1f}" for dx, dy in shape)
        return f'<polygon points="{corners}" {look}/>'

    def legend(self, hollow: bool = False) -> str:
        """It alone, beside its name."""
        return (
            f'<svg class="mark" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">'
            f"{self.draw(8, 8, hollow)}</svg>"
        )


Shape = tuple[tuple[float, float], ...]


def _star(points: int, inner: float) -> Shape:
    """Corners of a star, or of a polygon where inner is that of its edges."""
    turns = (at * pi / points - pi / 2 for at in range(2 * points))
    return tuple(
        (round(size * cos(turn), 3), round(size * sin(turn), 3))
        for turn, size in zip(turns, (1.25, inner) * points, strict=False)
    )


SHAPES: tuple[Shape | None, ...] = (
    None,
    ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
    ((0, -1.2), (1.1, 0.8), (-1.1, 0.8)),
    ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
    ((0, 1.2), (1.1, -0.8), (-1.1, -0.8)),
    _star(5, 0.55),
    tuple((x, y) for x, y in _star(4, 0.4)),
    ((-0.55, -1.3), (0.55, -1.3), (0.55, 1.3), (-0.55, 1.3)),
)
"""Corners in half widths; none is a circle."""
