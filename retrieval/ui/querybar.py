"""The head of the page: gallery, query, picture, k; and what stands over the panels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from retrieval.galleries.base import Gallery
from retrieval.galleries.catalog import Entry
from retrieval.types import Result, State
from retrieval.ui import examples, filters
from retrieval.ui.address import MOST, PANELS, Address
from retrieval.ui.figures import AWAY, escape, ms
from retrieval.ui.menu import START, noncommercial
from retrieval.ui.panel import LETTERS
from retrieval.ui.thumbs import thumb, version

HERE = Path(__file__).parent
CLEARLY = 1.1
"""How many times as long the next must take for one to be called the fastest."""


def head(galleries: Sequence[tuple[Entry, State]], space: str) -> str:
    """The bar, drawn once.

    Args:
        galleries: each with its readiness; what is not ready is listed with its reason.
        space: ``owner/name`` of the Space that this runs in, or empty.
    """
    options = "".join(_gallery(entry, state) for entry, state in galleries)
    page = (HERE / "bar.html").read_text(encoding="utf-8")
    return (
        page.replace("[GALLERIES]", options)
        .replace("[SPACE]", escape(space))
        .replace("[PANELS]", escape(" ".join(START)))
        .replace("[MOST]", str(MOST))
    )


def over(
    address: Address,
    gallery: Gallery,
    results: Sequence[Result | None],
    asked: int,
    receipt: str,
    sure: bool = False,
) -> str:
    """Examples, what was asked, what came out; it carries the address for the script.

    Args:
        address: what was asked.
        gallery: of which pictures.
        results: one a panel.
        asked: the page's own number of the query.
        receipt: by which the result's receipt is asked for.
        sure: a panel shows probabilities, so that a threshold can be set.
    """
    return (
        f'<div class="over" data-address="{escape(str(address))}" data-asked="{asked}"'
        f' data-version="{escape(version(gallery))}"'
        f' data-panels="{len(address.panels)}">'
        f'<div class="around">{_tries(gallery)}{filters.control(gallery, address.where)}</div>'
        f'<div class="said"><p class="verdict" role="status">{_verdict(address, gallery, results)}'
        f"</p>{_switches(address, results, receipt, sure)}</div></div>"
    )


def fastest(results: Sequence[Result | None]) -> Result | None:
    """The one that is faster than the others by a tenth at least, first calls left out."""
    warm = [result for result in _answered(results) if not (result.cold or result.busy)]
    ordered = sorted(warm, key=lambda result: result.timings.total)
    if len(ordered) < 2 or ordered[0].timings.total * CLEARLY > ordered[1].timings.total:
        return None
    return ordered[0]


def credit(gallery: Gallery) -> str:
    """Whose pictures these are."""
    source, licence = escape(gallery.source), gallery.licence
    link = f'<a href="{source}" {AWAY}>{source}</a>'
    shown = link if gallery.source.startswith(("http://", "https://")) else source
    title = escape(gallery.title)
    return f'<p class="credit">Pictures: {title}, {escape(licence.id)}, from {shown}</p>'


def _gallery(entry: Entry, state: State) -> str:
    ready = state.kind == "ready"
    rows = f" · {entry.rows:,} pictures" if entry.rows else ""
    text = f"{entry.title}{rows}" if ready else f"{entry.title} · {state.reason}"
    off = "" if ready else " disabled"
    barred = noncommercial(entry.licence)
    return f'<option value="{escape(entry.name)}"{off}{barred}>{escape(text)}</option>'


@lru_cache(maxsize=32)
def _tries(gallery: Gallery) -> str:
    texts = "".join(
        f'<button type="button" data-try="{escape(text)}">{escape(text)}</button>'
        for text in examples.texts(gallery)
    )
    pictures = "".join(
        f'<button type="button" class="small" data-row="{row}">'
        f'<img src="{escape(thumb(gallery.name, row, version(gallery)))}"'
        f' alt="search by {escape(gallery.caption(row))}"></button>'
        for row in examples.rows(gallery)
    )
    return f'<nav class="tries" aria-label="Examples"><span>Try</span>{texts}{pictures}</nav>'


def _switches(address: Address, results: Sequence[Result | None], receipt: str, sure: bool) -> str:
    lost = sum(len(result.missed) for result in results if result)
    word = f"Show {lost} missed" if lost else "None missed"
    add = '<button type="button" data-add>+ Panel</button>' if len(address.panels) < PANELS else ""
    taken = (
        f'<button type="button" data-receipt="{escape(receipt)}" title="All that this result'
        ' came of, as JSON that can be run again">Receipt</button>'
        if receipt
        else ""
    )
    good = (
        '<label class="knob" title="Pictures less likely to be right than this are dimmed">Good'
        f' from<input type="range" data-good min="0" max="100" step="1" value="{address.good}"'
        f' aria-label="Least probability of a good match, in per cent"><output>{address.good}'
        "</output>%</label>"
        if sure
        else ""
    )
    return (
        f'<div class="switches">{good}<label class="switch"><input type="checkbox" data-missed'
        f"{' checked' if address.missed else ''}{'' if lost else ' disabled'}>{word}</label>"
        f'<button type="button" id="knobs">Settings</button>'
        f"{taken}{add}</div>"
    )


def _verdict(address: Address, gallery: Gallery, results: Sequence[Result | None]) -> str:
    if address.text is not None:
        asked = f"<q><bdi>{escape(address.text)}</bdi></q>"
    elif address.row is not None:
        caption = gallery.caption(address.row) or f"picture {address.row}"
        asked = f"Like <q><bdi>{escape(caption)}</bdi></q>"
    else:
        asked = "Like your picture"
    words = [_shared(results), _fastest(results), _best(results)]
    told = filters.told(address.where, len(gallery), next(iter(_answered(results)), None))
    return f"<b>{asked}</b> in {told}. " + " ".join(filter(None, words))


def _answered(results: Sequence[Result | None]) -> list[Result]:
    return [result for result in results if result and not result.problem]


def _shared(results: Sequence[Result | None]) -> str:
    answered = _answered(results)
    if len(answered) < 2 or not answered[0].hits:
        return ""
    common = set.intersection(*({hit.row for hit in result.hits} for result in answered))
    names = [LETTERS[result.position] for result in answered]
    who = f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{who} share <b>{len(common)} of {len(answered[0].hits)}</b>."


def _fastest(results: Sequence[Result | None]) -> str:
    best = fastest(results)
    return (
        f"Fastest this time: <b>{LETTERS[best.position]}</b>, {ms(best.timings.total)}."
        if best
        else ""
    )


def _best(results: Sequence[Result | None]) -> str:
    rated = [result for result in _answered(results) if result.recall is not None]
    worst = min(rated, key=lambda result: result.recall or 0.0, default=None)
    if worst is None or worst.recall is None or worst.recall == 1:
        return ""
    return f"<b>{LETTERS[worst.position]}</b> finds {worst.recall:.0%} of the true neighbours."
