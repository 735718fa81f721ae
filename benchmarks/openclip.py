"""ViT-B/32 against ``open_clip``'s own loop, and its share of the machine's matrix peak.

The weights are random, which costs as much as trained ones. The peer reads the same pictures by
open_clip's own transform in a ``DataLoader`` of as many workers as there are cores, and runs the
model in eager torch on every core. The peak is the best rate of a square matrix product, by NumPy
or torch, in the same turns as the network.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image

from benchmarks.clip_retrieval import weights
from benchmarks.report import Figure, Target, interleaved, rates, table
from retrieval.embedders import EMBEDDERS
from retrieval.embedders.base import Embedder
from retrieval.embedders.gallery import embed
from retrieval.embedders.openclip import VARIABLE
from retrieval.galleries.base import Gallery
from retrieval.lab import Lab
from retrieval.runtime import threads
from retrieval.types import Precision, Vectors

NAME = "openclip-local"
GFLOP = 8.8
"""Of one picture through ViT-B/32, a product and a sum counted as two."""
SIDE = 4096
"""Rows and columns of the product that measures the peak."""
BATCH = 64
FASTER, BUSY = Target(">=", 1.3), Target(">=", 0.6)


def main(argv: list[str]) -> int:
    """Print images a second of both, and the share of the peak."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks openclip", description=__doc__)
    parser.add_argument("--gallery", default="stamps")
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--precision", nargs="+", default=["float32"], help="and bfloat16")
    options = parser.parse_args(argv)
    gallery = Lab().gallery(options.gallery)
    facts = {
        "gallery": f"{gallery.name} {gallery.revision[:12]}, {options.rows} rows",
        "threads": f"{threads.cores()}, also torch.set_num_threads",
        "runs": options.runs,
    }
    title = "ViT-B/32 by the lab and by open_clip"
    with tempfile.TemporaryDirectory() as name:
        folder = weights(Path(name) / "model")
        os.environ[VARIABLE] = str(folder)
        return table(title, figures(gallery, folder, options), **facts)


def figures(gallery: Gallery, folder: Path, options: argparse.Namespace) -> Iterator[Figure]:
    """The loop's line, then each precision's share of the peak."""
    rows = range(min(options.rows, len(gallery)))
    yield loop(gallery, embedder("float32"), rows, folder, options.runs)
    for precision in options.precision:
        yield share(embedder(precision), precision, options.runs)


def embedder(precision: Precision) -> Embedder:
    """The lab's, in a precision."""
    spec = replace(EMBEDDERS.spec(NAME), precision=precision)
    return EMBEDDERS.load(spec)(spec)


def loop(gallery: Gallery, ours: Embedder, rows: range, folder: Path, runs: int) -> Figure:
    """Pictures to vectors, decoding included, both ways in turn."""
    sides: dict[str, Callable[[], Vectors]] = {
        "lab": partial(embed, gallery, ours, rows),
        "peer": peer(gallery, rows, folder),
    }
    cosine = np.sum(sides["lab"]() * sides["peer"](), axis=1).min()
    times = interleaved(sides, runs)
    mine, theirs = (rates(times[side], len(rows)) for side in sides)
    note = f"least cosine of both: {cosine:.6f}"
    return Figure("open_clip's own loop, float32", "img/s", mine, theirs, FASTER, note)


def peer(gallery: Gallery, rows: range, folder: Path) -> Callable[[], Vectors]:
    """open_clip's transform in a loader's workers, its model in eager torch."""
    import open_clip  # type: ignore[import-untyped]
    import torch

    torch.set_num_threads(threads.cores())
    model, transform = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    model.eval()
    loader: Any = torch.utils.data.DataLoader(
        cast(Any, Pictures([gallery.encoded(row) for row in rows], transform)),
        batch_size=BATCH,
        num_workers=threads.cores(),
        multiprocessing_context="spawn",  # a fork of this process's threads may never wake
        persistent_workers=True,
    )

    def run() -> Vectors:
        with torch.no_grad():
            parts = [model.encode_image(batch, normalize=True).numpy() for batch in loader]
        vectors: Vectors = np.concatenate(parts)
        return vectors

    return run


class Pictures:
    """Files as open_clip wants them; what torch calls a map-style data set."""

    def __init__(self, files: Sequence[bytes], transform: Any) -> None:
        self._files, self._transform = files, transform

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, at: int) -> Any:
        return self._transform(Image.open(BytesIO(self._files[at])).convert("RGB"))


def share(ours: Embedder, precision: Precision, runs: int) -> Figure:
    """Products a second of the network alone beside those of the best matrix product."""
    import torch

    net: Any = ours._image_net  # type: ignore[attr-defined]  # the network without its pixels
    side = ours._config.size  # type: ignore[attr-defined]
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH, side, side, 3), np.uint8)
    square = np.random.default_rng(0).standard_normal((SIDE, SIDE), np.float32)
    tensor = torch.from_numpy(square).to(getattr(torch, precision))
    sides: dict[str, Callable[[], object]] = {
        "net": lambda: net(pixels),
        "torch": lambda: tensor @ tensor,
    }
    if precision == "float32":
        sides["numpy"] = lambda: square @ square
    with threads.every_core():
        times = interleaved(sides, runs)
    peaks = {
        name: [2 * SIDE**3 / 1e9 / spent for spent in times[name]]
        for name in sides
        if name != "net"
    }
    best = max(peaks, key=lambda name: float(np.median(peaks[name])))
    rate = [BATCH * GFLOP / spent for spent in times["net"]]
    note = f"the peak is that of {best}, {SIDE:,} x {SIDE:,}"
    return Figure(
        f"share of the matrix peak, {precision}", "GFLOP/s", rate, peaks[best], BUSY, note
    )
