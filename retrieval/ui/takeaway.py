"""Buttons that give the figures around them as CSV and JSON, and their picture as PNG."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from retrieval.galleries.base import Gallery
from retrieval.measure.tables import here
from retrieval.types import Spec
from retrieval.ui.figures import escape
from retrieval.ui.licences import licence, picture

Row = Mapping[str, Any]
"""A line of a table: texts, numbers, or nothing, by column."""


def takeaway(
    title: str,
    rows: Sequence[Row],
    gallery: Gallery,
    *embedders: Spec,
    drawn: bool = True,
    again: Mapping[str, Any] | None = None,
) -> str:
    """The buttons; the figures stand in the page, so that what is seen is what is given.

    Args:
        title: of the files, too.
        rows: unrounded; the columns are those of all rows.
        gallery: that they are of.
        embedders: whose vectors they are of.
        drawn: there is a picture of them.
        again: a ``tables.header``, where they can be measured again.
    """
    whole = {**told(title, rows, gallery, *embedders), **(again or {})}
    figures = json.dumps(whole, ensure_ascii=False)
    return buttons(figures, picture(title, gallery, *embedders) if drawn else "")


def buttons(figures: str, png: str = "") -> str:
    """The buttons of figures that ``told`` has written, or of the link that gives them."""
    kinds = "".join(
        f'<button type="button" class="plain" data-take="{kind}">{kind.upper()}</button>'
        for kind in ("csv", "json")
    )
    return f'<p class="ways" data-figures="{escape(figures)}">{kinds}{png}</p>'


def told(title: str, rows: Sequence[Row], gallery: Gallery, *embedders: Spec) -> dict[str, Any]:
    """Figures with their licences and where they were made, plain JSON."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    weights = {
        each.name: licence(each.licence) if each.licence else "none needed" for each in embedders
    }
    return {
        "title": title,
        "gallery": gallery.name,
        "gallery_revision": gallery.revision,
        "source": gallery.source,
        "licences": {"gallery": licence(gallery.licence), "weights": weights},
        **here(),
        "columns": columns,
        "rows": [[_plain(row.get(name)) for name in columns] for row in rows],
    }


def _plain(value: Any) -> Any:
    """As JSON has it; it has no NaN."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
