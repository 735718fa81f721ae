"""Make data/artefacts: vectors of the shipped galleries, and indexes that are slow to build.

Run after a change of a shipped gallery or of an embedder, from the project's folder:
``python -m scripts.make_artefacts``. What FAISS builds in under three seconds is left out:
the lab builds it at first use and keeps it.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from retrieval.commands.bar import progress
from retrieval.commands.verify import shipping
from retrieval.errors import LabError
from retrieval.indexes import INDEXES
from retrieval.lab import DATA, Lab
from retrieval.panel import Panel
from retrieval.store import Store

SLOW = 3.0
"""Seconds from which on an index ships."""


def main() -> None:
    """Build into a new folder, then put it in the place of the old one."""
    beside = DATA / ".artefacts"
    shutil.rmtree(beside, ignore_errors=True)
    with tempfile.TemporaryDirectory() as quick:
        for entry in Lab(cache=Path(quick)).catalog.entries():
            if entry.kind == "parquet":
                for name in shipping():
                    make(entry.name, name, beside, Path(quick))
    for lock in beside.rglob(".*.lock"):
        lock.unlink()
    shutil.rmtree(DATA / "artefacts", ignore_errors=True)
    beside.rename(DATA / "artefacts")


def make(gallery: str, embedder: str, beside: Path, quick: Path) -> None:
    """The vectors of one gallery by one embedder, and its slow indexes."""
    lab = Lab(cache=quick)
    lab.store = Store(quick / "none", beside)
    lab.vectors(lab.gallery(gallery), embedder, progress())
    for index in INDEXES.specs():
        if lab.spec(embedder).metric in index.metrics:
            report(lab, gallery, Panel(embedder, index.name), beside)


def report(lab: Lab, gallery: str, panel: Panel, beside: Path) -> None:
    """Build one index, and drop it again if it is quick to build."""
    try:
        built = lab.index(lab.gallery(gallery), panel)
    except LabError as error:
        sys.stderr.write(f"{gallery} {panel}: {error}\n")
        return
    sys.stderr.write(f"{gallery} {panel}: {built.seconds:.2f} s\n")
    if built.seconds < SLOW:
        for folder in (beside / gallery / panel.embedder).glob(f"{panel.index}-*"):
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
