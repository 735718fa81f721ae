"""The museum's third room: VGG-16's last layer but one.

Simonyan and Zisserman 2014, arXiv 1409.1556; its activations as codes for retrieval: Babenko et
al. 2014, arXiv 1404.1777. torchvision's weights, as timm has them on the hub: timm's
``pre_logits`` are the layers fc6 and fc7 with their rectifiers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL.Image import Image, Resampling

from retrieval.embedders import pretrained
from retrieval.embedders.base import Embedder, unit
from retrieval.embedders.pixels import nearest
from retrieval.embedders.pretrained import CONFIG, WEIGHTS
from retrieval.embedders.processor import Processor
from retrieval.errors import Damaged
from retrieval.runtime.colours import colours
from retrieval.runtime.network import open_network
from retrieval.runtime.recipe import Recipe
from retrieval.types import Licence, Spec, Vectors

if TYPE_CHECKING:
    import torch
    from torch import nn

REPO, SIDE = "timm/vgg16.tv_in1k", 224
SPECS = (
    Spec(
        name="vgg16-fc7",
        title="VGG-16, fc7",
        target=f"{__name__}:Vgg",
        family="Museum",
        dim=4096,
        note="retired: kept to show why",
        needs=("openvino", "safetensors", "timm", "torch"),
        install="pip install openvino safetensors timm torch",
        bytes=4 * 138_357_544,
        parameters=138_357_544,
        licence=Licence(
            "BSD-3-Clause", "yes", "https://github.com/pytorch/vision/blob/main/LICENSE"
        ),
        source=f"https://huggingface.co/{REPO}",
        revision="3394518cba29aee1ea82a49d971be90d2dd1dab7",
        preprocessing=f"shorter edge 256 bilinear, middle {SIDE}x{SIDE}, mean and deviation; fc7",
        side=SIDE,
        params=(("repo", REPO), ("files", ((CONFIG, ""), (WEIGHTS, "")))),
    ),
)


class Vgg(Embedder):
    """Pictures by what a classifier sees just before it names the class.

    Raises:
        NotReady: a token is missing, or a cache cannot be written.
        Unreachable: the weights are not here and the hub does not give them.
        Damaged: the files are not those of the declared model.
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        folder = pretrained.fetch(spec)
        self._how = read_cut(folder)
        side = self._how.side
        recipe = Recipe(
            spec.name,
            spec.revision,
            str(self._how),
            (("uint8", (-1, side, side, 3)),),
            partial(_module, spec, folder, self._how),
        )
        self._network = open_network(recipe, spec.precision)

    def nbytes(self) -> int:
        """Bytes of its network."""
        return self._network.nbytes()

    def _images(self, batch: Sequence[Image]) -> Vectors:
        return self._network(np.stack([nearest(each, self._how) for each in batch]))[0]

    def reference(self, batch: Sequence[Image]) -> Vectors:
        """The same (n, 4096) by eager torch, which it imports."""
        shown = np.stack([nearest(each, self._how) for each in batch])
        return unit(self._network.reference(shown)[0])


def read_cut(folder: Path) -> Processor:
    """How timm cuts pictures, by the model's own ``config.json``.

    Raises:
        Damaged: it is of another model, or of another way of cutting.
    """
    path = folder / CONFIG
    try:
        told = json.loads(path.read_text("utf-8"))
        cut = told["pretrained_cfg"]
        meant = {"architecture": "vgg16", "interpolation": "bilinear", "crop_mode": "center"}
        found = {**cut, "architecture": told["architecture"]}
        wrong = [name for name, value in meant.items() if found.get(name, value) != value]
        if wrong:
            raise ValueError(f"{wrong[0]} is {found[wrong[0]]!r}")
        return Processor(
            way="middle",
            side=int(cut["input_size"][1]),
            edge=math.floor(cut["input_size"][1] / cut["crop_pct"]),
            most=0,
            mean=tuple(map(float, cut["mean"])),
            deviation=tuple(map(float, cut["std"])),
            resampling=Resampling.BILINEAR,
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        what = f"{type(error).__name__}: {error}"
        raise Damaged(f"{path} is no configuration of timm's VGG-16 ({what})") from error


def _module(spec: Spec, folder: Path, how: Processor) -> nn.Module:
    import timm
    import torch

    pretrained.sound(spec, folder)
    with pretrained.reading(folder):
        held: Any = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()

    class Fc7(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.held, self.colours = held, colours(how.mean, how.deviation)

        def forward(self, pixels: torch.Tensor) -> Any:
            seen = self.held.forward_features(self.colours(pixels))
            return self.held.forward_head(seen, pre_logits=True)

    return Fc7().eval()
