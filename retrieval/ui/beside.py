"""Captions against pictures for the same indexes: a pair of marks a row, joined by a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log10
from typing import Any

from retrieval.measure.paired import KINDS, Pair
from retrieval.measure.rounds import Job
from retrieval.measure.sweep import Kind, cheapest
from retrieval.ui.curves import settings
from retrieval.ui.figures import digits, escape, ms
from retrieval.ui.scatter import ticks
from retrieval.ui.takeaway import takeaway

NARROW, WIDE, BROAD = 300, 1100, 640
TOP, BOTTOM = 26, 24
LABEL = 36
"""Pixels that the label of a level needs."""
MARKS: dict[Kind, tuple[str, str]] = {
    "picture": ("pictures", "#0072b2"),
    "text": ("captions", "#d55e00"),
}
"""What each kind is called, and its colour; pictures are discs, captions diamonds."""


@dataclass(frozen=True)
class Scale:
    """One of the two columns.

    Attributes:
        left: pixels of its left edge.
        right: of its right edge.
        low: value at the left.
        high: value at the right.
    """

    left: float
    right: float
    low: float
    high: float

    def x(self, value: float) -> float:
        """Pixels from the left."""
        share = (value - self.low) / max(self.high - self.low, 1e-9)
        return self.left + min(max(share, 0), 1) * (self.right - self.left)


@dataclass(frozen=True)
class Row:
    """One index.

    Attributes:
        pair: its two sweeps.
        title: its name for a person.
        recalls: at its default setting, by kind; empty where that was not measured both ways.
        times: milliseconds of the cheapest setting that reaches the target, by kind.
    """

    pair: Pair
    title: str
    recalls: dict[Kind, float]
    times: dict[Kind, float]

    @classmethod
    def of(cls, pair: Pair, title: str, target: float) -> Row:
        """From two sweeps."""
        default = pair.default()
        recalls = (
            dict(zip(KINDS, (each.recall for each in default), strict=True)) if default else {}
        )
        best = {kind: cheapest(pair.points(kind), target) for kind in KINDS}
        return cls(pair, title, recalls, {kind: each.p50 for kind, each in best.items() if each})

    @property
    def lost(self) -> float:
        """Recall that captions lose against pictures."""
        return self.recalls["picture"] - self.recalls["text"] if self.recalls else 0.0


def drawn(job: Job, rows: Sequence[Row], target: float, width: int) -> str:
    """The section: what it says in a sentence, the plot, the table of the same figures."""
    ordered = sorted(rows, key=lambda each: -each.lost)
    legend = "".join(
        f'<li><svg class="mark" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">'
        f"{_mark(kind, 8, 8)}</svg>asked with {MARKS[kind][0]}</li>"
        for kind in KINDS
    )
    title = f"Captions against pictures: {job.embedder.title} over {job.gallery.title}"
    figures = [line for row in ordered for line in _figures(row, target)]
    files = takeaway(title, figures, job.gallery, job.embedder)
    return (
        f'<section class="task"><h2>Captions against pictures</h2><p class="hint">{_said(ordered)}'
        f'</p><ul class="legend">{legend}</ul>{_plot(ordered, target, width)}'
        f"{files}{_table(ordered, target)}</section>"
    )


def missing(job: Job, other: Kind) -> str:
    """What to do where only one kind was measured."""
    had, wanted = MARKS[job.kind][0], MARKS[other][0]
    return (
        '<section class="task"><h2>Captions against pictures</h2><p class="hint">Text vectors lie '
        "away from those of pictures and cost approximate indexes more. Only "
        f'{had} were asked here yet.</p><p><button type="button" class="plain" '
        f'data-also="{other}">Measure with {wanted} too</button></p></section>'
    )


def _said(rows: Sequence[Row]) -> str:
    known = [each for each in rows if each.recalls]
    said = (
        "Text vectors lie away from those of pictures, and an approximate index finds less for "
        "them, or takes longer. Pictures asked are of the gallery itself."
    )
    if known and known[0].lost >= 0.005:
        worst = known[0]
        one, other = (f"{worst.recalls[kind]:.2f}" for kind in KINDS)
        said += f" Most lost: {escape(worst.title)}, {one} with pictures, {other} with captions."
    return said


def _plot(rows: Sequence[Row], target: float, width: int) -> str:
    width = min(max(width, NARROW), WIDE)
    names = 250 if width >= BROAD else 0
    high = 28 if names else 44
    recall, time = _scales(rows, names, width)
    height = TOP + high * len(rows) + BOTTOM
    lines = "".join(
        _row(row, TOP + high * at + (high / 2 if names else 30), names, recall, time)
        for at, row in enumerate(rows)
    )
    told = (
        f"recall@10 at the default setting, and ms to reach recall {target:.2f}, by kind of query"
    )
    return (
        f'<svg class="scatter" viewBox="0 0 {width} {height}" style="max-width:{width}px" '
        f'role="img" aria-label="{told}; the table below has the figures">'
        f"{_axes(recall, time, height, target)}{lines}</svg>"
    )


def _scales(rows: Sequence[Row], names: int, width: int) -> tuple[Scale, Scale]:
    room = width - names
    recalls = [value for row in rows for value in row.recalls.values()] or [1.0]
    logs = [log10(value) for row in rows for value in row.times.values()] or [0.0]
    low = min(int(min(recalls) * 10) / 10, 0.9)
    middle = names + room / 2
    side = max(0.06 * (max(logs) - min(logs)), 0.1)
    return (
        Scale(names + 14, middle - 20, low, 1.0),
        Scale(middle + 20, width - 14, min(logs) - side, max(logs) + side),
    )


def _axes(recall: Scale, time: Scale, height: int, target: float) -> str:
    bottom = height - BOTTOM
    step = 0.1 if recall.low < 0.8 else 0.05
    if (recall.right - recall.left) * step < LABEL * (1 - recall.low):
        step *= 2
    levels = [1 - at * step for at in range(int((1 - recall.low) / step + 1.001))]
    marks = [(recall.x(level), f"{level:.2f}") for level in levels]
    room = int(time.right - time.left)
    marks += [
        (time.x(log10(value)), f"{value:g}")
        for value in ticks(time.low, time.high, max(2, room // 40))
    ]
    lines = "".join(f"M{x:.1f} {TOP}V{bottom}" for x, _ in marks)
    words = "".join(
        f'<text x="{x:.1f}" y="{bottom + 17}" text-anchor="middle">{word}</text>'
        for x, word in marks
    )
    return (
        f'<g class="axes"><path d="{lines}"/>{words}'
        f'<text class="name" x="{recall.left:.1f}" y="14">recall@10, default</text>'
        f'<text class="name" x="{time.left:.1f}" y="14">ms at recall {target:.2f}</text></g>'
    )


def _row(row: Row, y: float, names: int, recall: Scale, time: Scale) -> str:
    title = escape(row.title)
    name = (
        f'<text class="name" x="{names - 8}" y="{y + 4:.1f}" text-anchor="end">{title}</text>'
        if names
        else f'<text class="name" x="{recall.left:.1f}" y="{y - 13:.1f}">{title}</text>'
    )
    first = _dumbbell({kind: recall.x(value) for kind, value in row.recalls.items()}, y)
    second = _dumbbell({kind: time.x(log10(value)) for kind, value in row.times.items()}, y)
    none = [MARKS[kind][0] for kind in KINDS if kind not in row.times]
    short = (
        f'<text x="{time.right:.1f}" y="{y + 4:.1f}" text-anchor="end">'
        f"{' and '.join(none)}: never</text>"
        if none
        else ""
    )
    return f"<g>{name}{first}{second}{short}</g>"


def _dumbbell(xs: dict[Kind, float], y: float) -> str:
    if not xs:
        return ""
    line = f'<path class="bone" d="M{min(xs.values()):.1f} {y:.1f}H{max(xs.values()):.1f}"/>'
    return line + "".join(_mark(kind, x, y) for kind, x in xs.items())


def _mark(kind: Kind, x: float, y: float) -> str:
    look = f'fill="{MARKS[kind][1]}" stroke="currentColor" stroke-width=".8"'
    if kind == "picture":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" {look}/>'
    return f'<path d="M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6z" {look}/>'


def _table(rows: Sequence[Row], target: float) -> str:
    heads = ("Index", "Default setting", *(f"recall, {MARKS[kind][0]}" for kind in KINDS))
    heads += (*(f"ms at {target:.2f}, {MARKS[kind][0]}" for kind in KINDS), "captions cost")
    head = "".join(f'<th scope="col">{each}</th>' for each in heads)
    body = "".join(_line(row, heads, target) for row in rows)
    return (
        '<details class="help"><summary>The same as a table</summary><table class="figures">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></details>"
    )


def _figures(row: Row, target: float) -> Iterator[dict[str, Any]]:
    """A row a kind of query."""
    default = row.pair.default()
    for at, kind in enumerate(KINDS):
        yield {
            "index": row.pair.index,
            "queries": kind,
            "default": settings(default[at]) if default else None,
            "recall": row.recalls.get(kind),
            "target": target,
            "ms_at_target": row.times.get(kind),
            "captions_cost": row.pair.times(target),
        }


def _line(row: Row, heads: Sequence[str], target: float) -> str:
    default, times = row.pair.default(), row.pair.times(target)
    cells = [settings(default[0]) if default else "not measured both ways"]
    cells += [f"{row.recalls[kind]:.3f}" if row.recalls else "–" for kind in KINDS]
    cells += [ms(row.times[kind]) if kind in row.times else "never" for kind in KINDS]
    cells += ["–" if times is None else f"{digits(times)} ×"]
    names = ("setting", *heads[2:])
    data = "".join(
        f'<td data-name="{name}">{escape(cell)}</td>'
        for name, cell in zip(names, cells, strict=True)
    )
    return f'<tr><th scope="row">{escape(row.title)}</th>{data}</tr>'
