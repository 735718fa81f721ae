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
HELP = {
    "latency": "What this query took: decode, embed, search, rescore and fetch, and nothing else.",
    "decode": "Opening the query's picture, and cropping it.",
    "embed": "Turning the query into a vector. Panels with one embedder share it. (network): at a "
    "provider, so it is the time of a round trip.",
    "search": "Asking the index for the nearest vectors.",
    "rescore": "Comparing what was found once more, by the stored vectors: the scores shown.",
    "fetch": "Looking up captions and labels.",
    "recall@k": "The share of the k pictures of exact search that this index found, too.",
    "▲ ▼ =": "The rank beside panel A's; only here: not among A's results.",
    "allowed": "Pictures that the filter leaves; recall is against exact search among them alone.",
    "missed": "A picture that exact search finds and this index did not.",
    "cold": "A first call, slower than the next; kept out of p50 and p95.",
    "beside a build": "Something was built or loaded meanwhile; kept out of p50 and p95.",
}
"""What the page's figures mean, by their names on it."""


def bar(timings: Timings, scale: float) -> str:
    """One bar; its width is the latency's share of ``scale`` milliseconds."""
    parts = "".join(
        f'<i class="{name}" style="width:{100 * value / scale:.2f}%"></i>'
        for name, value in zip(COLOURS, astuple(timings), strict=True)
        if value > 0
    )
    return f'<span class="bar" aria-hidden="true">{parts}</span>'


def chart(titles: Sequence[str], results: Sequence[Result | None], files: str = "") -> str:
    """All panels' bars with a legend; truth and waiting stand beside, outside the bars.

    Args:
        titles: of the panels.
        results: of each; none where it has not answered.
        files: what can be taken away.
    """
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
        '<p class="hint">The search runs on one thread. Truth (exact search, for the recall) and '
        f"waiting for other queries are timed apart, outside the latency.</p>"
        f"{files}{_help()}</section>"
    )


def _help() -> str:
    terms = "".join(f"<dt>{name}</dt><dd>{meaning}</dd>" for name, meaning in HELP.items())
    return (
        f'<details class="help"><summary>What the figures mean</summary><dl>{terms}</dl></details>'
    )


def _row(title: str, result: Result, scale: float) -> str:
    waited = f", waited {ms(result.waited_ms)}" if result.waited_ms >= 1 else ""
    beside = f"truth {ms(result.truth_ms)}{waited}"
    cold = f", cold: {' and '.join(result.cold)}" if result.cold else ""
    busy = ", beside a build" if result.busy else ""
    trip = ", embed by network" if result.remote else ""
    return (
        f'<tr><th scope="row">{escape(title)}</th>'
        f'<td class="wide">{bar(result.timings, scale)}</td>'
        f'<td class="number">{ms(result.timings.total)}</td>'
        f'<td class="beside">{beside}{trip}{cold}{busy}</td></tr>'
    )
