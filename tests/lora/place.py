"""A gallery of flags, a tiny CLIP of random weights, and a lab over both."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from retrieval import images
from retrieval.embedders import openclip
from retrieval.embedders.adapter import Towers
from retrieval.galleries.base import Gallery
from retrieval.lab import Lab
from retrieval.measure.quality import numbered
from retrieval.train.lora import Settings
from retrieval.train.spool import spooled
from retrieval.train.through import Given
from retrieval.types import Licence

SHADES = {
    "red": (220, 30, 30), "green": (30, 180, 40), "blue": (40, 60, 220), "yellow": (235, 220, 40),
    "black": (15, 15, 15), "white": (245, 245, 245), "purple": (140, 40, 160),
}  # fmt: skip
PAIRS = list(itertools.permutations(SHADES, 2))
NAME = "openclip-local"
QUICK = Settings(rounds=12, batch=32, part=32, rate=1e-2, patience=3)
BRIEF = replace(QUICK, rounds=2)


class Flags(Gallery):
    """Two colours above each other under noise; every caption names them both."""

    name, title, revision, source = "flags", "Flags", "1", ""
    licence = Licence("CC0-1.0", "yes", "")

    def __init__(self, count: int = 2 * len(PAIRS)) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def encoded(self, row: int) -> bytes:
        draws = np.random.default_rng(row)
        noise = draws.integers(-10, 11, (2, 3))
        above, below = (
            tuple(np.clip(np.add(SHADES[name], each), 0, 255).tolist())
            for name, each in zip(PAIRS[row % len(PAIRS)], noise, strict=True)
        )
        flag = Image.new("RGB", (32, 32), below)
        ImageDraw.Draw(flag).rectangle((0, 0, 31, 15), fill=above)
        return images.webp(flag, 32, lossless=True)

    def captions(self, rows: Sequence[int]) -> list[str]:
        return ["a {} band on {}".format(*PAIRS[row % len(PAIRS)]) for row in rows]

    def labels(self, rows: Sequence[int]) -> list[str]:
        return [PAIRS[row % len(PAIRS)][0] for row in rows]

    def sources(self, rows: Sequence[int]) -> list[str]:
        return [f"{row}.webp" for row in rows]


@dataclass
class Place:
    """A tiny CLIP in a folder, a gallery, and a lab over both.

    Attributes:
        model: the folder.
        cache: where all goes that is made.
        lab: the lab.
        gallery: what it opens, whatever is asked for.
    """

    model: Path
    cache: Path
    lab: Lab
    gallery: Flags

    def given(self, by: str, rows: int = 0) -> tuple[Towers, Given]:
        """The towers, and what is fitted on."""
        towers = self.embedder().towers
        every = list(range(rows or len(self.gallery)))
        words = self.gallery.captions(every)
        assert towers.tokens is not None
        return towers, Given(
            spooled(self.gallery, every, towers.pixels, 32),
            towers.tokens(words) if by == "captions" else None,
            numbered(words if by == "captions" else self.gallery.labels(every)),
        )

    def embedder(self) -> openclip.OpenClip:
        found = self.lab.embedder(NAME)
        assert isinstance(found, openclip.OpenClip)
        return found

    def left(self) -> list[str]:
        """Files and folders that training has made."""
        return [path.name for path in self.cache.iterdir() if path.name not in KEPT]


KEPT = ("networks", "artefacts")


def options(**changed: Any) -> argparse.Namespace:
    """What the command line would give."""
    plain = {
        "gallery": "flags", "embedder": NAME, "by": None, "name": None, "seed": 0,
        "rounds": None, "lora": True,
    }  # fmt: skip
    return argparse.Namespace(**{**plain, **changed})
