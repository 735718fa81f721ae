"""Each index's cheapest setting that reaches a recall, and all settings, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from retrieval.measure.idle import idle
from retrieval.measure.rounds import COUNT, Job, K
from retrieval.measure.sweep import Point, Speed, cheapest, cost
from retrieval.measure.tables import header, written
from retrieval.ui.curves import Curve, settings
from retrieval.ui.figures import digits, escape, ms, seconds, size
from retrieval.ui.idle import badges
from retrieval.ui.takeaway import takeaway

COLUMNS = (
    "Index",
    "Cheapest setting",
    "recall@10",
    "p50",
    "p95",
    "p99",
    "queries alone",
    "all together",
    "memory",
    "build",
)


def table(job: Job, curves: Sequence[Curve], target: float, speed: Speed = "alone") -> str:
    """The cheapest settings, the fastest first, then those that none reaches."""
    known = [(curve, cheapest(curve.points, target, speed)) for curve in curves if curve.points]
    if not known:
        return ""
    reached = sorted(
        ((curve, best) for curve, best in known if best), key=lambda each: cost(each[1], speed)
    )
    short = [curve for curve, best in known if best is None]
    rows = [
        _reached(job, curve, best, speed if at == 0 else None)
        for at, (curve, best) in enumerate(reached)
    ]
    rows += [_short(curve, target) for curve in short]
    title = f"Cheapest at recall {target:.2f}: {job.embedder.title} over {job.gallery.title}"
    figures = [_figures(job, curve, best, target) for curve, best in reached]
    again = header("sweep", job.gallery, [job.embedder], k=K, count=COUNT)
    files = takeaway(title, figures, job.gallery, job.embedder, again=again) if reached else ""
    return (
        f'<table class="figures"><caption>Cheapest setting of each index that reaches '
        f"recall {target:.2f}</caption>{_header(COLUMNS)}<tbody>{''.join(rows)}</tbody></table>"
        f"{files}"
    )


def _figures(job: Job, curve: Curve, best: Point, target: float) -> dict[str, Any]:
    """A row an index."""
    named = {"index": curve.spec.name, "queries": job.kind, "target": target}
    told = {**named, **asdict(best), "knobs": written(best.knobs)}
    if curve.sweep is None:
        return told
    held = {name: getattr(curve.sweep, name) for name in ("nbytes", "build_s", "machine", "at")}
    return {**told, **held}


def every(curves: Sequence[Curve]) -> str:
    """All settings, for those who read rather than look."""
    rows = "".join(
        f'<tr><th scope="row">{escape(curve.spec.title)}</th>'
        f'<td data-name="setting">{escape(settings(point))}</td>{_cells(point)}</tr>'
        for curve in curves
        for point in sorted(curve.points, key=lambda each: each.p50)
    )
    count = sum(len(curve.points) for curve in curves)
    head = _header(("Index", "Setting", *COLUMNS[2:8]))
    return (
        f'<details class="help"><summary>All {count} settings as a table</summary>'
        f'<table class="figures">{head}<tbody>{rows}</tbody></table></details>'
        if count
        else ""
    )


def _header(columns: Sequence[str]) -> str:
    cells = "".join(f'<th scope="col">{each}</th>' for each in columns)
    return f"<thead><tr>{cells}</tr></thead>"


def _reached(job: Job, curve: Curve, best: Point, fastest: Speed | None) -> str:
    panel = escape(str(curve.panel(job.embedder.name, best)))
    away = "" if curve.here else ' <span class="tag">another machine</span>'
    memory = size(curve.sweep.nbytes) if curve.sweep else "–"
    build = seconds(curve.sweep.build_s) if curve.sweep else "–"
    return (
        f'<tr><th scope="row">{_name(curve)}{away}{_idle(curve)}</th><td data-name="setting">'
        f'<button type="button" data-apply="{panel}">{escape(settings(best))}</button></td>'
        f"{_cells(best, fastest)}{_cell('memory', memory)}{_cell('build', build)}</tr>"
    )


def _cells(point: Point, bold: Speed | None = None) -> str:
    together = f"{digits(point.together)}/s"
    cells = (
        ("recall@10", f"{point.recall:.3f}"),
        ("p50", f"<b>{ms(point.p50)}</b>" if bold == "alone" else ms(point.p50)),
        ("p95", ms(point.p95)),
        ("p99", ms(point.p99)),
        ("alone", f"{digits(point.alone)}/s"),
        ("together", f"<b>{together}</b>" if bold == "together" else together),
    )
    return "".join(_cell(*each) for each in cells)


def _cell(name: str, value: str) -> str:
    return f'<td data-name="{name}">{value}</td>'


def _name(curve: Curve) -> str:
    return f"{curve.mark.legend(not curve.here)}{escape(curve.spec.title)}"


def _idle(curve: Curve) -> str:
    """What its stored sweep shows to do nothing."""
    found = badges(idle(curve.spec, curve.sweep)) if curve.sweep else ""
    return f" {found}" if found else ""


def _short(curve: Curve, target: float) -> str:
    most = max(point.recall for point in curve.points)
    said = f"none reaches {target:.2f}; the best of {len(curve.points)} settings has {most:.3f}"
    return (
        f'<tr class="short"><th scope="row">{_name(curve)}{_idle(curve)}</th>'
        f'<td colspan="{len(COLUMNS) - 1}">{said}</td></tr>'
    )
