"""Images a second from the Parquet: the lab's way against eager torch."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Protocol, cast

import numpy as np
from PIL.Image import Image

from benchmarks.report import Figure, Target, interleaved, rates, table
from retrieval.embedders import EMBEDDERS
from retrieval.embedders.base import Embedder
from retrieval.embedders.gallery import embed
from retrieval.galleries.base import Gallery
from retrieval.lab import Lab
from retrieval.runtime import threads
from retrieval.runtime.network import CHUNK
from retrieval.types import Vectors

NAMES = ("efficientnet-lite0", "conse-lite2")
TARGET = Target(">=", 3)


class Referenced(Protocol):
    """An embedder with the same computation in eager torch."""

    def reference(self, batch: Sequence[Image]) -> Vectors:
        """The vectors of some pictures, by torch."""


def main(argv: list[str]) -> int:
    """Print images a second of both ways, float32, and the ratio."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks embed", description=__doc__)
    parser.add_argument("--gallery", default="stamps")
    parser.add_argument("--rows", type=int, default=192)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args(argv)
    gallery = Lab().gallery(options.gallery)
    facts = {
        "gallery": f"{gallery.name} {gallery.revision[:12]}, {options.rows} rows of its Parquet",
        "batch": CHUNK,
        "threads": f"{threads.cores()}, also torch.set_num_threads",
        "runs": options.runs,
    }
    title = "Embedding a gallery in float32 against eager torch"
    return table(title, figures(options), **facts)


def figures(options: argparse.Namespace) -> Iterator[Figure]:
    """One line an embedder."""
    gallery = Lab().gallery(options.gallery)
    rows = range(min(options.rows, len(gallery)))
    for name in NAMES:
        yield figure(gallery, name, rows, options.runs)


def figure(gallery: Gallery, name: str, rows: range, runs: int) -> Figure:
    """Both sides of an embedder, measured in turn."""
    spec = EMBEDDERS.spec(name)
    embedder = EMBEDDERS.load(spec)(spec)
    sides: dict[str, Callable[[], Vectors]] = {
        "lab": partial(embed, gallery, embedder, rows),
        "torch": partial(eager, gallery, embedder, rows),
    }
    cosine = np.sum(sides["lab"]() * sides["torch"](), axis=1).min()
    times = interleaved(sides, runs)
    ours, theirs = (rates(times[side], len(rows)) for side in sides)
    return Figure(name, "img/s", ours, theirs, TARGET, f"least cosine of both: {cosine:.6f}")


def eager(gallery: Gallery, embedder: Embedder, rows: range) -> Vectors:
    """Decode a batch, run it through torch on every core, take the next."""
    import torch

    torch.set_num_threads(threads.cores())
    referenced = cast("Referenced", embedder)
    parts = [rows[first : first + CHUNK] for first in range(0, len(rows), CHUNK)]
    batches = ([gallery.image(row) for row in part] for part in parts)
    vectors: Vectors = np.concatenate([referenced.reference(batch) for batch in batches])
    return vectors
