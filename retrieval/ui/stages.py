"""Where the time went: stages as bars, one row a panel, all to one scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple

from retrieval.types import Result, Timings
from retrieval.ui.figures import escape, ms

COLOURS = {
    "decode": "#e69f00",
    "embed": "#56b4e9",
    "search": "#0072b2",
    "rescore": "#009e73",
    "fetch": "#cc79a7",
}
"""A colour for each stage, from Okabe and Ito's palette; its name always stands beside it."""


def bar(timings: Timings, scale: float) -> str:
    """One bar; its width is the latency's share of ``scale`` milliseconds."""
    parts = "".join(
        f'<i class="{name}" style="width:{100 * value / scale:.2f}%"></i>'
        for name, value in zip(COLOURS, astuple(timings), strict=True)
        if value > 0
    )
    return f'<span class="bar" aria-hidden="true">{parts}</span>'


def chart(titles: Sequence[str], results: Sequence[Result | None]) -> str:
    """All panels' bars with a legend; truth and waiting stand beside, outside the bars."""
    answered = [
        (title, result)
        for title, result in zip(titles, results, strict=True)
        if result and not result.problem
    ]
    if not answered:
        return ""
    scale = max(result.timings.total for _, result in answered) or 1.0
    legend = "".join(f'<li><i class="{name}"></i>{name}</li>' for name in COLOURS)
    rows = "".join(_row(title, result, scale) for title, result in answered)
    return (
        '<section class="chart" aria-label="Stages of all panels"><h2>Where the time goes</h2>'
        f'<ul class="legend">{legend}</ul><table>{rows}</table>'
        '<p class="hint">One query, one thread. Finding the truth for the recall, and waiting for '
        "others' queries, is timed apart and in no latency.</p></section>"
    )


def _row(title: str, result: Result, scale: float) -> str:
    waited = f", waited {ms(result.waited_ms)}" if result.waited_ms >= 1 else ""
    beside = f"truth {ms(result.truth_ms)}{waited}"
    cold = f", cold: {' and '.join(result.cold)}" if result.cold else ""
    return (
        f'<tr><th scope="row">{escape(title)}</th>'
        f'<td class="wide">{bar(result.timings, scale)}</td>'
        f'<td class="number">{ms(result.timings.total)}</td>'
        f'<td class="beside">{beside}{cold}</td></tr>'
    )
