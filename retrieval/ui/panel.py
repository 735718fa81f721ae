"""One panel: its pickers, its knobs, its strip of figures, its results."""

from __future__ import annotations

from dataclasses import dataclass

from retrieval.about import NOTICE
from retrieval.measure.idle import Idle
from retrieval.panel import Panel
from retrieval.types import Result, Spec
from retrieval.ui.figures import AWAY, digits, escape, ms, seconds, size
from retrieval.ui.filters import count
from retrieval.ui.idle import badges
from retrieval.ui.knobs import knobs
from retrieval.ui.menu import Menu, facts
from retrieval.ui.percentiles import FEWEST, Percentiles
from retrieval.ui.results import Shown, grid, skeleton
from retrieval.ui.stages import HELP, bar
from retrieval.ui.unread import Unread
from retrieval.ui.waiting import Waiting

LETTERS = "ABCD"
NOTICED = 20.0
"""Milliseconds of waiting or building from which on a panel mentions them."""


@dataclass(frozen=True, slots=True)
class View:
    """A panel's answer among the others'.

    Attributes:
        panel: what was asked.
        result: its answer; none while it is waited for.
        waiting: what is waited for, where that is known.
        latest: percentiles of its latest calls.
        fastest: it has the lowest latency of several.
        best: it has the highest recall of several.
        scale: milliseconds that fill the bar's width.
        note: what was changed to make the panel possible.
        idle: knobs of its index that were found to do nothing.
    """

    panel: Panel
    result: Result | None = None
    waiting: Waiting | None = None
    latest: Percentiles = Percentiles(0)
    fastest: bool = False
    best: bool = False
    scale: float = 1.0
    note: str = ""
    idle: tuple[Idle, ...] = ()


def draw(position: int, view: View, menu: Menu, shown: Shown, several: bool) -> str:
    """The HTML of a panel.

    Args:
        position: from 0; the letter on its badge.
        view: its answer.
        menu: what its pickers offer.
        shown: the gallery, k and what the first panel found.
        several: it can be removed.
    """
    embedder, index = menu.embedder(view.panel.embedder), menu.index(view.panel.index)
    letter = LETTERS[position]
    return (
        f'<section class="panel" data-panel="{escape(str(view.panel))}"'
        f' aria-label="Panel {letter}: {escape(embedder.title)} by {escape(index.title)}">'
        f"{_head(letter, embedder, index, menu, shown.about, several)}"
        f'<div class="set">{_tags(embedder, index, view.idle)}'
        f"{knobs(letter, view.panel, index, menu.lab.public)}</div>"
        f"{_strip(view, shown)}{_body(view, menu, shown)}</section>"
    )


def draw_unread(position: int, unread: Unread, menu: Menu, about: str, several: bool) -> str:
    """The HTML in the place of a panel that cannot be asked: why, and what to pick instead.

    Args:
        position: from 0; the letter on its badge.
        unread: what was written.
        menu: what its pickers offer.
        about: what the gallery's pictures are of.
        several: it can be removed.
    """
    letter, near = LETTERS[position], menu.mended(unread)
    embedder, index = menu.embedder(near.embedder), menu.index(near.index)
    known = [
        name if name == meant else ""
        for name, meant in zip((near.embedder, near.index), unread.names, strict=True)
    ]
    first, second = (
        "" if name else f'<option value="" selected disabled>Pick an {what}</option>'
        for name, what in zip(known, ("embedder", "index"), strict=True)
    )
    options = first + menu.embedder_options(known[0], about)
    indexes = second + menu.index_options(embedder, known[1])
    why = unread.problem.partition("; there are: ")[0]  # the pickers list them
    use = f"Use {embedder.title} × {index.title}"
    remove = '<button type="button" data-remove>Remove this panel</button>' if several else ""
    return (
        f'<section class="panel" data-panel="{escape(str(unread))}" data-mend="{escape(str(near))}"'
        f' aria-label="Panel {letter}: it cannot be asked">'
        f"{_picked(letter, options, indexes, several)}"
        '<div class="set"></div><div class="strip"></div>'  # the rows that panels share
        '<div class="body"><div class="problem" role="status">'
        f"<p>{escape(_sentence(why))}</p>"
        f'<p class="ways"><button type="button" data-use>{escape(use)}</button>{remove}</p>'
        "</div></div></section>"
    )


def _head(letter: str, embedder: Spec, index: Spec, menu: Menu, about: str, several: bool) -> str:
    options = menu.embedder_options(embedder.name, about)
    return _picked(letter, options, menu.index_options(embedder, index.name), several)


def _picked(letter: str, embedders: str, indexes: str, several: bool) -> str:
    return (
        f'<header class="head"><b class="badge" aria-hidden="true">{letter}</b>'
        f'<select class="field" data-pick="embedder" aria-label="Embedder of panel {letter}">'
        f"{embedders}</select><i>×</i>"
        f'<select class="field" data-pick="index" aria-label="Index of panel {letter}">'
        f"{indexes}</select>"
        + (
            f'<button type="button" class="plain" data-remove aria-label="Remove panel {letter}">'
            "✕</button>"
            if several
            else ""
        )
        + "</header>"
    )


def _tags(embedder: Spec, index: Spec, idle: tuple[Idle, ...]) -> str:
    licence, note = embedder.licence, [embedder.note] if embedder.note else []
    tags = "".join(f'<span class="tag">{escape(each)}</span>' for each in (*note, *facts(embedder)))
    if licence:
        use = {"yes": "", "no": ", no commercial use", "conditions": ", on conditions"}
        tags += (
            f'<a class="tag" href="{escape(licence.link)}" {AWAY} title="Licence of the weights">'
            f"{escape(licence.id)}{use[licence.commercial]}</a>"
        )
    if index.note not in ("", "exact"):
        tags += f'<span class="tag">{escape(index.title)} · {escape(index.note)}</span>'
    return f'<p class="tags">{tags}{badges(idle)}</p>'


def _strip(view: View, shown: Shown) -> str:
    result = view.result
    if result is None or result.problem:  # it keeps its height
        return f'<div class="strip">{view.waiting or ""}</div>'
    recall = "" if result.recall is None else f"{result.recall:.2f}"
    return (
        '<div class="strip">'
        + _figure(ms(result.timings.total), "latency", "latency", view.fastest and "fastest")
        + _figure(recall or "none", "recall@k", f"recall@{shown.k}", view.best and "best")
        + f'<div class="costs">{bar(result.timings, view.scale)}<p>{_stages(result)}</p>'
        + f"<p>{_facts(view, result)}</p></div></div>"
    )


def _figure(value: str, term: str, what: str, mark: str | bool) -> str:
    number, _, unit = value.partition(" ")
    top = "b" if mark else "span"
    said = f" · {mark}" if mark else ""
    return (
        f'<p class="figure" title="{escape(HELP[term])}"><{top}>{number}<i>{unit}</i></{top}>'
        f"<small>{what}{said}</small></p>"
    )


def _stages(result: Result) -> str:
    timings = result.timings
    times = (
        ("decode", timings.decode),
        ("embed", timings.embed),
        ("search", timings.search),
        ("rescore", timings.rescore),
        ("fetch", timings.fetch),
    )
    words = (
        f"{name}{' (network)' if name == 'embed' and result.remote else ''}"
        f"{' (shared)' if name == 'embed' and result.shared else ''}"
        f"{' (cold)' if name in result.cold else ''} {digits(value)}"
        for name, value in times
        if value > 0
    )
    return " · ".join(words) + " ms"


def _facts(view: View, result: Result) -> str:
    latest = view.latest
    if latest.p50 is None or latest.p95 is None:
        calls = f"p50 after {FEWEST} calls, {latest.calls} so far"
    else:
        calls = f"p50 {ms(latest.p50)}, p95 {ms(latest.p95)} over {latest.calls} calls"
    waited = [f"waited {ms(result.waited_ms)}"] if result.waited_ms >= NOTICED else []
    built = f", built in {seconds(result.build_s)}" if 1000 * result.build_s >= NOTICED else ""
    return " · ".join([*count(result), f"index {size(result.nbytes)}{built}", *waited, calls])


def _body(view: View, menu: Menu, shown: Shown) -> str:
    law = NOTICE.get(menu.embedder(view.panel.embedder).about, "")
    note = "".join(f'<p class="note">{escape(each)}</p>' for each in (view.note, law) if each)
    if view.result is None:
        return f'<div class="body">{note}{skeleton(shown.k)}</div>'
    answer = _problem(view, view.result, menu) if view.result.problem else grid(view.result, shown)
    return f'<div class="body">{note}{answer}</div>'


def _problem(view: View, result: Result, menu: Menu) -> str:
    embedder = menu.embedder(view.panel.embedder)
    give = (
        "" if embedder.reads_text else '<button type="button" data-give>Upload a picture</button>'
    )
    ways = "".join(
        f'<button type="button" data-instead="{escape(name)}">{escape(menu.embedder(name).title)}'
        "</button>"
        for name in result.instead
    )
    pick = f'<p>Or use one that can:</p><p class="ways">{ways}</p>' if ways else ""
    first = f'<p class="ways">{give}</p>' if give and ways else ""
    return (
        f'<div class="problem" role="status"><p>{escape(_sentence(result.problem))}</p>'
        f"{first}{pick}</div>"
    )


def _sentence(text: str) -> str:
    first = text.split(" ", 1)[0]
    start = text[:1].upper() if first.islower() else text[:1]  # pHash stays pHash
    return start + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
