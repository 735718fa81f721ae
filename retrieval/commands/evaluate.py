"""``evaluate``: how well embedders find what belongs together, and where panels lose it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from retrieval.commands.build import ready
from retrieval.commands.compare import declared
from retrieval.commands.listing import table
from retrieval.embedders.trained import seen
from retrieval.errors import BadQuery
from retrieval.galleries.base import Gallery
from retrieval.galleries.parquet import ParquetGallery
from retrieval.indexes.base import MOST
from retrieval.lab import Lab
from retrieval.measure.losses import Loss, loss
from retrieval.measure.metrics import NAMES
from retrieval.measure.quality import Quality, Task, by_caption, by_label, measure
from retrieval.measure.tables import header
from retrieval.panel import Panel
from retrieval.types import Spec

K = 10
MINE = "en"
"""The language of a gallery's plain captions."""


def add(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command."""
    command = commands.add_parser("evaluate", help="R@k, MRR, mAP and nDCG of the embedders")
    command.add_argument("--gallery", default="stamps")
    command.add_argument("--embedder", action="append", help="default: all that are ready")
    command.add_argument("--language", action="append", help="ask in it too; all: in every one")
    which = command.add_mutually_exclusive_group()
    which.add_argument("--panel", action="append", help="split its error: model's and index's")
    which.add_argument(
        "--pair", nargs="+", metavar="PANEL", help="test whether they differ; two or more"
    )
    command.add_argument("--by", choices=("label",), help="with --pair: rates of each label too")
    command.add_argument("--csv", action="store_true", help="print CSV")
    command.add_argument(
        "-k", type=int, default=K, help="with --panel: pictures that a person looks at"
    )
    command.set_defaults(run=run, show=show)
    return [command]


def run(lab: Lab, options: argparse.Namespace) -> dict[str, Any]:
    """Evaluate what can do each task, or split the error of panels.

    Raises:
        BadQuery: k is out of range, nothing can be asked, or a flag is given that nothing heeds.
    """
    if options.by and not options.pair:
        raise BadQuery("--by is of --pair; name two panels, or leave it out")
    if options.embedder and (options.panel or options.pair):
        raise BadQuery("panels name their embedders; leave --embedder out")
    if options.k != K and not options.panel:
        raise BadQuery("-k is of --panel: all others are of ten; leave it out")
    if not 1 <= options.k <= MOST:
        raise BadQuery(f"k is {options.k}; it must be between 1 and {MOST:,}")
    gallery = lab.gallery(options.gallery)
    if options.pair:
        from retrieval.commands.differences import pairs

        found = pairs(lab, gallery, options)
        return {**found, **_header(lab, gallery, options), "csv": options.csv}
    if options.panel:
        found = split(lab, gallery, options)
        return {**found, **_header(lab, gallery, options), "csv": options.csv}
    names, languages = (
        options.embedder or ready(lab, gallery.about),
        options.language or [usual(gallery)],
    )
    measurements = [plain(quality) for quality in measured(lab, gallery, names, languages)]
    if not measurements:
        raise BadQuery(
            f"{gallery.name} has neither captions nor labels that these embedders can be asked by"
        )
    return {
        "gallery": gallery.name,
        "revision": gallery.revision,
        "measured": measurements,
        "seen": seen(map(lab.spec, names), gallery.name),
        **header("evaluate", gallery, [*map(lab.spec, names)], embedder=names, language=languages),
        "csv": options.csv,
    }


def _header(lab: Lab, gallery: Gallery, options: argparse.Namespace) -> dict[str, Any]:
    """What panels were compared by, so that it can be done again."""
    from retrieval.commands.differences import panel as parsed

    panels = options.pair or options.panel
    names = dict.fromkeys(parsed(each).embedder for each in panels)
    told = {"pair": options.pair, "by": options.by} if options.pair else {"panel": panels}
    more = {"language": options.language, "k": options.k}
    return header("evaluate", gallery, [*map(lab.spec, names)], **told, **more)


def measured(
    lab: Lab, gallery: Gallery, names: list[str], languages: list[str]
) -> Iterator[Quality]:
    """Every task by every embedder that can do it; what reads captions is left out."""
    for task in tasks(gallery, languages):
        for name in names:
            if can(lab.spec(name), task):
                yield measure(lab, gallery, name, task)


def split(lab: Lab, gallery: Gallery, options: argparse.Namespace) -> dict[str, Any]:
    """What each panel's model loses and what its index loses, by task."""
    panels = [declared(lab, Panel.parse(text)) for text in options.panel]
    found = [
        lost(task, loss(lab, gallery, panel, task, options.k))
        for task in tasks(gallery, options.language or [usual(gallery)])
        for panel in panels
        if can(lab.spec(panel.embedder), task)
    ]
    if not found:
        raise BadQuery(f"no task of {gallery.name} can be asked of these panels; name others")
    return {"gallery": gallery.name, "revision": gallery.revision, "split": found}


def can(spec: Spec, task: Task) -> bool:
    """Whether an embedder can do a task; what reads captions is left out."""
    return spec.reads_images and (task.texts is None or spec.reads_text)


def lost(task: Task, given: Loss) -> dict[str, Any]:
    """A split as JSON has it."""
    index, low, high = given.interval()
    return {
        "panel": str(given.panel),
        "task": task.name,
        "queries": len(given.found),
        "k": given.k,
        "found": float(given.found.mean()),
        "lost_by_model": given.model,
        "lost_by_index": {"mean": index, "low": low, "high": high},
    }


def tasks(gallery: Gallery, languages: list[str]) -> Iterator[Task]:
    """What can be asked of a gallery."""
    for language in _languages(gallery, languages):
        texts = _texts(gallery, language)
        if any(texts):
            yield by_caption(gallery, texts, f"caption to picture ({language})")
    labels = [label for label in gallery.labels(range(len(gallery))) if label]
    if len(set(labels)) < len(labels):
        yield by_label(gallery)


def usual(gallery: Gallery) -> str:
    """The language to ask in where none is named: English, else what most captions are in."""
    known = languages(gallery)
    return MINE if MINE in known or not known else known[0]


def languages(gallery: Gallery) -> list[str]:
    """The languages of a gallery's captions, the most first; none where that is not known."""
    return list(gallery.languages()) if isinstance(gallery, ParquetGallery) else []


def _languages(gallery: Gallery, wanted: list[str]) -> list[str]:
    if "all" not in wanted:
        return wanted
    return languages(gallery) or [MINE]


def _texts(gallery: Gallery, language: str) -> list[str]:
    if isinstance(gallery, ParquetGallery) and gallery.languages():
        return gallery.captions_in(language)
    if language != MINE:
        raise BadQuery(f"{gallery.name} has captions in one language; leave out --language")
    return gallery.captions(range(len(gallery)))


def plain(quality: Quality) -> dict[str, Any]:
    """A measurement as JSON has it."""
    return {
        "embedder": quality.embedder,
        "task": quality.task,
        "queries": len(quality.values),
        "metrics": quality.rows(),
    }


def show(answer: dict[str, Any]) -> str:
    """A table a task, or CSV."""
    if answer["csv"]:
        from retrieval.commands.differences import as_csv

        return as_csv(answer)
    if "pairs" in answer:
        from retrieval.commands.differences import show as shown

        return shown(answer)
    rows = answer.get("measured") or answer["split"]
    row = _row if "measured" in answer else _split
    named = dict.fromkeys(each["task"] for each in rows)
    tables = [
        table(f"{answer['gallery']}: {task}", [row(each) for each in rows if each["task"] == task])
        for task in named
    ]
    return "\n\n".join(filter(None, [*tables, answer.get("seen", "")]))


def _split(each: dict[str, Any]) -> dict[str, Any]:
    by = each["lost_by_index"]
    return {
        "panel": each["panel"],
        "queries": each["queries"],
        f"found among {each['k']}": f"{each['found']:.3f}",
        "lost by the model": f"{each['lost_by_model']:.3f}",
        "lost by the index": f"{by['mean']:.3f} [{by['low']:.3f}, {by['high']:.3f}]",
    }


def _row(each: dict[str, Any]) -> dict[str, Any]:
    cells = {
        name: f"{value['mean']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"
        for name, value in ((name, each["metrics"][name]) for name in NAMES)
    }
    return {"embedder": each["embedder"], "queries": each["queries"], **cells}
