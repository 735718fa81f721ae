"""A gallery of plain colours and an embedder whose vectors can be checked by eye."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from retrieval import images
from retrieval.embedders.base import Embedder
from retrieval.galleries.base import Gallery
from retrieval.types import Licence, Spec, Vectors

COLOURS = {
    "red": (250, 10, 10),
    "green": (10, 250, 10),
    "blue": (10, 10, 250),
    "yellow": (250, 250, 10),
    "white": (250, 250, 250),
}


class Colours(Gallery):
    """As many pictures as wanted: the five colours, each copy a little darker."""

    title = "Colours"
    licence = Licence("CC0-1.0", "yes", "")
    source = ""

    def __init__(self, count: int, name: str = "colours", revision: str = "1") -> None:
        self.name = name
        self.revision = revision
        self._count = count

    def __len__(self) -> int:
        return self._count

    def encoded(self, row: int) -> bytes:
        name = list(COLOURS)[row % len(COLOURS)]
        darker = 1 - 0.5 * (row // len(COLOURS)) / max(1, self._count)
        red, green, blue = (int(darker * value) for value in COLOURS[name])
        return images.webp(Image.new("RGB", (8, 8), (red, green, blue)), 8)

    def captions(self, rows: Sequence[int]) -> list[str]:
        return [list(COLOURS)[row % len(COLOURS)] for row in rows]

    def labels(self, rows: Sequence[int]) -> list[str]:
        return [
            "warm" if caption in ("red", "yellow") else "cold" for caption in self.captions(rows)
        ]

    def sources(self, rows: Sequence[int]) -> list[str]:
        return [f"{row}.webp" for row in rows]


COLOUR = Spec("colour", "Mean colour", "tests.fakes:Colour", dim=3, reads_text=True, revision="1")
BLIND = Spec("blind", "Pictures only", "tests.fakes:Colour", dim=3, revision="1")


class Colour(Embedder):
    """The mean colour of a picture; a text is the colour that it names, else white."""

    calls = 0

    def _images(self, batch: Sequence[Image.Image]) -> Vectors:
        type(self).calls += len(batch)
        return np.array(
            [np.asarray(each, np.float32).mean(axis=(0, 1)) for each in batch], np.float32
        ).reshape(len(batch), 3)

    def _texts(self, batch: Sequence[str]) -> Vectors:
        return np.array([COLOURS.get(each, COLOURS["white"]) for each in batch], np.float32)
