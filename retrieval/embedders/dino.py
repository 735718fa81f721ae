"""DINOv2 and DINOv3: pictures alone, learned without labels or words.

Oquab et al. 2023, arXiv 2304.07193; registers: Darcet et al. 2023, arXiv 2309.16588; DINOv3:
Siméoni et al. 2025, arXiv 2508.10104. One network gives three vectors, each an embedder of its
own: the class token, the mean of the patches, and their generalised mean (GeM, Radenović et
al. 2018, arXiv 1711.02512). Registers are in none of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL.Image import Image

from retrieval.embedders import pretrained, processor
from retrieval.embedders.base import Embedder, unit
from retrieval.embedders.pixels import squares
from retrieval.embedders.pretrained import CONFIG, WEIGHTS
from retrieval.errors import Damaged
from retrieval.runtime.network import Floats, open_network
from retrieval.runtime.recipe import Recipe
from retrieval.types import Licence, Spec, Vectors

if TYPE_CHECKING:
    import torch
    from torch import nn

POOLINGS = {"": "class token", "mean": "mean of patches", "gem": "GeM of patches"}
"""A name's ending, and what it means; in the order of the network's outputs."""
POWER, LEAST = 3.0, 1e-6
"""GeM's exponent, and what smaller values count as."""
SIDE = 224


@dataclass(frozen=True, slots=True)
class _Known:
    """A model of the hub; bytes are those of its weights."""

    name: str
    title: str
    repo: str
    revision: str
    kind: str
    dim: int
    parameters: int
    sha256: str = ""


_V2 = Licence("Apache-2.0", "yes", "https://github.com/facebookresearch/dinov2/blob/main/LICENSE")
_V3 = Licence(
    "DINOv3 License",
    "conditions",
    "https://ai.meta.com/resources/models-and-libraries/dinov3-license/",
)
_CUTS = {
    "dinov3": f"all in {SIDE}x{SIDE} bilinear, not rounded, mean and deviation",
    "dinov2": f"shorter edge 256 bicubic, middle {SIDE}x{SIDE}, mean and deviation",
}
_KNOWN = (
    _Known(
        "dinov2-s",
        "DINOv2 ViT-S/14",
        "facebook/dinov2-small",
        "ed25f3a31f01632728cabb09d1542f84ab7b0056",
        "dinov2",
        384,
        22_056_576,
    ),
    _Known(
        "dinov2-b",
        "DINOv2 ViT-B/14",
        "facebook/dinov2-base",
        "f9e44c814b77203eaa57a6bdbbd535f21ede1415",
        "dinov2",
        768,
        86_580_480,
    ),
    _Known(
        "dinov2-l",
        "DINOv2 ViT-L/14",
        "facebook/dinov2-large",
        "47b73eefe95e8d44ec3623f8890bd894b6ea2d6c",
        "dinov2",
        1024,
        304_368_640,
    ),
    _Known(
        "dinov2-b-registers",
        "DINOv2 ViT-B/14, registers",
        "facebook/dinov2-with-registers-base",
        "a1d738ccfa7ae170945f210395d99dde8adb1805",
        "dinov2_with_registers",
        768,
        86_583_552,
        "7a6f7b3b9fa4b8732e707476a03cd6cdce210048582f21aafb7991c17d98e362",
    ),
    _Known(
        "dinov2-l-registers",
        "DINOv2 ViT-L/14, registers",
        "facebook/dinov2-with-registers-large",
        "e4c89a4e05589de9b3e188688a303d0f3c04d0f3",
        "dinov2_with_registers",
        1024,
        304_372_736,
    ),
    _Known(
        "dinov3-s",
        "DINOv3 ViT-S/16",
        "facebook/dinov3-vits16-pretrain-lvd1689m",
        "114c1379950215c8b35dfcd4e90a5c251dde0d32",
        "dinov3_vit",
        384,
        21_596_544,
    ),
    _Known(
        "dinov3-b",
        "DINOv3 ViT-B/16",
        "facebook/dinov3-vitb16-pretrain-lvd1689m",
        "5931719e67bbdb9737e363e781fb0c67687896bc",
        "dinov3_vit",
        768,
        85_660_416,
    ),
    _Known(
        "dinov3-l",
        "DINOv3 ViT-L/16",
        "facebook/dinov3-vitl16-pretrain-lvd1689m",
        "ea8dc2863c51be0a264bab82070e3e8836b02d51",
        "dinov3_vit",
        1024,
        303_129_600,
    ),
    _Known(
        "dinov3-convnext-t",
        "DINOv3 ConvNeXt-T",
        "facebook/dinov3-convnext-tiny-pretrain-lvd1689m",
        "10d30274b4d445111e2d5bf75ac93bbd94db274b",
        "dinov3_convnext",
        768,
        27_820_128,
    ),
    _Known(
        "dinov3-convnext-l",
        "DINOv3 ConvNeXt-L",
        "facebook/dinov3-convnext-large-pretrain-lvd1689m",
        "e959efa74c867491dcfe3ec3e4f97382e39025b3",
        "dinov3_convnext",
        1536,
        196_230_336,
    ),
)


def _specs(known: _Known) -> Iterator[Spec]:
    version = known.kind[:6]
    link = f"https://huggingface.co/{known.repo}"
    files = ((CONFIG, ""), (processor.NAME, ""), (WEIGHTS, known.sha256))
    for pooling, words in POOLINGS.items():
        if pooling == "mean" and known.kind == "dinov3_convnext":
            continue  # its class token is the mean already
        yield Spec(
            name="-".join(filter(None, (known.name, pooling))),
            title=f"{known.title}{', ' * bool(pooling)}{words if pooling else ''}",
            target=f"{__name__}:Dino",
            family="DINO",
            dim=known.dim,
            needs=pretrained.NEEDS,
            install=pretrained.INSTALL,
            bytes=4 * known.parameters,
            parameters=known.parameters,
            gated=link if version == "dinov3" else "",
            licence=_V3 if version == "dinov3" else _V2,
            source=link,
            revision=known.revision,
            preprocessing=f"{_CUTS[version]}; {words}",
            side=SIDE,
            params=(
                ("repo", known.repo),
                ("files", files),
                ("network", known.name),
                ("kind", known.kind),
                ("pooling", list(POOLINGS).index(pooling)),
            ),
        )


SPECS = tuple(spec for known in _KNOWN for spec in _specs(known))


class Dino(Embedder):
    """Pictures by what they look like.

    Raises:
        NotReady: gated, a token is missing, or a cache cannot be written.
        Unreachable: the weights are not here and the hub does not give them.
        Damaged: the files are not those of the declared model.
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        folder = pretrained.fetch(spec)
        told = pretrained.configured(folder, spec.param("kind"))
        self._how = processor.read_processor(folder)
        width = told.get("hidden_size") or [0, *told.get("hidden_sizes", ())][-1]
        wanted = (spec.dim, spec.side)
        if (width, self._how.side) != wanted or self._how.way == "patches":
            raise Damaged(
                f"{folder} makes {width} numbers of {self._how.side} pixels, {spec.name} "
                f"{wanted[0]} of {wanted[1]}; delete that folder and load it again"
            )
        registers = int(told.get("num_register_tokens", 0))
        self._network = open_network(self._recipe(folder, registers), spec.precision)

    def _recipe(self, folder: Path, registers: int) -> Recipe:
        spec, side = self.spec, self._how.side
        kind = "uint8" if self._how.way == "middle" else "float32"
        return Recipe(
            name=spec.param("network"),
            revision=spec.revision,
            preprocessing=f"{self._how} {registers} registers, GeM {POWER:g} {LEAST:g}",
            inputs=((kind, (-1, side, side, 3)),),
            module=partial(_module, spec, folder, self._how, registers),
        )

    def _images(self, batch: Sequence[Image]) -> Vectors:
        if not batch:
            return np.empty((0, self.spec.dim), dtype=np.float32)
        return self._pooled(self._network(squares(batch, self._how)))

    def reference(self, batch: Sequence[Image]) -> Vectors:
        """The same by eager torch, which it imports."""
        return unit(self._pooled(self._network.reference(squares(batch, self._how))))

    def _pooled(self, outputs: tuple[Floats, ...]) -> Floats:
        return outputs[int(self.spec.param("pooling"))]


def _module(spec: Spec, folder: Path, how: processor.Processor, registers: int) -> nn.Module:
    """The library's model with its input in bytes and all three poolings."""
    import torch

    class Pooled(torch.nn.Module):
        mean: torch.Tensor
        deviation: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.network = _fixed(pretrained.model(pretrained.sound(spec, folder)), how.side)
            for name, values in (("mean", how.mean), ("deviation", how.deviation)):
                self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1))

        def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
            shares = pixels.permute(0, 3, 1, 2).float() / 255
            made: Any = self.network((shares - self.mean) / self.deviation)
            patches = made.last_hidden_state[:, 1 + registers :]
            raised = (patches.clamp(min=LEAST) ** POWER).mean(1) ** (1 / POWER)
            return made.pooler_output, patches.mean(1), raised

    return Pooled().eval()


def _fixed(network: Any, side: int) -> Any:
    """DINOv2 with its positions resampled once, as the library does it at each call."""
    import torch

    embeddings = getattr(network, "embeddings", None)
    if hasattr(embeddings, "interpolate_pos_encoding"):
        count = (side // embeddings.patch_size) ** 2
        tokens = torch.zeros(1, count + 1, network.config.hidden_size)
        with torch.no_grad():
            positions = embeddings.interpolate_pos_encoding(tokens, side, side).clone()
        embeddings.interpolate_pos_encoding = lambda *_: positions
    return network
