"""SigLIP 2 NaFlex: pictures in their own shape, and texts of many languages, in one space.

Tschannen et al. 2025, arXiv 2502.14786. A picture becomes at most 256 patches in rows and columns
that keep its shape. The network's 16 x 16 positions are resampled to those rows and columns by
a matrix that comes with the picture, so that pictures of all shapes run in one batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL.Image import Image

from retrieval.embedders import pretrained, processor
from retrieval.embedders.base import Embedder
from retrieval.embedders.pixels import patches
from retrieval.embedders.pretrained import CONFIG, WEIGHTS
from retrieval.embedders.text_tokens import FILE
from retrieval.errors import Damaged
from retrieval.runtime.network import open_network
from retrieval.runtime.recipe import Recipe
from retrieval.types import Licence, Spec, Vectors

if TYPE_CHECKING:
    import torch
    from torch import nn

REPO = "google/siglip2-base-patch16-naflex"
FILES = (
    CONFIG,
    processor.NAME,
    FILE,
    "tokenizer_config.json",
    "special_tokens_map.json",
    WEIGHTS,
)
LONGEST = 64
"""Tokens of every text: the network was trained on texts filled up to that."""
SHAPES = 32
"""Shapes of pictures whose places are kept, each some 0.2 MB."""
SETTINGS = {"padding": "max_length", "truncation": True, "max_length": LONGEST}
SPECS = (
    Spec(
        name="siglip2-naflex-b",
        title="SigLIP 2 NaFlex B/16",
        target=f"{__name__}:NaFlex",
        family="SigLIP 2",
        dim=768,
        reads_text=True,
        needs=(*pretrained.NEEDS, "tokenizers"),
        install=f"{pretrained.INSTALL} tokenizers",
        bytes=1_535_400_000,
        parameters=375_234_050,
        licence=Licence("Apache-2.0", "yes", f"https://huggingface.co/{REPO}"),
        source=f"https://huggingface.co/{REPO}",
        revision="b53b807d3a2d5e2b3911292f2d69e5341cdc064c",
        preprocessing=f"256 patches of 16x16 bilinear, mean and deviation; {LONGEST} tokens",
        side=256,
        params=(
            ("repo", REPO),
            ("kind", "siglip2"),
            ("files", tuple((name, "") for name in FILES)),
        ),
    ),
)

Shown: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.float32]]
"""Patches (n, most, numbers), mask (n, most), positions' weights (n, most, places)."""


class NaFlex(Embedder):
    """Both towers, run by OpenVINO and converted at the first start.

    Raises:
        NotReady: a token is missing, or a cache cannot be written.
        Unreachable: the weights are not here and the hub does not give them.
        Damaged: the files are not those of the declared model.
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        folder = pretrained.fetch(spec)
        vision = pretrained.configured(folder, spec.param("kind")).get("vision_config", {})
        self._how = how = processor.read_processor(folder)
        self._places = round(int(vision.get("num_patches", 256)) ** 0.5)
        width = int(vision.get("hidden_size", 768))
        if how.way != "patches" or width != spec.dim:
            raise Damaged(f"{folder} is no NaFlex of {spec.dim} numbers; load it again")
        self._tokens = pretrained.tokens(spec, folder, SETTINGS)
        most, numbers = how.most, how.side**2 * 3
        pictures = (("uint8", (-1, most, numbers)), ("int64", (-1, most)))
        images = Recipe(
            f"{spec.name}-image",
            spec.revision,
            f"{how} {self._places}",
            (*pictures, ("float32", (-1, most, self._places**2))),
            partial(_image_tower, spec, folder, how),
        )
        texts = Recipe(
            f"{spec.name}-text",
            spec.revision,
            f"{LONGEST} tokens",
            (("int64", (-1, LONGEST)),),
            partial(_text_tower, spec, folder),
        )
        self._image_net = open_network(images, spec.precision)
        self._text_net = open_network(texts, spec.precision)

    def nbytes(self) -> int:
        """Bytes of both towers."""
        return self._image_net.nbytes() + self._text_net.nbytes()

    def _images(self, batch: Sequence[Image]) -> Vectors:
        return self._image_net(*self._shown(batch))[0]

    def _texts(self, batch: Sequence[str]) -> Vectors:
        return self._text_net(self._tokens(batch)[0])[0]

    def _shown(self, batch: Sequence[Image]) -> Shown:
        count, most, side = len(batch), self._how.most, self._how.side
        shown = np.zeros((count, most, side * side * 3), dtype=np.uint8)
        mask = np.zeros((count, most), dtype=np.int64)
        weights = np.zeros((count, most, self._places**2), dtype=np.float32)
        for place, image in enumerate(batch):
            parts, shape = patches(image, self._how)
            shown[place, : len(parts)] = parts
            mask[place, : len(parts)] = 1
            weights[place, : len(parts)] = resampled(self._places, *shape)
        return shown, mask, weights


@lru_cache(SHAPES)
def resampled(places: int, rows: int, columns: int) -> NDArray[np.float32]:
    """How much each place of a square counts at each row and column: (rows * columns, places²).

    Pillow's antialiased bilinear resampling is the one that the library takes from torch, but
    for a single column: torch (2.14) gives all its rows the position of the first.
    """

    def along(count: int) -> NDArray[np.float32]:
        plain = Pillow.fromarray(np.eye(places, dtype=np.float32))
        return np.asarray(plain.resize((places, count), Pillow.Resampling.BILINEAR))

    return np.kron(along(rows), along(columns)).astype(np.float32)


def _image_tower(spec: Spec, folder: Path, how: processor.Processor) -> nn.Module:
    import torch

    held = pretrained.model(pretrained.sound(spec, folder))

    def positions(table: torch.Tensor, weights: torch.Tensor, max_length: int) -> torch.Tensor:
        return weights @ table.reshape(-1, table.shape[-1])

    class Tower(torch.nn.Module):
        mean: torch.Tensor
        deviation: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.vision = held.vision_model
            self.vision.embeddings.resize_positional_embeddings = positions
            for name, values in (("mean", how.mean), ("deviation", how.deviation)):
                self.register_buffer(name, torch.tensor(values * how.side**2))

        def forward(self, shown: torch.Tensor, mask: torch.Tensor, weights: torch.Tensor) -> Any:
            scaled = (shown.float() / 255 - self.mean) / self.deviation
            made = self.vision(
                pixel_values=scaled, pixel_attention_mask=mask, spatial_shapes=weights
            )
            return made.pooler_output

    return Tower().eval()


def _text_tower(spec: Spec, folder: Path) -> nn.Module:
    import torch

    held = pretrained.model(pretrained.sound(spec, folder))

    class Tower(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.text = held.text_model

        def forward(self, numbers: torch.Tensor) -> Any:
            return self.text(input_ids=numbers).pooler_output

    return Tower().eval()
