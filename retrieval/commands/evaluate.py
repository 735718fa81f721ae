"""``evaluate``: how well each embedder finds what belongs together, with intervals."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from retrieval.commands.build import ready
from retrieval.commands.listing import table
from retrieval.errors import BadQuery
from retrieval.galleries.base import Gallery
from retrieval.galleries.parquet import ParquetGallery
from retrieval.lab import Lab
from retrieval.measure.metrics import NAMES
from retrieval.measure.quality import Quality, Task, by_caption, by_label, measure

MINE = "en"
"""The language of a gallery's plain captions."""


def add(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command."""
    command = commands.add_parser("evaluate", help="R@k, MRR, mAP and nDCG of the embedders")
    command.add_argument("--gallery", default="stamps")
    command.add_argument("--embedder", action="append", help="default: all that are ready")
    command.add_argument("--language", action="append", help="ask in it too; all: in every one")
    command.set_defaults(run=run, show=show)
    return [command]


def run(lab: Lab, options: argparse.Namespace) -> dict[str, Any]:
    """Evaluate what can do each task."""
    gallery = lab.gallery(options.gallery)
    names = options.embedder or ready(lab)
    found = [
        plain(quality) for quality in measured(lab, gallery, names, options.language or [MINE])
    ]
    if not found:
        raise BadQuery(
            f"{gallery.name} has neither captions nor labels that these embedders can be asked by"
        )
    return {"gallery": gallery.name, "revision": gallery.revision, "measured": found}


def measured(
    lab: Lab, gallery: Gallery, names: list[str], languages: list[str]
) -> Iterator[Quality]:
    """Every task by every embedder that can do it; what reads captions is left out."""
    for task in tasks(gallery, languages):
        for name in names:
            spec = lab.spec(name)
            if spec.reads_images and (task.texts is None or spec.reads_text):
                yield measure(lab, gallery, name, task)


def tasks(gallery: Gallery, languages: list[str]) -> Iterator[Task]:
    """What can be asked of a gallery."""
    for language in _languages(gallery, languages):
        texts = _texts(gallery, language)
        if any(texts):
            yield by_caption(gallery, texts, f"caption to picture ({language})")
    labels = [label for label in gallery.labels(range(len(gallery))) if label]
    if len(set(labels)) < len(labels):
        yield by_label(gallery)


def _languages(gallery: Gallery, wanted: list[str]) -> list[str]:
    if "all" not in wanted:
        return wanted
    return list(gallery.languages()) if isinstance(gallery, ParquetGallery) else [MINE]


def _texts(gallery: Gallery, language: str) -> list[str]:
    if isinstance(gallery, ParquetGallery):
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
    """A table a task."""
    named = dict.fromkeys(each["task"] for each in answer["measured"])
    return "\n\n".join(
        table(
            f"{answer['gallery']}: {task}",
            [_row(each) for each in answer["measured"] if each["task"] == task],
        )
        for task in named
    )


def _row(each: dict[str, Any]) -> dict[str, Any]:
    cells = {
        name: f"{value['mean']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"
        for name, value in ((name, each["metrics"][name]) for name in NAMES)
    }
    return {"embedder": each["embedder"], "queries": each["queries"], **cells}
