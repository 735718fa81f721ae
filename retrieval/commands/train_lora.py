"""``train --lora``: an embedder's own towers, with what that gains on rows that it has not seen."""

from __future__ import annotations

import argparse
import importlib.util
from dataclasses import replace
from typing import Any

import numpy as np

from retrieval.commands.bar import progress
from retrieval.embedders import adapted
from retrieval.embedders.adapter import INSTALL, NEEDS, Adaptable, Tensors, Towers
from retrieval.errors import BadQuery, NotReady, Stopped
from retrieval.galleries.base import Gallery
from retrieval.lab import Lab
from retrieval.train.folds import Gain, check
from retrieval.train.lora import Settings
from retrieval.train.lora_folds import Course, cross_validated, whole
from retrieval.train.projection import Floats
from retrieval.train.spool import spooled
from retrieval.train.through import Given
from retrieval.types import Rows, Spec

MOST_ROWS = 10_000
"""Rows that are trained on and asked with, at most; of more, so many are drawn."""


def run(
    lab: Lab,
    gallery: Gallery,
    parent: Spec,
    by: str,
    name: str,
    found: tuple[Rows, Rows],
    options: argparse.Namespace,
) -> tuple[Spec, Gain, int]:
    """Cross-validate, fit on all, keep.

    Args:
        lab: what is loaded.
        gallery: to train on.
        parent: whose towers.
        by: captions or labels.
        name: what to call it.
        found: the rows that have words, and what belongs together among them.
        options: ``rounds`` and ``seed``.

    Returns:
        The embedder, what it gains, and how many rows were used.

    Raises:
        NotReady: peft is not installed.
        BadQuery: the embedder has no towers, the gallery too few words, or the lab computes in
            something else than float32.
        Stopped: by Ctrl-C.
    """
    installed()
    if lab.precision != "float32":
        raise BadQuery("a LoRA is fitted and compared in float32; leave out --precision")
    settings = replace(Settings(), seed=options.seed)
    settings = replace(settings, rounds=options.rounds or settings.rounds)
    rows, groups = drawn(*found, settings.seed)
    fitting(parent, by)
    check(groups, by)
    try:
        spec, gain, tensors = _fitted(lab, gallery, parent, by, (rows, groups), settings)
    except KeyboardInterrupt as error:
        raise Stopped("stopped; nothing of it is kept, and the same command begins anew") from error
    alpha = settings.alpha
    kept = adapted.save(spec, name, by, gallery.name, tensors, settings.rank, alpha)
    return kept, gain, len(rows)


def _fitted(
    lab: Lab, gallery: Gallery, parent: Spec, by: str, taken: tuple[Rows, Rows], settings: Settings
) -> tuple[Spec, Gain, Tensors]:
    """The parent's spec as it is loaded, what it gains, and the LoRA fitted on all rows."""
    rows, groups = taken
    embedder = lab.embedder(parent.name)
    assert isinstance(embedder, Adaptable)
    towers = embedder.towers
    before = frozen(lab, gallery, parent.name, rows, by)
    given = Given(
        spooled(gallery, rows.tolist(), towers.pixels, parent.side, progress()),
        _tokens(towers, gallery, rows) if by == "captions" else None,
        groups,
    )
    course = Course(progress(), len(rows), settings)
    gain = cross_validated(towers, given, before, settings, course)
    return embedder.spec, gain, whole(towers, given, settings, course)


def installed() -> None:
    """See that peft is there.

    Raises:
        NotReady: it is not.
    """
    missing = [need for need in NEEDS if importlib.util.find_spec(need) is None]
    if missing:
        raise NotReady(f"train --lora needs {', '.join(missing)}: {INSTALL}")


def fitting(parent: Spec, by: str) -> None:
    """See that an embedder is of a class with towers, and reads what it is to be trained by.

    Raises:
        BadQuery: it does not.
    """
    adapted.adaptable(parent)
    if by == "captions" and not parent.reads_text:
        raise BadQuery(f"{parent.title} reads no text; train it --by labels")


def drawn(rows: Rows, groups: Rows, seed: int) -> tuple[Rows, Rows]:
    """As many rows as are trained on, in their order."""
    if len(rows) <= MOST_ROWS:
        return rows, groups
    kept = np.sort(np.random.default_rng(seed).permutation(len(rows))[:MOST_ROWS])
    return rows[kept], groups[kept]


def frozen(lab: Lab, gallery: Gallery, name: str, rows: Rows, by: str) -> tuple[Floats, Floats]:
    """The rows' queries and pictures by the parent, both (n, d)."""
    pictures = np.asarray(lab.vectors(gallery, name, progress()), np.float32)[rows]
    if by == "labels":
        return pictures, pictures
    return np.asarray(lab.texts(name, gallery.captions(rows.tolist())), np.float32), pictures


def _tokens(towers: Towers, gallery: Gallery, rows: Rows) -> Any:
    return towers.tokens(gallery.captions(rows.tolist())) if towers.tokens else None
