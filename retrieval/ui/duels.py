"""Whether the search's panels differ: a test of each pair, by label, and where one is behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache

from retrieval.commands.differences import flat, told
from retrieval.galleries.base import Gallery
from retrieval.measure.metrics import SHOWN
from retrieval.measure.pairs import FEW, Difference, Rate, apart, by_label, compared
from retrieval.panel import Panel
from retrieval.ui.figures import escape
from retrieval.ui.menu import Menu
from retrieval.ui.panel import LETTERS
from retrieval.ui.ratings import K, Rating
from retrieval.ui.tables import asked, once_more
from retrieval.ui.takeaway import takeaway

BY = ("R@1", "R@10", "nDCG@10")
"""Metrics that are shown; the command tells all."""
NDCG = SHOWN.index("nDCG@10")
WORST = 12
"""Queries that are shown of each pair."""
Panels = Mapping[str, Sequence[Rating]]


def duels(gallery: Gallery, by_task: Panels, menu: Menu, letters: Mapping[str, str]) -> str:
    """Each pair of panels in each task that two of them have done; nothing where none has.

    Args:
        gallery: whose queries.
        by_task: ratings by the task's name.
        menu: names embedders and indexes.
        letters: of the panels, as the search has them.
    """
    tasks = {
        name: tuple(each for each in some if each.panel and each.finished and not each.problem)
        for name, some in by_task.items()
    }
    ready = {name: some for name, some in tasks.items() if len(some) > 1}
    if not ready:
        return ""
    found = _compared(tuple(ready.items()))
    names = dict.fromkeys(each.embedder for some in ready.values() for each in some)
    specs = [menu.embedder(name) for name in names]
    drawn = "".join(
        _task(gallery, some, [each for each in found if each.task == name], letters, menu)
        for name, some in ready.items()
    )
    legend = "".join(
        f"<li><b>{letter}</b>{escape(_title(panel, menu))}</li>"
        for panel, letter in letters.items()
        if any(str(each.panel) == panel for some in ready.values() for each in some)
    )
    count = len(found) // len(SHOWN)
    rows = [*flat({**_about(gallery), "pairs": [asdict(each) for each in found]})]
    panels = dict.fromkeys(str(each.panel) for some in ready.values() for each in some)
    again = once_more(gallery, menu, ready, names, pair=[*panels])
    files = takeaway(f"Is the difference real: {gallery.title}", rows, gallery, *specs, again=again)
    return (
        '<section class="task"><h2>Is the difference real?</h2>'
        f'<ul class="legend">{legend}</ul><p class="hint">Each query is asked of both panels; the '
        "mean difference has a 95 % interval, and p is of a permutation test, Holm-corrected for "
        f"the {count} comparison{'s' if count > 1 else ''} here. Bold: p below 0.05.</p>"
        f"{drawn}{files}</section>"
    )


def lettered(panels: Sequence[Panel | None]) -> dict[str, str]:
    """The letter of each panel of the search; of equal ones the first's, of a gap none."""
    found: dict[str, str] = {}
    for letter, panel in zip(LETTERS, panels, strict=False):
        if panel is not None:
            found.setdefault(str(panel), letter)
    return found


def _title(panel: str, menu: Menu) -> str:
    parsed = Panel.parse(panel)
    knobs = "".join(f", {name} {value}" for name, value in parsed.knobs)
    return f"{menu.embedder(parsed.embedder).title} × {menu.index(parsed.index).title}{knobs}"


@lru_cache(maxsize=64)
def _compared(tasks: tuple[tuple[str, tuple[Rating, ...]], ...]) -> list[Difference]:
    return compared(
        [(name, [(str(each.panel), each.loss.values) for each in some]) for name, some in tasks]
    )


def _task(
    gallery: Gallery,
    some: Sequence[Rating],
    found: Sequence[Difference],
    letters: Mapping[str, str],
    menu: Menu,
) -> str:
    name = some[0].task.name
    pairs = dict.fromkeys((each.one, each.other) for each in found)
    rows = "".join(
        _row(pair, [each for each in found if (each.one, each.other) == pair], letters)
        for pair in pairs
    )
    head = "".join(f'<th scope="col">{metric}</th>' for metric in BY)
    return (
        f"<h3>{escape(name[:1].upper() + name[1:])}</h3>"
        '<table class="figures rated"><thead><tr><th scope="col">Difference</th>'
        f"{head}</tr></thead><tbody>{rows}</tbody></table>"
        f'<div class="worsts">{_labels(gallery, some, letters, menu)}'
        f"{''.join(_behind(gallery, one, other, letters) for one in some for other in some)}</div>"
    )


def _row(pair: tuple[str, str], found: Sequence[Difference], letters: Mapping[str, str]) -> str:
    cells = "".join(_cell(each) for each in found if each.metric in BY)
    return f'<tr><th scope="row">{letters[pair[0]]} − {letters[pair[1]]}</th>{cells}</tr>'


def _cell(each: Difference) -> str:
    mean = _signed(each.mean)
    shown = f"<b>{mean}</b>" if each.sure else mean
    ends = f"{_signed(each.low)} to {_signed(each.high)}"
    p = "p &lt; 0.001" if each.holm < 0.001 else f"p {each.holm:.3f}"
    return f'<td data-name="{each.metric}">{shown}<small>{ends}</small><small>{p}</small></td>'


def _signed(value: float) -> str:
    return "0.000" if abs(value) < 0.0005 else f"{value:+.3f}".replace("-", "−")


def _about(gallery: Gallery) -> dict[str, str]:
    return {"gallery": gallery.name, "revision": gallery.revision}


def _labels(
    gallery: Gallery, some: Sequence[Rating], letters: Mapping[str, str], menu: Menu
) -> str:
    task = some[0].task
    rates = by_label(_of(gallery), task, [each.loss.found > 0 for each in some])
    if len(rates) < 2:
        return ""
    head = "".join(f'<th scope="col">{letters[str(each.panel)]} found</th>' for each in some)
    rows = "".join(_rate(rate, [letters[str(each.panel)] for each in some]) for rate in rates)
    panels = [str(each.panel) for each in some]
    figures = flat({**_about(gallery), "labels": [told(task, rate, panels) for rate in rates]})
    title = f"By label, {task.name}: {gallery.title}"
    names = [each.embedder for each in some]
    specs = [menu.embedder(name) for name in dict.fromkeys(names)]
    again = once_more(gallery, menu, [task.name], names, pair=panels, by="label")
    files = takeaway(title, [*figures], gallery, *specs, drawn=False, again=again)
    return (
        f'<details class="help"><summary>By label ({len(rates)})</summary>'
        f'<p class="hint">Queries with a right picture among the first {K}, the labels with the '
        f"most queries first. Below {FEW} queries a rate is little more than its counts.</p>"
        '<div class="tall" tabindex="0"><table class="figures rated"><thead><tr>'
        f'<th scope="col">Label</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        f"{files}</details>"
    )


def _rate(rate: Rate, names: Sequence[str]) -> str:
    cells = "".join(
        f'<td data-name="{name} found">{hits} of {rate.count}'
        f"<small>{hits / rate.count:.0%}, {low:.0%} to {high:.0%}</small></td>"
        for at, (name, hits) in enumerate(zip(names, rate.found, strict=True))
        for low, high in [rate.interval(at)]
    )
    few = " <small>few</small>" if rate.few else ""
    return f'<tr><th scope="row">{escape(rate.label)}{few}</th>{cells}</tr>'


@lru_cache(maxsize=8)
def _of(gallery: Gallery) -> list[str]:
    return gallery.labels(range(len(gallery)))


def _behind(gallery: Gallery, one: Rating, other: Rating, letters: Mapping[str, str]) -> str:
    """The queries on which one panel falls furthest behind another, each a click that asks it."""
    by, than = one.loss.values[:, NDCG], other.loss.values[:, NDCG]
    places = apart(by, than, WORST).tolist() if one is not other else []
    task, mine, theirs = one.task, letters[str(one.panel)], letters[str(other.panel)]
    items = "".join(
        asked(
            gallery,
            int(task.rows[at]),
            None if task.texts is None else task.texts[at],
            f"nDCG@10 {by[at]:.2f} in {mine}, {than[at]:.2f} in {theirs}",
            one.embedder,
        )
        for at in places
    )
    return items and (
        f'<details class="help"><summary>Where {mine} falls behind {theirs}</summary>'
        f'<ol class="worst">{items}</ol></details>'
    )
