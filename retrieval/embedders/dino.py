"""DINOv2 and DINOv3: pictures alone, learned without labels or words.

Oquab et al. 2023, arXiv 2304.07193; registers: Darcet et al. 2023, arXiv 2309.16588; DINOv3:
Siméoni et al. 2025, arXiv 2508.10104. One network gives three vectors, each an embedder of its
own: the class token, the mean of the patches, and their generalised mean (GeM, Radenović et
al. 2018, arXiv 1711.02512). Registers are in none of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL.Image import Image

from retrieval import commits
from retrieval.embedders import pretrained, processor
from retrieval.embedders.adapter import NONE, Adaptable, Adapter, Towers
from retrieval.embedders.base import unit
from retrieval.embedders.dino_models import MODELS, Model
from retrieval.embedders.pixels import squares
from retrieval.embedders.pretrained import CONFIG, WEIGHTS
from retrieval.errors import Damaged
from retrieval.runtime.colours import colours
from retrieval.runtime.network import Floats, open_network
from retrieval.runtime.recipe import Recipe
from retrieval.types import Spec, Vectors

if TYPE_CHECKING:
    import torch
    from torch import nn

POOLINGS = {"": "class token", "mean": "mean of patches", "gem": "GeM of patches"}
"""A name's ending, and what it means; in the order of the network's outputs."""
POWER, LEAST = 3.0, 1e-6
"""GeM's exponent, and what smaller values count as."""
SIDE = 224


_CUTS = {
    "dinov3": f"all in {SIDE}x{SIDE} bilinear, not rounded, mean and deviation",
    "dinov2": f"shorter edge 256 bicubic, middle {SIDE}x{SIDE}, mean and deviation",
}


def _specs(model: Model) -> Iterator[Spec]:
    files = ((CONFIG, ""), (processor.NAME, ""), (WEIGHTS, model.sha256))
    unknown = ("pick", tuple((name,) for name, _ in files))
    for at, (ending, words) in enumerate(POOLINGS.items()):
        if ending == "mean" and model.kind == "dinov3_convnext":
            continue  # its class token is the mean already
        yield Spec(
            name="-".join(filter(None, (model.name, ending))),
            title=f"{model.title}, {words}" if ending else model.title,
            target=f"{__name__}:Dino",
            family="DINO",
            dim=model.dim,
            needs=pretrained.NEEDS,
            install=pretrained.INSTALL,
            bytes=4 * model.parameters,
            parameters=model.parameters,
            gated=model.link if model.gated else "",
            licence=model.licence,
            source=model.link,
            revision=model.revision,
            preprocessing=f"{_CUTS[model.kind[:6]]}; {words}",
            side=SIDE,
            params=(
                ("repo", model.repo),
                ("files", files) if model.revision else unknown,
                ("network", model.name),
                ("kind", model.kind),
                ("pooling", at),
            ),
        )


SPECS = tuple(spec for model in MODELS for spec in _specs(model))


class Dino(Adaptable):
    """Pictures by what they look like.

    Args:
        spec: what to load.
        adapter: a LoRA to merge into the network.

    Raises:
        NotReady: gated, a token is missing, or a cache cannot be written.
        Unreachable: the weights are not here and the hub does not give them.
        Damaged: the files are not those of the declared model.
    """

    def __init__(self, spec: Spec, adapter: Adapter = NONE) -> None:
        spec = commits.asked(spec)
        super().__init__(spec, adapter)
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
        self.towers = Towers(
            image=partial(_module, spec, folder, self._how, registers),
            pixels=partial(_pixels, self._how),
            output=int(spec.param("pooling")),
        )
        self._network = open_network(self._recipe(registers), spec.precision)

    def _recipe(self, registers: int) -> Recipe:
        spec, side = self.spec, self._how.side
        kind = "uint8" if self._how.way == "middle" else "float32"
        return Recipe(
            name=spec.param("network"),
            revision=self._adapter.revised(spec.revision),
            preprocessing=f"{self._how} {registers} registers, GeM {POWER:g} {LEAST:g}",
            inputs=((kind, (-1, side, side, 3)),),
            module=self._adapter.into("image", self.towers.image),
        )

    def nbytes(self) -> int:
        """Bytes of its network."""
        return self._network.nbytes()

    def _images(self, batch: Sequence[Image]) -> Vectors:
        return self._pooled(self._network(squares(batch, self._how)))

    def reference(self, batch: Sequence[Image]) -> Vectors:
        """The same by eager torch, which it imports."""
        return unit(self._pooled(self._network.reference(squares(batch, self._how))))

    def _pooled(self, outputs: tuple[Floats, ...]) -> Floats:
        return outputs[int(self.spec.param("pooling"))]


def _pixels(how: processor.Processor, image: Image) -> Any:
    """One picture as the network reads it."""
    return squares([image], how)[0]


def _module(spec: Spec, folder: Path, how: processor.Processor, registers: int) -> nn.Module:
    """The library's model with its input in bytes and all three poolings."""
    import torch

    class Pooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = _fixed(pretrained.model(pretrained.sound(spec, folder)), how.side)
            self.colours = colours(how.mean, how.deviation)

        def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
            made: Any = self.network(self.colours(pixels))
            patches = made.last_hidden_state[:, 1 + registers :]
            raised = (patches.clamp(min=LEAST) ** POWER).mean(1) ** (1 / POWER)
            return made.pooler_output, patches.mean(1), raised

    return Pooled().eval()


def _fixed(network: Any, side: int) -> Any:
    """DINOv2 with its positions resampled once, as the library does it at each call."""
    import torch

    embeddings: Any = getattr(network, "embeddings", None)
    if hasattr(embeddings, "interpolate_pos_encoding"):
        count = (side // embeddings.patch_size) ** 2
        tokens = torch.zeros(1, count + 1, network.config.hidden_size)
        with torch.no_grad():
            positions = embeddings.interpolate_pos_encoding(tokens, side, side).clone()
        embeddings.interpolate_pos_encoding = lambda *_: positions
    return network
