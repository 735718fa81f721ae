"""Where the error comes from: one stacked bar a panel and task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from retrieval.commands.differences import flat
from retrieval.commands.evaluate import lost
from retrieval.galleries.base import Gallery
from retrieval.ui.figures import escape
from retrieval.ui.menu import Menu
from retrieval.ui.ratings import K, Rating
from retrieval.ui.tables import once_more
from retrieval.ui.takeaway import takeaway

PARTS = {"found": "found", "model": "lost by the model", "index": "lost by the index"}


def splits(gallery: Gallery, by_task: Mapping[str, Sequence[Rating]], menu: Menu) -> str:
    """The bars of every panel in every task that it can do."""
    tasks = {
        name: [each for each in ratings if each.panel is not None]
        for name, ratings in by_task.items()
    }
    drawn = "".join(
        f'<h3>{escape(name[:1].upper() + name[1:])}</h3><table class="split">'
        + "".join(_row(each, menu) for each in some)
        + "</table>"
        for name, some in tasks.items()
        if some
    )
    if not drawn:
        return ""
    legend = "".join(f'<li><i class="part {part}"></i>{said}</li>' for part, said in PARTS.items())
    return (
        '<section class="chart"><h2>Where the error comes from</h2>'
        f'<ul class="legend">{legend}</ul>{drawn}'
        f'<p class="hint">Share of queries with a right picture among the first {K}, for the '
        "panels of the search. What exact search over the same vectors does not answer is lost "
        f"by the model; what it answers and the index does not, by the index.</p>"
        f"{_files(gallery, tasks, menu)}</section>"
    )


def _files(gallery: Gallery, tasks: Mapping[str, Sequence[Rating]], menu: Menu) -> str:
    ready = [each for some in tasks.values() for each in some if each.finished and not each.problem]
    if not ready:
        return ""
    split = {"split": [lost(each.task, each.loss) for each in ready]}
    rows = [*flat({"gallery": gallery.name, "revision": gallery.revision} | split)]
    specs = [menu.embedder(name) for name in dict.fromkeys(each.embedder for each in ready)]
    panels = list(dict.fromkeys(str(each.panel) for each in ready))
    names = [each.embedder for each in ready]
    again = once_more(gallery, menu, tasks, names, panel=panels, k=K)
    return takeaway(
        f"Where the error comes from: {gallery.title}", rows, gallery, *specs, again=again
    )


def _row(rating: Rating, menu: Menu) -> str:
    assert rating.panel is not None
    panel = rating.panel
    knobs = ", ".join(f"{name} {value}" for name, value in panel.knobs)
    title = f"{menu.embedder(panel.embedder).title} × {menu.index(panel.index).title}"
    head = f'<th scope="row">{escape(title)}{f" <small>{escape(knobs)}</small>" if knobs else ""}'
    if rating.problem:
        return f'<tr>{head}</th><td colspan="2">{escape(rating.problem)}</td></tr>'
    if not rating.finished:
        said = f"{rating.done / rating.total:.0%} measured" if rating.done else "not measured yet"
        return f'<tr>{head}</th><td colspan="2">{said}</td></tr>'
    return f"<tr>{head}</th>{_bar(rating)}</tr>"


def _bar(rating: Rating) -> str:
    loss, (index, low, high) = rating.loss, rating.by_index
    shares = {"found": float(loss.found.mean()), "model": loss.model, "index": index}
    whole = sum(max(value, 0.0) for value in shares.values()) or 1.0
    parts = "".join(
        f'<i class="part {part}" style="width:{100 * max(value, 0.0) / whole:.2f}%"></i>'
        for part, value in shares.items()
    )
    words = f"found {shares['found']:.3f} · model {shares['model']:.3f} · index {index:.3f}" + (
        f" <small>[{low:.3f}, {high:.3f}]</small>" if low < high else ""
    )
    return (
        f'<td class="wide"><span class="bar" aria-hidden="true">{parts}</span></td><td>{words}</td>'
    )
