"""``verify``: every artefact against its manifest, and a sample of rows embedded again."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from retrieval import manifest, shards
from retrieval.advisor.evidence import ratings
from retrieval.duplicates.kept import Detections
from retrieval.embedders import EMBEDDERS
from retrieval.embedders.gallery import embed
from retrieval.errors import Damaged, LabError
from retrieval.lab import Lab
from retrieval.measure import qualities, scale
from retrieval.measure.calibrations import calibrations
from retrieval.measure.rounds import sweeps
from retrieval.readiness import state
from retrieval.store import Store, vectors_key
from retrieval.types import Metric, Spec

SAMPLE = 8
"""Rows of each gallery that are embedded again."""
ALIKE = 0.9999
"""Least cosine between a stored vector and the same row embedded now."""


def add(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command."""
    command = commands.add_parser("verify", help="check every stored file")
    command.add_argument("--quick", action="store_true", help="embed nothing again")
    command.set_defaults(run=run, show=show)
    return [command]


def run(lab: Lab, options: argparse.Namespace) -> dict[str, Any]:
    """Check all; one damaged file is an error that names it.

    Raises:
        Damaged: naming each thing that is missing or not what it should be.
    """
    notes = (scale.notes(lab), qualities.notes(lab), ratings(lab))
    kept = (lab.store, sweeps(lab), *notes, calibrations(lab), Detections(lab))
    folders = [folder for each in kept for folder in each.folders()]
    problems = [_problem(lab, folder, options.quick) for folder in folders]
    wrong = [each for each in (*problems, *_lacking(lab), *_galleries(lab)) if each]
    if wrong:
        raise Damaged(f"{len(wrong)} of {len(folders)} artefacts are wrong: {'; '.join(wrong)}")
    return {"artefacts": len(folders), "embedded_again": not options.quick}


def _lacking(lab: Lab) -> Iterator[str]:
    """Shipped galleries without the shipped vectors of an embedder that needs no hub."""
    shipped = Store(lab.store.shipped, lab.store.shipped)
    for entry in lab.catalog.entries():
        if entry.kind == "parquet":
            gallery = lab.catalog.open(entry.name)
            for name in shipping():
                spec = EMBEDDERS.spec(name)  # in the precision that ships, whatever the lab's
                if shipped.find(vectors_key(gallery, spec)) is None:
                    yield f"{entry.name} lacks its vectors by {name}; take data/ anew"


def shipping() -> list[str]:
    """The embedders whose vectors ship: those whose weights come as packages."""
    return [
        spec.name
        for spec in EMBEDDERS.specs()
        if spec.install and not (spec.param("repo") or spec.bytes or spec.key or made_here(spec))
    ]


def made_here(spec: Spec) -> bool:
    """Whether an embedder is the user's own: a folder that a variable names, or one trained."""
    return bool(spec.param("variable") or spec.param("parent"))


def _galleries(lab: Lab) -> Iterator[str]:
    """What is wrong with the galleries that are here."""
    for entry in lab.catalog.entries():
        if entry.kind == "parquet" or lab.catalog.state(entry.name).kind == "ready":
            try:
                lab.catalog.open(entry.name).verify()
            except LabError as error:
                yield str(error)


def _problem(lab: Lab, folder: Path, quick: bool) -> str:
    try:
        key = manifest.check(folder)["key"]
        return "" if quick or key["kind"] != "vectors" else _drift(lab, folder, key)
    except LabError as error:
        return str(error)


def _drift(lab: Lab, folder: Path, key: dict[str, Any]) -> str:
    if key["embedder"] not in EMBEDDERS.names() or key["gallery"] not in lab.catalog.names():
        return ""  # of a gallery or embedder that is not here today
    spec = lab.spec(key["embedder"])
    states = lab.catalog.state(key["gallery"]), state(spec, lab.public)
    if any(each.kind != "ready" for each in states):
        return ""  # nor is what would have to be fetched first
    gallery = lab.catalog.open(key["gallery"])
    if vectors_key(gallery, spec) != key:
        return ""  # of another revision: never found, so never used
    if spec.key:
        return ""  # embedding again would cost money
    step = max(1, len(gallery) // SAMPLE)
    stored = shards.read(folder, spec.metric)
    worst = 1.0
    for row in range(0, len(gallery), step):
        now = embed(gallery, lab.embedder(spec.name), range(row, row + 1), None)[0]
        worst = min(worst, _alike(stored[row], now, spec.metric))
    return "" if worst >= ALIKE else f"{folder}: embedded again, cosine is {worst:.5f} only"


def _alike(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any], metric: Metric) -> float:
    return float(one @ other) if metric is Metric.COSINE else float((one == other).all())


def show(answer: dict[str, Any]) -> str:
    """One line."""
    again = "a sample embedded again" if answer["embedded_again"] else "nothing embedded again"
    return f"{answer['artefacts']} artefacts are what their manifests say; {again}"
