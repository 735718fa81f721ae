"""Make ``data/conse/classes.npy``: MiniLM's vectors of ImageNet's classes.

Run ``python -m scripts.make_class_vectors`` from the repository's root after a change of the
words or of MiniLM; it prints the SHA-256 that ``retrieval/embedders/classes.py`` must hold.

A class has three phrasings, averaged after scaling each to length 1: its name by open_clip
(MIT), the mean of its WordNet synonyms, and its synonyms with their definition, both by timm's
tables (Apache-2.0) from WordNet 3.0, (c) Princeton University, whose licence allows any use.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from retrieval.embedders import classes, shipped
from retrieval.embedders.base import unit
from retrieval.embedders.minilm import MiniLM


def phrasings(places: Sequence[int]) -> list[tuple[str, list[str], str]]:
    """Name, synonyms, and definition of some classes."""
    names = importlib.import_module("open_clip.zero_shot_metadata").IMAGENET_CLASSNAMES
    words = importlib.import_module("timm.data").ImageNetInfo()
    return [
        (
            names[place],
            words.index_to_description(place).split(", "),
            words.index_to_description(place, detailed=True),
        )
        for place in places
    ]


def vectors(minilm: MiniLM, places: Sequence[int]) -> NDArray[np.float32]:
    """One row of length 1 for each class: (n, 384)."""
    rows = []
    for name, synonyms, definition in phrasings(places):
        embedded = unit(minilm([name, definition, *synonyms]))
        middle = unit(embedded[2:].mean(axis=0, keepdims=True))
        rows.append(embedded[0] + embedded[1] + middle[0])
    return np.asarray(unit(np.array(rows, dtype=np.float32)), dtype=np.float32)


def main() -> None:
    """Write the file and print its SHA-256."""
    sys.stdout.write(shipped.save(classes.FILE, vectors(MiniLM(), range(1000))) + "\n")


if __name__ == "__main__":
    main()
