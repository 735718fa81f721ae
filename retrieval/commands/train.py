"""``train``: a projection or a LoRA, with what it gains on rows that it has not seen."""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import replace
from typing import Any

import numpy as np

from retrieval.commands import train_lora
from retrieval.commands.listing import table
from retrieval.embedders import trained
from retrieval.errors import BadQuery, Refused
from retrieval.galleries.base import Gallery
from retrieval.lab import Lab
from retrieval.measure.quality import numbered
from retrieval.train.folds import Gain, check, cross_validated
from retrieval.train.projection import Floats, Settings, fit
from retrieval.types import Metric, Rows, Spec

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
TEXTS = "captions"
"""The embedder that reads captions for one that reads no text."""


def add(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command."""
    command = commands.add_parser(
        "train", help="fit a projection on an embedder's vectors, or a LoRA"
    )
    command.add_argument("--gallery", required=True)
    command.add_argument("--embedder", required=True)
    command.add_argument("--by", choices=("captions", "labels"), help="default: captions, if any")
    command.add_argument("--name", help="what to call it; default: the gallery's name")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--rounds", type=int, help="passes, at most")
    command.add_argument("--lora", action="store_true", help="train the towers, not a projection")
    command.set_defaults(run=run, show=show)
    return [command]


def run(lab: Lab, options: argparse.Namespace) -> dict[str, Any]:
    """Cross-validate, fit on all, keep.

    Raises:
        BadQuery: the name, the embedder or the gallery is not one to train with.
        Refused: in public mode.
    """
    if lab.public:
        raise Refused("a public lab trains nothing; run Parallax on your own machine for that")
    gallery, parent = lab.gallery(options.gallery), trainable(lab.spec(options.embedder))
    reads = parent.reads_text or not options.lora
    by = options.by or ("captions" if gallery.captioned and reads else "labels")
    name = named(options.name or gallery.name + "-lora" * options.lora)
    if options.rounds is not None and options.rounds < 1 or not 0 <= options.seed < 2**32:
        raise BadQuery("--rounds must be 1 or more, and --seed from 0 to 4,294,967,295")
    found = grouped(gallery, by)
    fit_and_keep = train_lora.run if options.lora else _projected
    kept, gain, count = fit_and_keep(lab, gallery, parent, by, name, found, options)
    comparable = parent.reads_text or by == "labels"
    return {
        "embedder": kept.name,
        "parent": parent.name,
        "gallery": gallery.name,
        "by": by,
        "rows": count,
        "comparable": comparable,
        "gain": gain.rows(),
        "proven": comparable and gain.proven(),
        "verdict": verdict(gain, comparable),
    }


def _projected(
    lab: Lab,
    gallery: Gallery,
    parent: Spec,
    by: str,
    name: str,
    found: tuple[Rows, Rows],
    options: argparse.Namespace,
) -> tuple[Spec, Gain, int]:
    settings = replace(Settings(), rounds=options.rounds or Settings.rounds, seed=options.seed)
    rows, groups = found
    check(groups, by)
    vectors = np.asarray(lab.vectors(gallery, parent.name), np.float32)[rows]
    texts = _texts(lab, gallery, parent, rows) if by == "captions" else None
    before = texts if parent.reads_text else None
    gain = cross_validated(vectors, groups, texts, before, settings, _progress("cross-validating"))
    weights = fit(vectors, groups, texts, settings, _progress("fitting"))
    return trained.save(parent, name, by, gallery.name, weights), gain, len(rows)


def trainable(spec: Spec) -> Spec:
    """The embedder's spec.

    Raises:
        BadQuery: it reads no pictures, makes bits, or is a typed name.
    """
    if spec.param("typed"):
        raise BadQuery(f"{spec.name} is typed; train by an embedder of the list")
    if not spec.reads_images or spec.metric is Metric.HAMMING:
        raise BadQuery(f"{spec.title} has no picture vectors to project; choose another embedder")
    return spec


def named(name: str) -> str:
    """A name that can stand in a panel.

    Raises:
        BadQuery: it cannot.
    """
    if not NAME.fullmatch(name):
        raise BadQuery(f"the name is {name[:80]!r}; use up to 40 of a-z, 0-9 and -")
    return name


def grouped(gallery: Gallery, by: str) -> tuple[Rows, Rows]:
    """The rows to fit on, and what belongs together among them.

    Raises:
        BadQuery: there are no such words.
    """
    every = range(len(gallery))
    groups = numbered(gallery.captions(every) if by == "captions" else gallery.labels(every))
    rows = np.flatnonzero(groups >= 0)
    if not len(rows):
        raise BadQuery(f"{gallery.name} has no {by}; train by the others, or choose a gallery")
    return rows, groups[rows]


def _texts(lab: Lab, gallery: Gallery, parent: Spec, rows: Rows) -> Floats:
    reader = parent.name if parent.reads_text else TEXTS
    return np.asarray(lab.texts(reader, gallery.captions(rows.tolist())), np.float32)


def verdict(gain: Gain, comparable: bool) -> str:
    """What the interval says, in a sentence."""
    mrr = gain.rows()["MRR"]
    if not comparable:
        return "the parent reads no text, so there is nothing to compare with"
    if mrr["low"] > 0:
        return f"better on rows that it has not seen: MRR {mrr['gain']:+.3f}"
    if mrr["high"] < 0:
        return f"worse on rows that it has not seen: MRR {mrr['gain']:+.3f}; do not use it"
    return "no gain is proven: the interval of MRR's difference holds zero"


def _progress(what: str) -> Any:
    def told(done: int, total: int) -> None:
        sys.stderr.write(f"{what}: {done} of {total}\n")

    return told


def show(answer: dict[str, Any]) -> str:
    """Before and after, and the verdict."""
    rows = [
        {
            "metric": name,
            "before": f"{each['before']:.3f}" if answer["comparable"] else "-",
            "after": f"{each['after']:.3f}",
            "difference": f"{each['gain']:+.3f} [{each['low']:+.3f}, {each['high']:+.3f}]",
        }
        for name, each in answer["gain"].items()
    ]
    title = (
        f"{answer['embedder']}: {answer['rows']:,} rows of {answer['gallery']} by {answer['by']}"
    )
    return f"{table(title, rows)}\n{answer['verdict']}"
