"""OpenCLIP: text and pictures in one space, contrastively trained (Radford et al. 2021,
arXiv 2103.00020; reproducible scaling laws: Cherti et al. 2022, arXiv 2212.07143).

Everything is read from one folder, the hub's snapshot of a pinned revision or a folder of
the user's own: ``open_clip_config.json``, ``open_clip_model.safetensors``,
``tokenizer.json``. Nothing that is missing there is looked for elsewhere.
"""  # noqa: D205

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from retrieval import hub
from retrieval.embedders.base import Embedder
from retrieval.embedders.clip_config import CONFIG, RESAMPLING, Config, read_config
from retrieval.embedders.clip_tokens import Tokens
from retrieval.errors import Damaged, NotReady, Refused
from retrieval.runtime.network import open_network
from retrieval.runtime.recipe import Recipe
from retrieval.types import Licence, Spec, Vectors

if TYPE_CHECKING:
    from torch import nn

VARIABLE = "PARALLAX_OPENCLIP_DIR"
"""Environment variable that names a folder of the user's own weights."""
WEIGHTS, TOKENS = "open_clip_model.safetensors", "tokenizer.json"
REPO = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
WEIGHTS_SHA256 = "ac4f8c4b88af6d963118cbf40ad93176d092abbedfcb752601ae1866352656e6"
PREPROCESSING = "shortest side bicubic, centre crop, mean and deviation"
PROBES = ("a photo of a cat", "Don't STOP!  3.14 caf\u00e9 & \u65e5\u672c", "", "word " * 100)
"""Texts on which ``tokenizer.json`` must agree with open_clip's own tokenizer."""


class OpenClip(Embedder):
    """Both towers, run by OpenVINO and converted at the first start.

    Args:
        spec: with ``repo`` and ``files`` of the hub, or ``variable`` that names a folder.

    Raises:
        NotReady: gated, a token or the folder is missing, the cache cannot be written.
        Unreachable: the weights are not here and the hub does not give them.
        Damaged: the files are not those of an OpenCLIP model, or not of the declared one.
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        folder = _folder(spec)
        self._config = read_config(folder)
        if self._config.dim != spec.dim:
            raise Damaged(
                f"{folder} makes vectors of {self._config.dim} numbers, {spec.name} has {spec.dim}"
            )
        self._tokens = Tokens(folder / TOKENS, self._config.context, self._config.words)
        side = self._config.size
        revision = spec.revision or identity(folder)
        images = Recipe(
            f"{spec.name}-image",
            revision,
            f"{PREPROCESSING} {self._config}",
            (("uint8", (-1, side, side, 3)),),
            lambda: _image_tower(_sound(spec, folder), self._config),
        )
        texts = Recipe(
            f"{spec.name}-text",
            revision,
            f"CLIP's byte pairs {self._config.context}",
            (("int64", (-1, self._config.context)),),
            lambda: _text_tower(_sound(spec, folder), self._tokens),
        )
        self._image_net = open_network(images, spec.precision)
        self._text_net = open_network(texts, spec.precision)

    def nbytes(self) -> int:
        """Bytes of both towers."""
        return self._image_net.nbytes() + self._text_net.nbytes()

    def _images(self, batch: Sequence[Image]) -> Vectors:
        if not batch:
            return np.empty((0, self.spec.dim), dtype=np.float32)
        pixels = np.stack([_square(image, self._config) for image in batch])
        return self._image_net(pixels)[0]

    def _texts(self, batch: Sequence[str]) -> Vectors:
        if not batch:
            return np.empty((0, self.spec.dim), dtype=np.float32)
        return self._text_net(self._tokens(batch))[0]


def identity(folder: Path) -> str:
    """Sixteen hexadecimal digits that change with a folder's files, without reading all of them.

    They stand for the configuration, the tokenizer, and of the weights their header (names,
    types and shapes), size and time.
    """
    digest = hashlib.sha256()
    weights = folder / WEIGHTS
    try:
        for name in (CONFIG, TOKENS):
            digest.update((folder / name).read_bytes())
        status = weights.stat()
        digest.update(f"{status.st_size} {status.st_mtime_ns}".encode())
        with weights.open("rb") as file:
            digest.update(file.read(int.from_bytes(file.read(8), "little") & 0xFFFFFF))
    except OSError:
        return ""  # readiness says what is missing
    return digest.hexdigest()[:16]


def _sound(spec: Spec, folder: Path) -> Path:
    """The folder, its files compared with the hashes that the spec names, before a conversion."""
    for file, wanted in spec.param("files", ()):
        hub.verify(folder / file, wanted, spec.param("repo"))
    return folder


def _folder(spec: Spec) -> Path:
    """Where the files are, downloaded if need be."""
    variable = spec.param("variable")
    if variable is None:
        return hub.download(spec.param("repo"), spec.revision, dict(spec.param("files")))[0]
    if os.environ.get("SPACE_ID"):
        raise Refused(f"{spec.name} reads a folder of the host's; a public lab does not")
    if not os.environ.get(variable):
        raise NotReady(f"{spec.name} reads the folder that {variable} names; set it")
    folder = Path(os.environ[variable]).expanduser()
    missing = [name for name in (CONFIG, WEIGHTS, TOKENS) if not (folder / name).is_file()]
    if missing:
        raise Damaged(f"{folder} has no {' and no '.join(missing)}; save the model with all three")
    return folder


def _square(image: Image, config: Config) -> NDArray[np.uint8]:
    """The middle of a picture, (size, size, 3), as torchvision's Resize and CenterCrop cut it."""
    side, (width, height) = config.size, image.size
    short = min(width, height)
    wide, high = int(side * width / short), int(side * height / short)
    left, top = round((wide - side) / 2), round((high - side) / 2)
    across, down = width / wide, height / high
    # Only what the crop keeps is resampled: a strip of 1 x 20,000,000 costs no more than a square.
    box = (left * across, top * down, (left + side) * across, (top + side) * down)
    inside = (box[0], box[1], min(box[2], width), min(box[3], height))  # rounding may exceed it
    small = image.convert("RGB").resize((side, side), RESAMPLING[config.resampling], inside)
    return np.asarray(small)


def _model(folder: Path) -> Any:
    """The torch model, of safetensors alone."""
    import open_clip  # type: ignore[import-untyped]

    if not (folder / WEIGHTS).is_file():  # open_clip would take any other file that is there
        raise Damaged(f"{folder} has no {WEIGHTS}")
    try:
        return open_clip.create_model(f"local-dir:{folder}", require_pretrained=True).eval()
    except Exception as error:  # safetensors, torch and open_clip each raise their own
        said = str(error).splitlines()[0][:200]
        raise Damaged(
            f"{folder} holds no OpenCLIP model that can be read ({said}); "
            "delete that folder and load it again"
        ) from error


def _image_tower(folder: Path, config: Config) -> nn.Module:
    import torch
    from torch import nn

    class Tower(nn.Module):
        mean: torch.Tensor
        deviation: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.visual = _model(folder).visual
            for name, values in (("mean", config.mean), ("deviation", config.deviation)):
                self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1))

        def forward(self, pixels: torch.Tensor) -> Any:
            shares = pixels.permute(0, 3, 1, 2).float() / 255
            return self.visual((shares - self.mean) / self.deviation)

    return Tower().eval()


def _text_tower(folder: Path, tokens: Tokens) -> nn.Module:
    import open_clip
    import torch
    from torch import nn

    theirs = open_clip.get_tokenizer(f"local-dir:{folder}")(list(PROBES)).numpy()
    if not np.array_equal(tokens(PROBES), theirs):
        raise Damaged(f"{folder / TOKENS} is not the tokenizer that its model was trained with")

    class Tower(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = _model(folder)

        def forward(self, ids: torch.Tensor) -> Any:
            return self.model.encode_text(ids)

    return Tower().eval()


_SHARED: dict[str, Any] = {
    "target": "retrieval.embedders.openclip:OpenClip",
    "family": "OpenCLIP",
    "reads_text": True,
    "needs": ("open_clip", "tokenizers", "openvino"),
    "install": "pip install open_clip_torch tokenizers openvino",
    "preprocessing": PREPROCESSING,
}


def _own() -> Spec:
    """The spec of the folder that the environment names now."""
    named = os.environ.get(VARIABLE, "")
    folder, dim, side = Path(named), 512, 224
    try:
        folder = folder.expanduser()
        if named:
            config = read_config(folder)
            dim, side = config.dim, config.size
    except (Damaged, RuntimeError):  # readiness says what is wrong with it
        pass
    return Spec(
        name="openclip-local",
        title="OpenCLIP of your own",
        dim=dim,
        side=side,
        source=named or f"the folder that {VARIABLE} names",
        revision=identity(folder) if named else "",
        params=(("variable", VARIABLE), ("local", (CONFIG, WEIGHTS, TOKENS))),
        **_SHARED,
    )


SPECS = (
    Spec(
        name="openclip-vit-b-32",
        title="OpenCLIP ViT-B/32",
        dim=512,
        side=224,
        bytes=605_143_316,
        licence=Licence("MIT", "yes", f"https://huggingface.co/{REPO}"),
        source=f"https://huggingface.co/{REPO}",
        revision="1a25a446712ba5ee05982a381eed697ef9b435cf",
        params=(
            ("repo", REPO),
            ("files", ((CONFIG, ""), (TOKENS, ""), (WEIGHTS, WEIGHTS_SHA256))),
        ),
        **_SHARED,
    ),
    _own(),
)
