"""Detection under distortions: of one picture, and over a gallery's sample."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any

from PIL.Image import Image

from retrieval import images
from retrieval.duplicates.asked import Way, Ways
from retrieval.duplicates.detection import Rates, Scores
from retrieval.duplicates.distortions import Distortion, by_distortion, settings
from retrieval.duplicates.figures import asked_of
from retrieval.duplicates.kept import Detection
from retrieval.runtime.machine import machine
from retrieval.ui.figures import escape
from retrieval.ui.marks import Mark
from retrieval.ui.strengths import MARKS, Frame, Line, legend, plot, steps
from retrieval.ui.takeaway import takeaway

SMALL = 80
"""Longest side of a distorted picture that is shown."""
QUALITY = 90


def one(asked: Ways, scores: Sequence[Scores], shown: Sequence[Image], title: str) -> str:
    """The curves of one picture: its similarity with its distorted self.

    Args:
        asked: the hash and the embedding.
        scores: of each, (s,).
        shown: the distorted pictures, (s,).
        title: what the picture is called.
    """
    ways = asked.first, asked.second
    links = [_link(image) for image in shown]
    floor = max(0.0, min(float(min(each.min() for each in scores)) - 0.02, 0.9))
    plots = "".join(
        plot(
            _frame(each, floor, links[part]),
            [
                _similarity(way, mark, values[part], each)
                for way, mark, values in zip(ways, MARKS, scores, strict=True)
            ],
        )
        for each, part in by_distortion()
    )
    counts = " · ".join(
        f"{escape(str(way))}: <b>{int((values >= way.least - 5e-7).sum())} of {len(values)}</b>"
        for way, values in zip(ways, scores, strict=True)
    )
    title = f"{title.rstrip('.')}, distorted"
    rows = [row for way, values in zip(ways, scores, strict=True) for row in _rows(way, values)]
    files = takeaway(title, rows, asked.gallery, *(way.spec for way in ways))
    names = legend([Line(way.spec.title, mark, ()) for way, mark in zip(ways, MARKS, strict=True)])
    return (
        f'<section class="task"><h2>{escape(title)}</h2><p class="hint">'
        "Similarity of the picture with itself after each change. Filled marks are still found, "
        f"hollow ones are below their threshold, the dashed line. Found: {counts}.</p>"
        f'{names}<div class="small">{plots}</div>{files}</section>'
    )


def _rows(way: Way, scores: Scores) -> Iterator[dict[str, Any]]:
    for setting, score in zip(settings(), scores.tolist(), strict=True):
        found = score >= way.least - 5e-7
        yield {**asked_of(way, setting), "similarity": score, "found": found}


def sampled(ways: Sequence[Way], known: Sequence[Detection]) -> str:
    """The curves over a gallery's sample, and all their figures; or what to do for them."""
    there = [
        (way, mark, each)
        for way, mark, each in zip(ways, MARKS, known, strict=True)
        if len(each.measured)
    ]
    missing = [
        way.spec.title for way, each in zip(ways, known, strict=True) if not len(each.measured)
    ]
    none = "".join(
        f'<p class="note">{escape(title)} was not measured here yet: press Measure here.</p>'
        for title in missing
    )
    if not there:
        return none
    rates = [each.measured.detected(way.least) for way, _, each in there]
    plots = "".join(
        plot(
            _frame(each, 0.0, ()),
            [
                _rate(way, mark, values, part, each)
                for (way, mark, _), values in zip(there, rates, strict=True)
            ],
        )
        for each, part in by_distortion()
    )
    names = legend([Line(str(way), mark, ()) for way, mark, _ in there])
    return (
        f'{names}<div class="small">{plots}</div>{none}'
        + _alarms([(way, each) for way, _, each in there])
        + _table([way for way, _, _ in there], rates)
    )


def _frame(distortion: Distortion, floor: float, links: Sequence[str]) -> Frame:
    ticks = steps(distortion.labels)
    return Frame(distortion.title, distortion.unit, ticks, floor, not links, links)


def _similarity(way: Way, mark: Mark, values: Scores, distortion: Distortion) -> Line:
    at = [x for x, _ in steps(distortion.labels)]
    points = list(zip(at, values.tolist(), strict=True))
    return Line(way.spec.title, mark, points, rule=way.least, joined=distortion.ordered)


def _rate(way: Way, mark: Mark, rates: Rates, part: slice, distortion: Distortion) -> Line:
    at = [x for x, _ in steps(distortion.labels)]
    return Line(
        way.spec.title,
        mark,
        list(zip(at, rates.mean[part].tolist(), strict=True)),
        rates.low[part].tolist(),
        rates.high[part].tolist(),
        joined=distortion.ordered,
    )


def _alarms(known: Sequence[tuple[Way, Detection]]) -> str:
    said = " · ".join(
        f"{escape(way.spec.title)} <b>{float(each.measured.alarms(way.least).mean()):.1%}</b>"
        for way, each in known
    )
    places = "; ".join(
        dict.fromkeys(
            f"{len(each.measured)} pictures on "
            f"{'this machine' if each.machine == machine() else each.machine}, {each.at[:10]}"
            for _, each in known
        )
    )
    return (
        f'<p class="hint">Another picture of the gallery was found instead or as well: {said} of '
        "the distorted pictures. Real near-duplicates in the gallery count too, so this is an "
        f"upper bound of false alarms. Bands are 95 % intervals. Measured: {escape(places)}.</p>"
    )


def _table(ways: Sequence[Way], rates: Sequence[Rates]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(each.title)}</th><td data-name="setting">'
        f"{escape(way.spec.title)}</td>{_cells(values, part)}</tr>"
        for each, part in by_distortion()
        for way, values in zip(ways, rates, strict=True)
    )
    return (
        '<details class="help"><summary>All figures</summary><table class="figures"><caption>'
        "Share of the pictures that are found near their original, with 95 % intervals"
        f"</caption><tbody>{rows}</tbody></table></details>"
    )


def _cells(rates: Rates, part: slice) -> str:
    return "".join(
        f'<td data-name="{escape(setting.label)}"><small>{escape(setting.label)}:</small> '
        f"<b>{mean:.0%}</b> <small>[{low:.0%}, {high:.0%}]</small></td>"
        for setting, mean, low, high in zip(
            settings()[part], rates.mean[part], rates.low[part], rates.high[part], strict=True
        )
    )


def _link(image: Image) -> str:
    data = images.webp(image, SMALL, QUALITY, method=0)
    return f"data:image/webp;base64,{base64.b64encode(data).decode()}"
