"""Images a second from the Parquet: the lab's way against eager torch."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, cast

import numpy as np
from PIL.Image import Image

from benchmarks.report import header, interleaved, ratio
from retrieval.embedders import EMBEDDERS
from retrieval.embedders.base import Embedder
from retrieval.embedders.gallery import embed
from retrieval.galleries.base import Gallery
from retrieval.lab import Lab
from retrieval.runtime import threads
from retrieval.runtime.network import CHUNK
from retrieval.types import Vectors

NAMES = ("efficientnet-lite0", "conse-lite2")
TARGET = 3.0


class Referenced(Protocol):
    """An embedder with the same computation in eager torch."""

    def reference(self, batch: Sequence[Image]) -> Vectors:
        """The vectors of some pictures, by torch."""


def main(argv: list[str]) -> int:
    """Print images a second of both ways, float32, and the ratio."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks embed")
    parser.add_argument("--gallery", default="stamps")
    parser.add_argument("--rows", type=int, default=192)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args(argv)
    gallery = Lab().gallery(options.gallery)
    rows = range(min(options.rows, len(gallery)))
    facts = {
        "gallery": f"{gallery.name}, rows 0 to {rows.stop - 1}, from its Parquet",
        "revision": gallery.revision,
        "batch": CHUNK,
        "threads": f"{threads.cores()}, also torch.set_num_threads",
        "runs": f"{options.runs}, interleaved; medians",
    }
    print(header("Embedding a gallery, float32, images a second", **facts))
    print(f"{'embedder':<20}{'Parallax':>10}{'torch':>10}{'ratio':>8}  least cosine")
    for name in NAMES:
        print(line(gallery, name, rows, options.runs))
    print(f"  target: {TARGET:g} times eager torch")
    return 0


def line(gallery: Gallery, name: str, rows: range, runs: int) -> str:
    """One line of the table, both sides measured in turn."""
    spec = EMBEDDERS.spec(name)
    embedder = EMBEDDERS.load(spec)(spec)
    sides: dict[str, Callable[[], Vectors]] = {
        "lab": partial(embed, gallery, embedder, rows),
        "torch": partial(eager, gallery, embedder, rows),
    }
    cosine = np.sum(sides["lab"]() * sides["torch"](), axis=1).min()
    times = interleaved(sides, runs)
    lab, torch = (len(rows) / statistics.median(times[side]) for side in sides)
    gain = ratio(times["torch"], times["lab"])
    return f"{name:<20}{lab:>10.1f}{torch:>10.1f}{gain:>8.2f}  {cosine:.6f}"


def eager(gallery: Gallery, embedder: Embedder, rows: range) -> Vectors:
    """Decode a batch, run it through torch on every core, take the next."""
    import torch

    torch.set_num_threads(threads.cores())
    referenced = cast("Referenced", embedder)
    parts = [rows[first : first + CHUNK] for first in range(0, len(rows), CHUNK)]
    batches = ([gallery.image(row) for row in part] for part in parts)
    vectors: Vectors = np.concatenate([referenced.reference(batch) for batch in batches])
    return vectors
