"""The control over the panels by which only a part of a gallery answers."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

from retrieval.galleries.base import Gallery
from retrieval.types import Result
from retrieval.ui.figures import escape
from retrieval.where import PARTS, Several, Where

SHARES = {1000: "all", 500: "50 %", 100: "10 %", 10: "1 %", 1: "0.1 %"}
"""What the slider says for so many thousandths of a gallery."""
MOST = 300
"""Labels that are listed, the commonest of a gallery; all of a row's where some have several."""
SHORT = 60
"""Characters of a filter that the page repeats."""


def control(gallery: Gallery, where: Where | None) -> str:
    """A picker of the label and a slider of the part, as the address has them."""
    chosen = str(where) if where else ""
    share = min(range(len(SHARES)), key=lambda at: abs(list(SHARES)[at] - _part(where)))
    steps = ",".join(str(part) for part in SHARES)
    said = "|".join(SHARES.values())
    return (
        f'<div class="filter{" on" if where else ""}" role="group"'
        ' aria-label="Which pictures may answer">'
        '<label><span>Only</span><select class="field" data-where="label">'
        f"{_options(gallery, chosen)}</select></label>"
        '<label class="part"><span>Part of the gallery</span><input type="range" data-where="part"'
        f' min="0" max="{len(SHARES) - 1}" value="{share}" data-parts="{steps}" data-said="{said}"'
        f' aria-valuetext="{list(SHARES.values())[share]}">'
        f"<output>{list(SHARES.values())[share]}</output></label></div>"
    )


def told(address_where: Where | None, rows: int, result: Result | None) -> str:
    """Of how many pictures an answer is, and which."""
    if address_where is None or result is None or result.allowed is None:
        return f"{rows:,} pictures"
    which = f"<q><bdi>{escape(shortened(address_where))}</bdi></q>"
    return f"{result.allowed:,} of {rows:,} pictures ({which})"


def shortened(where: Where) -> str:
    """A filter as one line that fits."""
    text = str(where)
    return text if len(text) <= SHORT else f"{text[: SHORT - 1]}…"


def count(result: Result) -> list[str]:
    """How many were found of how many that are allowed, and how where that was not plain."""
    if result.allowed is None:
        return []
    how = f", {result.how}" if result.how else ""
    return [f"{len(result.hits)} found of {result.allowed:,} allowed{how}"]


def _part(where: Where | None) -> int:
    plain = where is not None and where.column == "part" and where.sign == "<"
    return where.bound if where is not None and plain else PARTS


def _options(gallery: Gallery, chosen: str) -> str:
    listed = {"": "all pictures", **dict(_labels(gallery))}
    if chosen not in listed and not chosen.startswith("part"):
        listed[chosen] = chosen if len(chosen) <= SHORT else f"{chosen[: SHORT - 1]}…"
    return "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>'
        f"{escape(text)}</option>"
        for value, text in listed.items()
    )


@lru_cache(maxsize=32)
def _labels(gallery: Gallery) -> tuple[tuple[str, str], ...]:
    name, counts = "label", Counter(gallery.labels(range(len(gallery))))
    several = gallery.columns.get("labels")
    if isinstance(several, Several) and several.most > 1:
        name, counts = "labels", Counter(label for row in several for label in row)
    named = sorted((label for label, _ in counts.most_common(MOST) if label), key=str.lower)
    return tuple(
        (str(Where(name, "=", (label,))), f"{label} · {counts[label]:,}")
        for label in named
        if "\0" not in label and not any("\ud800" <= char <= "\udfff" for char in label)
    )
