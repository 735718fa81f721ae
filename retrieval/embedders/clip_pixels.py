"""A picture as the square that an OpenCLIP tower reads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retrieval.embedders.clip_config import RESAMPLING, Config

MOST = 16
"""A picture that would become larger than so many squares is cut before it is shrunk."""


def square(image: Image.Image, config: Config) -> NDArray[np.uint8]:
    """Pixels as open_clip's own transform makes them, (size, size, 3).

    They are equal, but for a strip of more than ``MOST`` squares: only what is kept of it is
    resampled, from coordinates that are rounded, so that a pixel may differ by one step.
    """
    picture = image.convert("RGB")
    if config.resizing == "squash":
        return _resized(picture, config.size, config.size, config)
    if config.resizing == "longest":
        return _padded(picture, config)
    return _cut(picture, config)


def _resized(picture: Image.Image, wide: int, high: int, config: Config) -> NDArray[np.uint8]:
    return np.asarray(picture.resize((wide, high), RESAMPLING[config.resampling]))


def _cut(picture: Image.Image, config: Config) -> NDArray[np.uint8]:
    """The shortest side to the square, as torchvision's Resize and CenterCrop do it."""
    side, (width, height) = config.size, picture.size
    short = min(width, height)
    wide, high = int(side * width / short), int(side * height / short)
    left, top = round((wide - side) / 2), round((high - side) / 2)
    if wide * high <= MOST * side * side:
        return _resized(picture, wide, high, config)[top : top + side, left : left + side]
    across, down = width / wide, height / high
    box = (left * across, top * down, (left + side) * across, (top + side) * down)
    inside = (box[0], box[1], min(box[2], width), min(box[3], height))  # rounding may exceed it
    small = picture.resize((side, side), RESAMPLING[config.resampling], inside)
    return np.asarray(small)


def _padded(picture: Image.Image, config: Config) -> NDArray[np.uint8]:
    """The longest side to the square, the rest filled."""
    side, (width, height) = config.size, picture.size
    ratio = max(width, height) / side
    wide, high = max(1, round(width / ratio)), max(1, round(height / ratio))
    whole = np.full((side, side, 3), config.fill, np.uint8)
    left, top = (side - wide) // 2, (side - high) // 2
    whole[top : top + high, left : left + wide] = _resized(picture, wide, high, config)
    return whole
