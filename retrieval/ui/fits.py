"""What scores mean: a reliability plot for each embedder and kind of query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from retrieval.commands.calibrate import rows as binned
from retrieval.errors import LabError
from retrieval.galleries.base import Gallery
from retrieval.lab import Lab
from retrieval.measure.calibration import Calibration, Reliability
from retrieval.measure.calibrations import Calibrations, key, kind
from retrieval.measure.tables import header
from retrieval.ui.figures import escape
from retrieval.ui.menu import Menu
from retrieval.ui.ratings import Rating
from retrieval.ui.takeaway import takeaway

SIDE = 160
"""Pixels of a plot's square."""
EDGE = 26
"""Pixels around it, for what stands at its axes."""
FEW = 20
"""Pairs below which a bin's mark is hollow."""
ASKED = {"text": "asked with captions", "picture": "asked with pictures"}


def fits(
    lab: Lab, store: Calibrations, gallery: Gallery, ratings: Sequence[Rating], menu: Menu
) -> str:
    """A plot of each embedder in each task, from what is stored; nothing where nothing is."""
    known = [
        (each, found)
        for each in ratings
        if each.panel is None and (found := _found(lab, store, gallery, each))
    ]
    if not known:
        return ""
    drawn = "".join(_one(_title(each, menu), found) for each, found in known)
    specs = [lab.spec(name) for name in dict.fromkeys(each.embedder for each, _ in known)]
    rows = [
        row
        for each, found in known
        if isinstance(found, Calibration)
        for row in binned(each.embedder, str(kind(each.task)), asdict(found))
    ]
    again = header("calibrate", gallery, specs)
    files = takeaway(f"What a score means: {gallery.title}", rows, gallery, *specs, again=again)
    return (
        '<section class="task"><h2>What a score means</h2><p class="hint">A rising curve from '
        "score to the probability that a picture is right, fitted to the first ten answers of "
        "each query: right is the picture of the caption, or one of the query's label. Each "
        "plot is of queries that the fit had not seen: on the line, what is said is true; "
        f"hollow marks stand on fewer than {FEW} answers. Where a fit is of use, the search "
        f'shows it beside each score.</p><div class="fits">{drawn}</div>'
        f"{files}</section>"
    )


def _found(
    lab: Lab, store: Calibrations, gallery: Gallery, rating: Rating
) -> Calibration | str | None:
    """What is stored, or why nothing can be; none where nothing is."""
    asked = kind(rating.task)
    if asked is None:
        return None
    try:
        found = store.find(key(gallery, lab.spec(rating.embedder), asked))
    except LabError as error:
        return str(error)
    return found or rating.unfit


def _title(rating: Rating, menu: Menu) -> str:
    return f"{menu.embedder(rating.embedder).title}, {ASKED[kind(rating.task) or 'text']}"


def _one(title: str, found: Calibration | str) -> str:
    if isinstance(found, str):
        return _figure(title, "", escape(found))
    return _figure(title, _plot(title, found.reliability), _words(found))


def _figure(title: str, plot: str, words: str) -> str:
    head = f"<figcaption><b>{escape(title)}</b><small>{words}</small></figcaption>"
    return f"<figure>{head}{plot}</figure>"


def _words(found: Calibration) -> str:
    told = found.reliability
    error, brier = (
        f"{value[0]:.3f} [{value[1]:.3f}, {value[2]:.3f}]" for value in (told.error, told.brier)
    )
    use = "" if found.useful else "; no better than the mean, so the search does not show it"
    return (
        f"calibration error {error}<br>Brier {brier}, the mean alone {told.base:.3f}{use}"
        f"<br>{found.queries:,} queries"
    )


def _plot(title: str, told: Reliability) -> str:
    whole = SIDE + EDGE + 8
    marks = "".join(_mark(*each) for each in told.bins)
    line = " ".join(f"{_x(said):.1f},{_y(was):.1f}" for said, was, _ in told.bins)
    ticks = "".join(
        f'<text x="{_x(at):.0f}" y="{whole - 6}" text-anchor="middle">{at:g}</text>'
        f'<text x="{EDGE - 5}" y="{_y(at) + 4:.0f}" text-anchor="end">{at:g}</text>'
        for at in (0, 0.5, 1)
    )
    ticks += (
        f'<text x="{_x(0.76):.0f}" y="{whole - 6}" text-anchor="middle">said</text>'
        f'<text x="{EDGE + 5}" y="18">right</text>'
    )
    label = f"Reliability of {title}: " + ", ".join(
        f"said {said:.0%}, right {was:.0%} of {count:,}" for said, was, count in told.bins
    )
    return (
        f'<svg class="scatter" viewBox="0 0 {whole} {whole}" role="img"'
        f' aria-label="{escape(label)}">'
        f'<g class="axes"><path d="M{EDGE} 8V{8 + SIDE}H{EDGE + SIDE}M{EDGE} {8 + SIDE}'
        f'L{EDGE + SIDE} 8" fill="none"/></g>{ticks}'
        f'<polyline points="{line}" fill="none" stroke="#0072b2" stroke-width="2"/>{marks}</svg>'
    )


def _mark(said: float, was: float, count: int) -> str:
    fill = "var(--background-fill-primary)" if count < FEW else "#0072b2"
    return (
        f'<circle cx="{_x(said):.1f}" cy="{_y(was):.1f}" r="4" fill="{fill}" stroke="#0072b2" '
        f'stroke-width="2"><title>said {said:.0%}, right {was:.0%} of {count:,}</title></circle>'
    )


def _x(value: float) -> float:
    return EDGE + SIDE * value


def _y(value: float) -> float:
    return 8 + SIDE * (1 - value)
