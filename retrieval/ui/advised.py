"""An answer as cards: recommended, next, something else; and the figures under it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from retrieval.advisor.advice import Advice, Stack
from retrieval.advisor.elsewhere import ELSEWHERE, Elsewhere
from retrieval.advisor.evidence import Evidence
from retrieval.advisor.reasons import Reason
from retrieval.commands.choose import rows
from retrieval.indexes import INDEXES
from retrieval.measure.beside import beside
from retrieval.measure.scale import Mark
from retrieval.measure.tables import header
from retrieval.ui.figures import AWAY, escape, ms, seconds, size
from retrieval.ui.reach import figures, once_more
from retrieval.ui.takeaway import takeaway

HERE = Path(__file__).parent
SIZES = {
    "exact": "Exact search is enough.",
    "graph": "An approximate index in memory.",
    "codes": "Codes in memory, vectors on disk.",
    "beyond": "More than one machine.",
}


def cards(advice: Advice, evidence: Evidence) -> str:
    """The whole answer, with what was measured of retired indexes."""
    models = [each.model.spec for each in (advice.best, advice.second) if each.model.spec]
    told, gallery = rows(advice.told()), evidence.gallery
    again = header("choose", gallery, [], need=advice.need.told())
    files = takeaway("What is recommended", told, gallery, *models, drawn=False, again=again)
    count = f"{advice.need.most:,} pictures"
    return (
        f'<p class="verdict"><b>{SIZES[advice.size]}</b> {count}, {advice.need.ms:g} ms a query.'
        f"</p>{_left_out(advice)}"
        f'<div class="advice">{_stack("Recommended", advice.best, _open(advice))}'
        f"{_stack('Next', advice.second, '')}{_elsewhere(advice, evidence)}</div>{files}"
    )


def _open(advice: Advice) -> str:
    if not advice.panels:
        return ""
    row = 0 if advice.need.reads == "image" else -1
    return _button(
        f"Open these {len(advice.panels)} panels" if len(advice.panels) > 1 else "Open this panel",
        advice.panels,
        row,
        strong=True,
    )


def _button(
    words: str, panels: Sequence[str], row: int = -1, crop: str = "", strong: bool = False
) -> str:
    asked = f' data-ask-row="{row}"' if row >= 0 else ""
    cut = f' data-ask-crop="{escape(crop)}"' if crop else ""
    kind = "primary" if strong else "plain"
    return (
        f'<button type="button" class="{kind}" data-open="{escape(json.dumps(list(panels)))}"'
        f"{asked}{cut}>{escape(words)}</button>"
    )


def _stack(head: str, stack: Stack, button: str) -> str:
    licence = stack.model.licence
    weights = _link(licence.id, licence.link) if licence else "unknown"
    engine = stack.kept.engine
    costs = "".join(_reason(each) for each in stack.costs)
    instead = f'<p class="hint">{escape(stack.instead)}</p>' if stack.instead else ""
    against = "".join(f"<li>{escape(each)}</li>" for each in stack.against)
    return (
        f'<article class="chart"><p class="hint">{head}</p><h2>{escape(stack.model.title)}'
        f"<br>{escape(engine.title)}</h2>{button}{instead}"
        f"<h3>Why</h3><ul>{''.join(_reason(each) for each in stack.reasons)}</ul>"
        f"<h3>What it costs</h3><ul>{costs}<li>Weights: {weights}. "
        f"{escape(engine.title)}: {escape(engine.licence)}.</li></ul>"
        f"<h3>What speaks against it</h3><ul>{against}</ul></article>"
    )


def _reason(reason: Reason) -> str:
    if reason.receipt:
        link = f'<a href="tab/choose/receipt/{reason.receipt}" download>receipt</a>'
        where = f"{escape(reason.kind)} {reason.at[:10]}, {link}"
    elif reason.source:
        where = _link(urlsplit(reason.source).hostname or "source", reason.source)
    else:
        where = escape(reason.kind)
    return f"<li>{escape(reason.text)} <small>{where}</small></li>"


def _link(words: str, to: str) -> str:
    if not to.startswith(("http://", "https://")):
        return escape(words)
    return f'<a href="{escape(to)}" {AWAY}>{escape(words)}</a>'


def _left_out(advice: Advice) -> str:
    if not advice.left_out:
        return ""
    out = "".join(
        f"<li><b>{escape(title)}</b>: {escape(why)}.</li>" for title, why in advice.left_out
    )
    count = len(advice.left_out)
    return f'<details class="help"><summary>Left out: {count}</summary><ul>{out}</ul></details>'


def _elsewhere(advice: Advice, evidence: Evidence) -> str:
    cases = "".join(_case(each, advice, evidence) for each in ELSEWHERE)
    return (
        '<article class="chart"><p class="hint">When to pick</p><h2>Something else</h2>'
        f"{cases}</article>"
    )


def _case(case: Elsewhere, advice: Advice, evidence: Evidence) -> str:
    source = _link(urlsplit(case.source).hostname or "source", case.source)
    return (
        f"<h3>{escape(case.title)}</h3><p>{escape(case.reason)} <small>{source}</small></p>"
        f"{_rivals(case, evidence)}{_shows(case, advice)}"
    )


def _rivals(case: Elsewhere, evidence: Evidence) -> str:
    """What a retired index takes for the same recall, as far as both were swept."""
    if not case.rivals or evidence.job is None:
        return ""
    names, job = (case.rivals[0], case.rivals[1]), evidence.job
    old, new = (INDEXES.spec(name).title for name in names)
    whose = f"{escape(job.gallery.title)} by {escape(job.embedder.title)}"
    found = beside(evidence.lab, job.gallery, job.embedder, names)
    if found is None:
        return (
            f'<p class="hint">For the figure with {whose}, measure {escape(old)} and '
            f"{escape(new)} in Trade-offs.</p>"
        )
    (one, other), where = found.points, "here" if found.here else "on another machine"
    return (
        f"<p>Measured {where} with {whose} ({found.at}): at recall {found.recall:.2f} a query "
        f"takes {ms(one.p50)} by {escape(old)}, {ms(other.p50)} by {escape(new)}.</p>"
    )


def _shows(case: Elsewhere, advice: Advice) -> str:
    if not case.show:
        return ""
    if case.tab and has_tab(case.tab):
        return f'<button type="button" class="plain" data-goto="{case.tab}">Open its tab</button>'
    panels = [each.format(embedder=advice.embedder) for each in case.panels]
    if any("{embedder}" in each for each in case.panels) and not advice.embedder:
        return ""
    return _button(case.show, panels or advice.panels[:1], case.row, case.crop)


def has_tab(name: str) -> bool:
    """Whether the page has a tab of that name."""
    return f'data-tab="{name}"' in (HERE / "bar.html").read_text(encoding="utf-8")


def table(evidence: Evidence, title: str) -> str:
    """What was measured at each size, for those who read rather than look."""
    measured = evidence.marks()
    lines = "".join(_row(name, mark) for name, marks in measured.items() for mark in marks)
    if not lines or evidence.embedder is None:
        return ""
    about, again = (evidence.gallery, evidence.embedder), once_more(evidence)
    files = takeaway(f"Measured size by size: {title}", figures(evidence), *about, again=again)
    names = ("Index", "vectors", "recall@10", "p50", "p95", "memory", "build")
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    return (
        '<details class="help"><summary>What was measured here, size by size</summary>'
        f'<p class="hint">Vectors of {escape(evidence.embedder.title)}, {escape(title)}; beyond '
        f"its own, drawn around them{_alike(evidence)}. Each index at its cheapest setting that "
        f'reaches recall 0.95, or its best.</p><table class="figures"><thead><tr>{head}</tr>'
        f"</thead><tbody>{lines}</tbody></table>"
        f"{files}</details>"
    )


def _alike(evidence: Evidence) -> str:
    found = evidence.check()
    told = ", ".join(f"{name} {value:.2f}" for name, value in found.items())
    return f" (drawn over real, 1 is alike: {told})" if told else ""


def _row(name: str, mark: Mark) -> str:
    cells = (
        ("vectors", f"{mark.count:,}"),
        ("recall@10", f"{mark.point.recall:.3f}"),
        ("p50", ms(mark.point.p50)),
        ("p95", ms(mark.point.p95)),
        ("memory", size(mark.nbytes)),
        ("build", seconds(mark.build_s)),
    )
    told = "".join(f'<td data-name="{each}">{value}</td>' for each, value in cells)
    return f'<tr><th scope="row">{escape(INDEXES.spec(name).title)}</th>{told}</tr>'
