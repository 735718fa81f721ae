"""Groups of near-duplicates, the hash's beside the embedding's."""

from __future__ import annotations

from collections.abc import Sequence

from retrieval.duplicates.asked import Found
from retrieval.duplicates.groups import Case, Group
from retrieval.galleries.base import Gallery
from retrieval.ui.figures import escape
from retrieval.ui.thumbs import thumb, version

KINDS = {"both": "both", "first": "hash only", "second": "embedding only"}
MARKS = {"both": "same", "first": "first", "second": "down"}
"""Colours of the words, those of the curves; the words say it alone."""
SIGNS = {"both": "", "first": "● ", "second": "◆ "}
PAGE = 6
"""Groups that are drawn at first."""
WIDEST = 8
"""Pictures of a group that are drawn."""


def cases(found: Found, show: str, count: int) -> str:
    """The groups of one kind, or of all, as rows of thumbs.

    Args:
        found: by both ways.
        show: ``both``, ``first``, ``second``, or empty for all.
        count: how many rows are drawn.
    """
    every = found.cases
    some = [case for case in every if show in ("", case.kind)]
    rows = "".join(_case(found, case) for case in some[:count])
    left = len(some) - count
    more = (
        f'<p class="ways further"><button type="button" data-further="{count + 2 * PAGE}">'
        f"{left:,} more groups</button></p>"
        if left > 0
        else ""
    )
    nothing = "" if some else '<p class="lead">No group of this kind at these settings.</p>'
    return (
        f'<section class="task" data-least="{found.ways.second.value:.4f}">{_summary(found)}'
        f"{_filter(every, show)}{nothing}{_names(found) if some else ''}"
        f'<ol class="twins">{rows}</ol>{more}</section>'
    )


def _summary(found: Found) -> str:
    counts = found.pictures
    gallery = escape(found.ways.gallery.title)
    alone = f"{counts['first']:,} only by hash, {counts['second']:,} only by embedding"
    return (
        f'<p class="verdict"><b>{sum(counts.values()):,} pictures</b> of {gallery} have a '
        f"near-duplicate: {counts['both']:,} by both ways, {alone}.</p>"
    )


def _filter(every: Sequence[Case], show: str) -> str:
    kinds = {"": "all", **KINDS}
    counts = {kind: sum(kind in ("", case.kind) for case in every) for kind in kinds}
    radios = "".join(
        f'<label><input type="radio" name="found" value="{kind}"'
        f"{' checked' if kind == show else ''}>{word[:1].upper()}{word[1:]} "
        f"({counts[kind]:,})</label>"
        for kind, word in kinds.items()
    )
    return f'<fieldset class="kinds"><legend>Groups found by</legend>{radios}</fieldset>'


def _names(found: Found) -> str:
    sides = zip(
        (found.ways.first, found.ways.second), (found.first, found.second), found.pairs, strict=True
    )
    heads = "".join(
        f"<h3>{escape(str(way))} <small>{len(groups):,} groups, {pairs:,} pairs</small></h3>"
        for way, groups, pairs in sides
    )
    equal = '<p class="hint">Both find about as many pairs: the cosine follows the radius.</p>'
    return f'{equal if found.ways.equal else ""}<div class="twin">{heads}</div>'


def _case(found: Found, case: Case) -> str:
    gallery = found.ways.gallery
    sides = (
        (case.first, found.ways.first.spec.title),
        (case.second, found.ways.second.spec.title),
    )
    drawn = "".join(_side(gallery, case, group, title) for group, title in sides)
    return f'<li class="twin">{drawn}</li>'


def _side(gallery: Gallery, case: Case, group: Group, title: str) -> str:
    if not group:
        return f'<p class="hint">{escape(title)} finds no group here.</p>'
    order = sorted(group, key=lambda row: (case.of(row) == "both", row))  # what differs, first
    rows = order if len(order) <= WIDEST else order[: WIDEST - 1]
    words = gallery.captions(rows)
    tiles = "".join(_tile(gallery, case, row, said) for row, said in zip(rows, words, strict=True))
    left = len(order) - len(rows)
    more = f'<li class="rest">and {left:,} more</li>' if left else ""
    return (
        f'<ul class="grid" aria-label="{escape(title)}, {len(group):,} pictures">{tiles}{more}</ul>'
    )


def _tile(gallery: Gallery, case: Case, row: int, words: str) -> str:
    kind = case.of(row)
    link = escape(thumb(gallery.name, row, version(gallery)))
    said = escape(words or f"picture {row}")
    return (
        f'<li class="tile"><button type="button" data-twin="{row}" title="{said}: distort it">'
        f'<img src="{link}" alt="{said}" loading="lazy"></button>'
        f'<p><span>{said}</span><span class="change {MARKS[kind]}">{SIGNS[kind]}{KINDS[kind]}'
        "</span></p></li>"
    )
