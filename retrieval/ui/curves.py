"""The settings of each index as a plot, with its legend and where it was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from retrieval.measure.losses import EXACT
from retrieval.measure.rounds import Job
from retrieval.measure.sweep import Point, Speed, cheapest, cost, front
from retrieval.measure.sweeps import Sweep
from retrieval.panel import Panel
from retrieval.runtime.machine import machine
from retrieval.types import Spec
from retrieval.ui.figures import digits, escape, ms
from retrieval.ui.licences import picture
from retrieval.ui.marks import Mark
from retrieval.ui.scatter import Dot, Series, scatter

HINT = "Up and left is better. Each mark is a setting: click it to open it in the search."


@dataclass(frozen=True)
class Curve:
    """What is known of one index.

    Attributes:
        spec: the index.
        mark: its shape and colour.
        points: what was measured.
        sweep: what is stored; none where nothing is, or it is being measured.
        here: whether the points are of this machine.
    """

    spec: Spec
    mark: Mark
    points: tuple[Point, ...] = ()
    sweep: Sweep | None = None
    here: bool = True

    @classmethod
    def of(cls, spec: Spec, every: Sequence[Spec], sweep: Sweep | None) -> Curve:
        """From what is stored; an index has the same mark wherever it is shown."""
        mark = Mark([each.name for each in every].index(spec.name))
        if sweep is None:
            return cls(spec, mark)
        return cls(spec, mark, sweep.points, sweep, sweep.here)

    def with_point(self, point: Point) -> Curve:
        """With a point of here and now; those of another machine go."""
        kept = [each for each in self.points if self.here and each.knobs != point.knobs]
        sweep = self.sweep if self.here else None
        return replace(self, points=(*kept, point), sweep=sweep, here=True)

    def panel(self, embedder: str, point: Point) -> Panel:
        """The panel with a point's settings."""
        usual = {knob.name: knob.default for knob in self.spec.knobs}
        knobs = tuple((name, value) for name, value in point.knobs.items() if value != usual[name])
        return Panel(embedder, self.spec.name, knobs)

    def usual(self, point: Point) -> bool:
        """Whether a point has every default."""
        return not self.panel("", point).knobs


def drawn(
    job: Job,
    curves: Sequence[Curve],
    target: float,
    width: int,
    problems: Sequence[str],
    speed: Speed = "alone",
) -> str:
    """The plot over all that was measured, or what to do where nothing was."""
    known = [curve for curve in curves if curve.points]
    told = "".join(f'<p class="note">{escape(each)}</p>' for each in problems)
    if not known:
        return (
            '<div class="problem"><p>Nothing was measured of '
            f"{escape(job.embedder.title)} over {escape(job.gallery.title)} yet. "
            f"Measure here takes a minute and keeps what it finds.</p></div>{told}"
        )
    series = [_series(job, curve, speed) for curve in known]
    plot = scatter(series, _best(known, series, speed), target, width, speed)
    lead = f'<p class="lead">{_lead(known, target, speed)} <span class="hint">{HINT}</span></p>'
    return f"{lead}{_legend(known)}{plot}{_where(job, known)}{told}"


def _lead(curves: Sequence[Curve], target: float, speed: Speed) -> str:
    """The fastest that reaches the recall, beside exact search; of one machine, as the front."""
    here = any(curve.here for curve in curves)
    same = [curve for curve in curves if curve.here or not here]
    found = [(curve, cheapest(curve.points, target, speed)) for curve in same]
    reached = [(curve, best) for curve, best in found if best]
    if not reached:
        return f"No index reaches recall {target:.2f} with any setting that was measured."
    curve, best = min(reached, key=lambda each: cost(each[1], speed))
    setting = f" ({settings(best)})" if best.knobs else ""
    said = (
        f"Fastest at recall {target:.2f}: <b>{escape(curve.spec.title)}</b>{escape(setting)}, "
        f"<b>{ms(cost(best, speed))}</b> a query"
    )
    exact = next((best for curve, best in reached if curve.spec.name == EXACT), None)
    if exact is None or exact is best:
        return f"{said}."
    return f"{said}; exact search takes {ms(cost(exact, speed))}."


def settings(point: Point) -> str:
    """A point's knobs in words."""
    said = ", ".join(f"{name} {value}" for name, value in point.knobs.items())
    return said or "no settings"


def _series(job: Job, curve: Curve, speed: Speed) -> Series:
    own = front(curve.points, speed)
    dots = tuple(
        Dot(
            cost(point, speed),
            point.recall,
            _about(point, curve.usual(point)),
            str(curve.panel(job.embedder.name, point)),
            curve.usual(point),
            point in own,
        )
        for point in curve.points
    )
    return Series(curve.spec.title, curve.mark, dots, not curve.here)


def _about(point: Point, usual: bool) -> str:
    return (
        f"{settings(point)}{' (default)' if usual and point.knobs else ''}"
        f" · recall {point.recall:.3f}"
        f" · p50 {ms(point.p50)}, p95 {ms(point.p95)}, p99 {ms(point.p99)}"
        f" · {digits(point.alone)}/s alone, {digits(point.together)}/s together"
    )


def _best(curves: Sequence[Curve], series: Sequence[Series], speed: Speed) -> list[Dot]:
    """The front over what one machine has measured: this one, where it has anything."""
    here = any(curve.here for curve in curves)
    pairs = [
        (point, dot)
        for curve, each in zip(curves, series, strict=True)
        if curve.here or not here
        for point, dot in zip(curve.points, each.dots, strict=True)
    ]
    best = front([point for point, _ in pairs], speed)
    dots = {id(point): dot for point, dot in pairs}
    return [dots[id(point)] for point in best]


def _legend(curves: Sequence[Curve]) -> str:
    names = "".join(
        f"<li>{curve.mark.legend(not curve.here)}{escape(curve.spec.title)}</li>"
        for curve in curves
    )
    return (
        f'<ul class="legend">{names}<li><i class="stroke front"></i>Pareto front</li>'
        '<li><i class="ring"></i>default setting</li>'
        '<li><i class="stroke target"></i>recall target</li></ul>'
    )


def _where(job: Job, curves: Sequence[Curve]) -> str:
    """Which machine measured what, one sentence each; and the figures to take away."""
    places: dict[tuple[str, bool], list[Curve]] = {}
    for curve in curves:
        place = curve.sweep.machine if curve.sweep else machine()
        places.setdefault((place, curve.here), []).append(curve)
    lines = "".join(
        f'<p class="{"here" if here else "away"}">{_words(place, here, found)}</p>'
        for (place, here), found in places.items()
    )
    query = urlencode(
        {"gallery": job.gallery.name, "embedder": job.embedder.name, "queries": job.kind}
    )
    files = "".join(
        f'<a class="plain" download href="tab/tradeoffs.{kind}?{escape(query)}">{kind.upper()}</a>'
        for kind in ("csv", "json")
    )
    title = f"Recall against latency: {job.embedder.title} over {job.gallery.title}"
    ways = f'<p class="ways">{files}{picture(title, job.gallery, job.embedder)}</p>'
    return f'<div class="where"><div>{lines}</div>{ways}</div>'


def _words(place: str, here: bool, curves: Sequence[Curve]) -> str:
    days = sorted({curve.sweep.at[:10] for curve in curves if curve.sweep})
    when = f", {days[0]}" + (f" to {days[-1]}" if len(days) > 1 else "") if days else ", now"
    asked = [curve.sweep.key for curve in curves if curve.sweep]
    said = f"Measured on {escape(place)}{when}"
    if asked:
        kind = "captions" if asked[0]["queries"] == "text" else "pictures"
        said += f", with {asked[0]['count']} {kind} of the gallery"
    if here:
        return f"{said}."
    names = ", ".join(escape(curve.spec.title) for curve in curves)
    return f"<b>Another machine's</b> (hollow marks): {said}: {names}. Measure here for your own."
