"""Measure what ships: detection under distortions, of every embedder with shipped vectors.

Run as ``python -m scripts.make_detections``; it goes on from what is there already.
"""

from __future__ import annotations

import shutil
import sys

from retrieval.duplicates import kept
from retrieval.duplicates.finder import Finder
from retrieval.embedders import EMBEDDERS
from retrieval.lab import Lab
from retrieval.store import place, vectors_key

GALLERIES = ("stamps", "clipart")
COUNT = 100
"""Pictures of each gallery's sample."""


def main() -> None:
    """Measure, and put what was measured into ``data``."""
    finder = Finder(Lab())
    for gallery in GALLERIES:
        for name in _shipped(finder.lab, gallery):
            _one(finder, gallery, name)


def _shipped(lab: Lab, gallery: str) -> list[str]:
    """Embedders that read pictures and whose vectors ship."""
    pictures = [spec for spec in EMBEDDERS.specs() if spec.reads_images]
    keys = {spec.name: vectors_key(lab.gallery(gallery), lab.spec(spec.name)) for spec in pictures}
    return [name for name, key in keys.items() if place(lab.store.shipped, key).is_dir()]


def _one(finder: Finder, gallery: str, name: str) -> None:
    opened = finder.lab.gallery(gallery)
    for step in finder.measure(opened, name, COUNT, float("inf")):
        sys.stderr.write(f"\r{gallery} {name}: {step.done} of {step.total} ")
    sys.stderr.write("\n")
    key, store = kept.key(opened, finder.lab.spec(name)), finder.detections
    source, target = (kept.place(root, key) for root in (store.cache, store.shipped))
    if source.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)


if __name__ == "__main__":
    main()
