"""The museum's first room: pictures by their colours.

Swain and Ballard, Color indexing, International Journal of Computer Vision 7(1), 1991; compared
by the cosine of square roots, which is Bhattacharyya's coefficient.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL.Image import Image

from retrieval.embedders.base import Embedder
from retrieval.types import Licence, Spec, Vectors

LEVELS = 8
"""Steps of red, of green and of blue."""
SIDE = 128
"""Pixels of the longer side that are counted."""
SPECS = (
    Spec(
        name="colours",
        title="Colour histogram",
        target=f"{__name__}:Histogram",
        family="Museum",
        dim=LEVELS**3,
        note="retired: kept to show why",
        needs=("numpy",),
        install="pip install numpy",
        licence=Licence("Apache-2.0", "yes", "https://www.apache.org/licenses/LICENSE-2.0"),
        source="https://doi.org/10.1007/BF00130487",
        revision="1",
        preprocessing=f"at most {SIDE} pixels a side, {LEVELS}^3 bins of RGB, square roots",
        side=SIDE,
    ),
)


class Histogram(Embedder):
    """How much of a picture has each of 512 colours; it does not know where, or what."""

    def _images(self, batch: Sequence[Image]) -> Vectors:
        counts = [self._counted(image) for image in batch]
        return np.sqrt(np.array(counts, dtype=np.float32).reshape(len(batch), LEVELS**3))

    def _counted(self, image: Image) -> Vectors:
        small = image.copy()
        small.thumbnail((SIDE, SIDE))
        steps = np.asarray(small, dtype=np.int64).reshape(-1, 3) * LEVELS // 256
        bins = steps @ np.array([LEVELS * LEVELS, LEVELS, 1])
        return np.bincount(bins, minlength=LEVELS**3).astype(np.float32)
