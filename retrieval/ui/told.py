"""Scale in words and figures: where exact search ends, the plots, the table, the method."""

from __future__ import annotations

from collections.abc import Sequence

from retrieval.measure import outlook
from retrieval.measure.drawing import COUNT
from retrieval.measure.outlook import BEYOND, COSTS, SHOWN, Outlook, many
from retrieval.measure.scale import Job
from retrieval.runtime.machine import memory
from retrieval.ui.figures import escape
from retrieval.ui.licences import picture
from retrieval.ui.sizes import Row, plots, words


def verdict(found: Sequence[Outlook], ms: float) -> str:
    """Where exact search stops being enough, in sentences."""
    limits = outlook.limits(found, ms, memory())
    lines = "".join(f"<p>{escape('; '.join(outlook.said(each, memory())))}.</p>" for each in limits)
    few = "Three sizes at least are needed before anything is told beyond them; measure on."
    return f'<div class="verdict">{lines or f"<p>{few}</p>"}</div>'


def figure(job: Job, rows: Sequence[Row], width: int) -> str:
    """The plots with their legend, where they were measured, and the files."""
    names = "".join(f"<li>{row.mark.legend()}{escape(row.outlook.spec.title)}</li>" for row in rows)
    return (
        f'<ul class="legend">{names}<li>{rows[0].mark.legend(hollow=True)}hollow, dashed: '
        f"extrapolated, with its 95 % interval</li></ul>"
        f'<div class="sizes">{plots(rows, width)}</div>{_where(job, rows)}'
    )


def _where(job: Job, rows: Sequence[Row]) -> str:
    """Which machine measured what; and the figures to take away."""
    places: dict[tuple[str, bool], list[Outlook]] = {}
    for row in rows:
        note = row.outlook.note
        places.setdefault((note.machine, note.here), []).append(row.outlook)
    lines = "".join(_place(*place, each) for place, each in places.items())
    return f'<div class="where"><div>{lines}</div>{_ways(job)}</div>'


def _place(machine: str, here: bool, found: Sequence[Outlook]) -> str:
    days = sorted({each.note.at[:10] for each in found})
    when = days[0] + (f" to {days[-1]}" if len(days) > 1 else "")
    said = f"Measured on {escape(machine)}, {when}, with {COUNT} drawn queries"
    if here:
        return f'<p class="here">{said}.</p>'
    names = ", ".join(escape(each.spec.title) for each in found)
    return f'<p class="away"><b>Another machine’s</b> (small marks): {said}: {names}.</p>'


def _ways(job: Job) -> str:
    query = f"gallery={escape(job.gallery.name)}&amp;embedder={escape(job.embedder.name)}"
    files = "".join(
        f'<a class="plain" download href="tab/scale.{kind}?{query}">{kind.upper()}</a>'
        for kind in ("csv", "json")
    )
    title = f"Scale of {job.embedder.title} over {job.gallery.title}"
    return f'<p class="ways">{files}{picture(title, job.gallery, job.embedder)}</p>'


def table(rows: Sequence[Row]) -> str:
    """Every index at every size, what is told with its interval."""
    sizes = (*SHOWN, *BEYOND)
    head = "".join(f'<th scope="col">{many(count)}</th>' for count in sizes)
    body = "".join(_line(row, sizes) for row in rows)
    return (
        '<table class="figures rated"><caption>One query, memory and build by number of vectors'
        f'</caption><thead><tr><th scope="col">Index</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def _line(row: Row, sizes: Sequence[int]) -> str:
    away = "" if row.outlook.note.here else ' <span class="tag">another machine</span>'
    cells = "".join(
        f'<td data-name="{many(count)}">{_cell(row.outlook, count)}</td>' for count in sizes
    )
    title = f"{row.mark.legend()}{escape(row.outlook.spec.title)}{away}"
    return f'<tr><th scope="row">{title}</th>{cells}</tr>'


def _cell(each: Outlook, count: int) -> str:
    found = {cost: each.at(count, cost) for cost in COSTS}
    told = {cost: words(figure, cost) for cost, figure in found.items() if figure}
    recall = each.recall(count)
    first = told.pop("ms", "" if recall is None else f"recall {recall:.2f}")
    if not told:
        return first
    rest = "".join(f"<small>{escape(each)}</small>" for each in told.values())
    return f"{escape(first) or '–'}{rest}"


def how(found: Sequence[Outlook]) -> str:
    """How vectors are drawn, the check of it, and what the fit assumes."""
    check = found[0].note.body["drawn"]
    alike = ", ".join(
        f"{check[name]:.2f} {what}"
        for name, what in (
            ("first", "the distance to the nearest neighbour"),
            ("tenth", "that to the tenth"),
            ("dimension", "the intrinsic dimension"),
        )
        if name in check
    )
    return (
        '<details class="help"><summary>How vectors are drawn, and how far the fit is to be '
        "trusted</summary><p>A drawn vector is one of the gallery’s, moved at random along the "
        "differences to its neighbours and brought back to length 1; how far is calibrated until "
        f"drawn sets lie like the real one. Drawn over real, 1 is alike: {alike}. What this cannot "
        "tell: whether so many real pictures would show new kinds of things.</p><p>Beyond, each "
        "cost grows by what the index does: exhaustive search with n, a graph with log n to root "
        "n, lists with root n to n. The interval is the widest of the 95 % prediction intervals of "
        "these forms, fitted to what was measured; it knows nothing of disks, of other machines "
        "to share the work, or of settings that no knob here reaches.</p></details>"
    )
