"""Make data/qualities: how well the embedders that need no hub do, and what the first panels lose.

Run after a change of a shipped gallery or of an embedder, from the project's folder:
``python -m scripts.make_qualities``.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from retrieval.commands.verify import shipping
from retrieval.lab import DATA, Lab
from retrieval.measure.calibrations import calibrations
from retrieval.panel import Panel
from retrieval.ui.menu import START
from retrieval.ui.ratings import Ratings


def main() -> None:
    """Measure into a new folder, then put it in the place of the old one."""
    panels = [Panel.parse(each) for each in START]
    with tempfile.TemporaryDirectory() as cache:
        lab = Lab(cache=Path(cache))
        for entry in lab.catalog.entries():
            if entry.kind == "parquet":
                _one(lab, entry.name, panels)
        shutil.rmtree(DATA / "qualities", ignore_errors=True)
        made = Path(cache, "qualities")
        shutil.copytree(made, DATA / "qualities", ignore=shutil.ignore_patterns(".*.lock"))


def _one(lab: Lab, name: str, panels: list[Panel]) -> None:
    gallery, ratings = lab.gallery(name), Ratings(lab, calibrations(lab))
    every = ratings.of(gallery, shipping(), panels)
    for step in ratings.measure(gallery, every, float("inf")):
        sys.stderr.write(f"\r{name} {step.what}: {step.done:,} of {step.total:,} ")
    wrong = [f"{each.panel or each.embedder}: {each.problem}" for each in every if each.problem]
    sys.stderr.write("\n" + "".join(f"{each}\n" for each in wrong))


if __name__ == "__main__":
    main()
