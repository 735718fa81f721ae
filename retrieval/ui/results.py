"""A result as a grid of pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from retrieval.types import Hit, Result
from retrieval.ui.figures import escape, percent
from retrieval.ui.thumbs import thumb

SURE = "fitted probability that a picture with this score is the one of a caption, or of the label"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a grid needs besides its own result.

    Attributes:
        gallery: its name, for the pictures' addresses.
        k: how many results were asked for.
        first: rank by row in the first panel; none in the first panel itself.
        sources: where a picture comes from, by row.
        version: of the gallery's rows, for the pictures' addresses.
        about: what its pictures are of.
        chances: the fitted probability of a right picture by row; empty where none is fitted.
        licence: of its pictures.
    """

    gallery: str
    k: int
    first: Mapping[int, int] | None
    sources: Mapping[int, str]
    version: str = ""
    chances: Mapping[int, float] = field(default_factory=dict)
    about: str = ""
    licence: str = ""


def grid(result: Result, shown: Shown) -> str:
    """Tiles of the hits, best first, then those that the index missed."""
    tiles = [_tile(hit, shown, _change(hit, shown.first)) for hit in result.hits]
    lost = [_tile(hit, shown, _lost(hit), " lost") for hit in result.missed]
    none = '<p class="note" data-none role="status" hidden></p>' if shown.chances else ""
    licence = escape(shown.licence)
    return f'{none}<ol class="grid" data-licence="{licence}">{"".join(tiles)}{"".join(lost)}</ol>'


def skeleton(count: int) -> str:
    """Empty tiles that keep the height of the results to come."""
    return f'<ol class="grid" aria-hidden="true">{"<li><i></i></li>" * min(count, 100)}</ol>'


def _tile(hit: Hit, shown: Shown, change: str, kind: str = "") -> str:
    caption = escape(hit.caption or f"picture {hit.row}")
    source = escape(thumb(shown.gallery, hit.row, shown.version))
    chance = shown.chances.get(hit.row)
    sure = "" if chance is None else f' data-chance="{chance:.4f}"'
    said = "" if chance is None else f' · <b title="{SURE}">{percent(chance)}</b>'
    return (
        f'<li class="tile{kind}"{sure}><button type="button" data-row="{hit.row}"'
        f' data-rank="{hit.rank}"'
        f' data-score="{hit.score:.3f}" data-label="{escape(hit.label)}"'
        f' data-source="{escape(shown.sources.get(hit.row, ""))}">'
        f'<img src="{source}" alt="{caption}" width="160" height="160" decoding="async">'
        f'<span class="rank">{hit.rank}</span>{change if kind else ""}</button>'
        f"<p><span>{caption}</span><small>{hit.score:.2f}{said}</small>"
        f"{'' if kind else change}</p></li>"
    )


def _change(hit: Hit, first: Mapping[int, int] | None) -> str:
    if first is None:
        return ""
    before = first.get(hit.row)
    if before is None:
        return '<span class="change new" title="not in A">only here</span>'
    if before == hit.rank:
        return '<span class="change same" title="same rank as in A">=</span>'
    kind, sign = ("up", "▲") if hit.rank < before else ("down", "▼")
    said = f"rank {before} in A"
    return f'<span class="change {kind}" title="{said}">{sign}{abs(before - hit.rank)}</span>'


def _lost(hit: Hit) -> str:
    return f'<span class="change missed">missed: rank {hit.rank} of exact</span>'
