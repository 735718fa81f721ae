"""Metrics of embedders in one task, with their intervals, and the queries that went worst."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from retrieval.commands.differences import flat
from retrieval.commands.evaluate import plain
from retrieval.embedders.trained import seen
from retrieval.galleries.base import Gallery
from retrieval.measure import bootstrap
from retrieval.measure.metrics import NAMES
from retrieval.measure.quality import Quality
from retrieval.measure.tables import header
from retrieval.ui.figures import escape
from retrieval.ui.menu import Menu
from retrieval.ui.ratings import Rating
from retrieval.ui.takeaway import takeaway
from retrieval.ui.thumbs import thumb, version

WORST = 12
"""Queries that are shown of each embedder."""


def rated(gallery: Gallery, task: str, ratings: Sequence[Rating], menu: Menu) -> str:
    """One task: a row an embedder, the best of each metric in bold."""
    ready = [each for each in ratings if each.finished and not each.problem]
    found = [each.quality for each in ready]
    best, ends = _best(found), _ends(found)
    rows = "".join(_row(each, best, ends, menu) for each in _ordered(ratings))
    head = "".join(f'<th scope="col">{name}</th>' for name in NAMES)
    worst = "".join(_worst(gallery, each, menu) for each in _ordered(ready))
    title = f"{task[:1].upper()}{task[1:]}"
    count = ratings[0].total if ratings else 0
    measured = {"measured": [plain(each) for each in found]}
    about = {"gallery": gallery.name, "revision": gallery.revision}
    specs = [menu.embedder(each.embedder) for each in ready]
    names = [each.embedder for each in found]
    again = once_more(gallery, menu, [task], names, embedder=names)
    files = takeaway(
        f"{title}: {gallery.title}", [*flat(about | measured)], gallery, *specs, again=again
    )
    return (
        f'<section class="task"><h2>{escape(title)}</h2><p class="hint">{count:,} queries; '
        f"the bars are 95 % intervals of the mean, to one scale a column. {_alike(found)}"
        f"{escape(seen(specs, gallery.name))} "
        "What reads captions is left out.</p>"
        f'<table class="figures rated"><thead><tr><th scope="col">Embedder</th>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table>{files if found else ''}"
        f'<div class="worsts">{worst}</div></section>'
    )


def _alike(found: Sequence[Quality]) -> str:
    """Which intervals are no bootstrap's, where there are some."""
    if not any(bootstrap.same(each.values).any() for each in found):
        return ""
    return "Where all queries come out alike it is the exact one (Clopper and Pearson 1934). "


def once_more(
    gallery: Gallery, menu: Menu, tasks: Iterable[str], embedders: Iterable[str], **options: Any
) -> dict[str, Any]:
    """What makes figures of quality a receipt."""
    specs = [menu.lab.spec(name) for name in dict.fromkeys(embedders)]
    spoken = [name.partition("(")[2].rstrip(")") for name in tasks if "(" in name]
    return header("evaluate", gallery, specs, language=spoken or None, **options)


def _ordered(ratings: Sequence[Rating]) -> list[Rating]:
    """The best mean reciprocal rank first, what is not measured last."""

    def place(rating: Rating) -> float:
        known = rating.finished and not rating.problem
        return -float(rating.quality.values[:, NAMES.index("MRR")].mean()) if known else 1.0

    return sorted(ratings, key=place)


def _best(found: Sequence[Quality]) -> dict[str, float]:
    """The highest mean of each metric, where there are several to compare."""
    if len(found) < 2:
        return {}
    means = np.array([each.values.mean(axis=0) for each in found]).max(axis=0)
    return dict(zip(NAMES, means.tolist(), strict=True))


def _ends(found: Sequence[Quality]) -> dict[str, float]:
    """The value at the right end of each metric's bars: the highest of its intervals."""
    highest = np.max([each.high for each in found], axis=0) if found else np.ones(len(NAMES))
    return dict(zip(NAMES, np.maximum(highest, 1e-9).tolist(), strict=True))


def _row(rating: Rating, best: dict[str, float], ends: dict[str, float], menu: Menu) -> str:
    title = f'<th scope="row">{escape(menu.embedder(rating.embedder).title)}</th>'
    if not rating.finished:
        said = f"{rating.done / rating.total:.0%} measured" if rating.done else "not measured yet"
        return f'<tr class="short">{title}<td colspan="{len(NAMES)}">{said}</td></tr>'
    if rating.problem:
        said = escape(rating.problem)
        return f'<tr class="short">{title}<td colspan="{len(NAMES)}">{said}</td></tr>'
    cells = "".join(
        _cell(name, value, value["mean"] == best.get(name), ends[name])
        for name, value in rating.quality.rows().items()
    )
    return f"<tr>{title}{cells}</tr>"


def _cell(name: str, value: dict[str, float], bold: bool, end: float) -> str:
    mean, low, high = value["mean"], value["low"], value["high"]
    shown = f"<b>{mean:.3f}</b>" if bold else f"{mean:.3f}"
    left, wide, middle = (100 * each / end for each in (low, high - low, mean))
    return (
        f'<td data-name="{name}" title="95 % interval {low:.3f} to {high:.3f}">{shown}'
        f'<i class="interval" aria-hidden="true"><i style="left:{left:.1f}%;width:{wide:.1f}%"></i>'
        f'<i class="mean" style="left:{middle:.1f}%"></i></i>'
        f"<small>{low:.3f}–{high:.3f}</small></td>"
    )


def _worst(gallery: Gallery, rating: Rating, menu: Menu) -> str:
    """The queries with the lowest reciprocal rank, each a click that asks it."""
    found, task = rating.quality.values[:, NAMES.index("MRR")], rating.task
    places = np.argsort(found, kind="stable")[:WORST]
    items = "".join(
        asked(
            gallery,
            int(task.rows[at]),
            None if task.texts is None else task.texts[at],
            f"first right at rank {round(1 / found[at]):,}",
            rating.embedder,
        )
        for at in places
    )
    title = escape(menu.embedder(rating.embedder).title)
    return (
        f'<details class="help"><summary>Worst queries of {title}</summary>'
        f'<ol class="worst">{items}</ol></details>'
    )


def asked(gallery: Gallery, row: int, text: str | None, said: str, embedder: str) -> str:
    """A query as a button that asks it in the search.

    Args:
        gallery: whose rows.
        row: that it belongs to.
        text: its words; none where the row's picture is asked.
        said: how it went.
        embedder: that is to have a panel there.
    """
    caption = text or gallery.caption(row) or f"picture {row}"
    by = f'data-text="{escape(text)}"' if text is not None else f'data-picture="{row}"'
    source = escape(thumb(gallery.name, row, version(gallery)))
    return (
        f'<li><button type="button" data-worst {by} data-embedder="{escape(embedder)}">'
        f'<img src="{source}" alt="" loading="lazy" width="72" height="72">'
        f"<span>{escape(caption)}</span><small>{escape(said)}</small></button></li>"
    )
