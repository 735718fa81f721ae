"""A picture as transformers' image processors cut it, without importing torch.

The middle and the patches are those of the library's Pillow processors, byte for byte; its
torchvision processors round more coarsely, fewer than one value in a hundred otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retrieval.embedders.processor import Processor

_NEAR = 1e-5  # how closely the library searches for a scale
_LONGEST = 16  # times the shorter edge: a longer picture's ends are not resampled at all


def squares(batch: Sequence[Image.Image], how: Processor) -> NDArray[np.uint8 | np.float32]:
    """Pictures as one array, (n, side, side, 3): bytes, or floats from 0 to 255 if stretched."""
    cut = middle if how.way == "middle" else stretched
    return np.stack([cut(image.convert("RGB"), how) for image in batch])


def middle(image: Image.Image, how: Processor) -> NDArray[np.uint8]:
    """The middle of a picture whose shorter edge has become ``how.edge``, rounded down."""
    return _cut(image, how, int)


def nearest(image: Image.Image, how: Processor) -> NDArray[np.uint8]:
    """The same, rounded as torchvision's ``CenterCrop`` does."""
    return _cut(image, how, round)


def _cut(image: Image.Image, how: Processor, whole: Callable[[float], int]) -> NDArray[np.uint8]:
    (width, height), side = image.size, how.side
    short = min(width, height)
    wide, high = int(how.edge * width / short), int(how.edge * height / short)
    left, top = whole((wide - side) / 2), whole((high - side) / 2)
    if max(wide, high) <= _LONGEST * how.edge:
        small = image.resize((wide, high), how.resampling)
        return np.asarray(small.crop((left, top, left + side, top + side)))
    # Of a strip of 1 x 20,000,000 only what is kept is resampled, or it would not fit anywhere.
    across, down = width / wide, height / high
    right, low = min((left + side) * across, width), min((top + side) * down, height)
    box = (left * across, top * down, right, low)
    return np.asarray(image.resize((side, side), how.resampling, box))


def stretched(image: Image.Image, how: Processor) -> NDArray[np.float32]:
    """All of a picture in a square, its values not rounded."""
    size = (how.side, how.side)
    bands = [band.convert("F").resize(size, how.resampling) for band in image.split()]
    return np.stack([np.asarray(band) for band in bands], axis=-1)


def patches(image: Image.Image, how: Processor) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """All of a picture in patches, row by row, its shape nearly kept.

    Returns:
        (rows * columns, side * side * 3), and rows and columns.
    """
    side = how.side
    rows, columns = grid(image.height, image.width, side, how.most)
    small = image.convert("RGB").resize((columns * side, rows * side), how.resampling)
    parts = np.asarray(small).reshape(rows, side, columns, side, 3).swapaxes(1, 2)
    return parts.reshape(rows * columns, side * side * 3), (rows, columns)


def grid(height: int, width: int, side: int, most: int) -> tuple[int, int]:
    """Rows and columns of patches: the largest scale at which there are at most so many."""

    def counted(scale: float) -> tuple[int, int]:
        rows, columns = (max(1, math.ceil(each * scale / side)) for each in (height, width))
        return rows, columns

    low, high = _NEAR / 10, 100.0
    while high - low >= _NEAR:
        scale = (low + high) / 2
        rows, columns = counted(scale)
        low, high = (scale, high) if rows * columns <= most else (low, scale)
    return counted(low)
