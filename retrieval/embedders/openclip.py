"""OpenCLIP: text and pictures in one space, contrastively trained (Radford et al. 2021,
arXiv 2103.00020; reproducible scaling laws: Cherti et al. 2022, arXiv 2212.07143).

Everything is read from one folder, the hub's snapshot of one commit or a folder of the
user's own: ``open_clip_config.json``, the weights, ``tokenizer.json``. Nothing that is
missing there is looked for elsewhere. Which models there are is in ``openclip_models``.
"""  # noqa: D205

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image

from retrieval import commits, hub
from retrieval.embedders import pretrained
from retrieval.embedders.adapter import NONE, Adaptable, Adapter, Towers
from retrieval.embedders.clip_config import CONFIG, Config, read_config
from retrieval.embedders.clip_pixels import square
from retrieval.embedders.clip_tokens import SETTINGS, TOKENS, Tokens
from retrieval.embedders.clip_towers import image_tower, text_tower
from retrieval.embedders.openclip_models import MODELS, Model
from retrieval.errors import Damaged, NotReady, Refused
from retrieval.runtime.network import open_network
from retrieval.runtime.recipe import Recipe
from retrieval.types import Spec, Vectors

VARIABLE = "PARALLAX_OPENCLIP_DIR"
"""Environment variable that names a folder of the user's own weights."""
WEIGHTS = "open_clip_model.safetensors"
SAFE = (WEIGHTS, "open_clip_pytorch_model.safetensors")
PICKLED = "open_clip_pytorch_model.bin"
"""Taken of publishers in our table that have nothing else, and read by torch with
``weights_only``; never of a name that somebody types."""


class OpenClip(Adaptable):
    """Both towers, run by OpenVINO and converted at the first start.

    Args:
        spec: with ``repo`` and ``files`` (or ``pick``) of the hub, ``folder``, or
            ``variable`` that names one.
        adapter: a LoRA to merge into both towers.

    Raises:
        NotReady: gated, a token or the folder is missing, the cache cannot be written; or a
            folder of the user's own holds another model since this process began.
        Unreachable: the weights are not here and the hub does not give them.
        Damaged: the files are not those of an OpenCLIP model, or not of the declared one.
    """

    def __init__(self, spec: Spec, adapter: Adapter = NONE) -> None:
        spec = commits.asked(spec)
        super().__init__(spec, adapter)
        folder = _unchanged(spec, _folder(spec))
        weights = folder / weights_of(spec)
        self._config = _agreeing(spec, folder)
        self._tokens = Tokens(folder, self._config)
        name = re.sub(r"[^A-Za-z0-9.+-]+", "-", spec.name)[:80]
        image = partial(_made, image_tower, spec, weights, self._config)
        text = partial(_made, text_tower, spec, weights, self._tokens)
        pixels = partial(square, config=self._config)
        self.towers = Towers(image, pixels, text, self._tokens)
        side, revision = self._config.size, self._adapter.revised(spec.revision or identity(folder))
        images = Recipe(
            f"{name}-image",
            revision,
            f"{spec.preprocessing} {self._config}",
            (("uint8", (-1, side, side, 3)),),
            self._adapter.into("image", image),
        )
        texts = Recipe(
            f"{name}-text",
            revision,
            f"tokens {self._config.context}",
            (("int64", (-1, self._config.context)),),
            self._adapter.into("text", text),
        )
        self._image_net = open_network(images, spec.precision)
        self._text_net = open_network(texts, spec.precision)

    def nbytes(self) -> int:
        """Bytes of both towers."""
        return self._image_net.nbytes() + self._text_net.nbytes()

    def _images(self, batch: Sequence[Image]) -> Vectors:
        pixels = np.stack([square(image, self._config) for image in batch])
        return self._image_net(pixels)[0]

    def _texts(self, batch: Sequence[str]) -> Vectors:
        return self._text_net(self._tokens(batch))[0]


def weights_of(spec: Spec) -> str:
    """The name of the file of weights."""
    names = [name for name, _ in spec.param("files", ())]
    return next((name for name in (*SAFE, PICKLED) if name in names), WEIGHTS)


def identity(folder: Path) -> str:
    """Sixteen hexadecimal digits that change with a folder's files, without reading all of them.

    They stand for the configuration, the tokenizer, and of the weights their header (names,
    types and shapes), size and time.
    """
    digest = hashlib.sha256()
    weights = folder / WEIGHTS
    try:
        for name in (CONFIG, TOKENS, *SETTINGS):
            if name not in SETTINGS or (folder / name).is_file():
                digest.update((folder / name).read_bytes())
        status = weights.stat()
        digest.update(f"{status.st_size} {status.st_mtime_ns}".encode())
        with weights.open("rb") as file:
            digest.update(file.read(int.from_bytes(file.read(8), "little") & 0xFFFFFF))
    except OSError:
        return ""  # readiness says what is missing
    return digest.hexdigest()[:16]


def _agreeing(spec: Spec, folder: Path) -> Config:
    """What the folder's model is, if it is what the spec declares."""
    found = read_config(folder)
    if found.dim != spec.dim:
        raise Damaged(f"{folder} makes vectors of {found.dim} numbers, {spec.name} has {spec.dim}")
    return found


def _made(tower: Callable[[Path, Any], Any], spec: Spec, weights: Path, more: Any) -> Any:
    """A tower of weights that are compared first; it holds no embedder, which could not go."""
    pretrained.sound(spec, weights.parent)
    return tower(weights, more)


def _folder(spec: Spec) -> Path:
    """Where the files are, downloaded if need be."""
    if spec.param("repo"):
        return hub.download(spec.param("repo"), spec.revision, dict(spec.param("files")))[0]
    if os.environ.get("SPACE_ID"):
        raise Refused(f"{spec.name} reads a folder of the host's; a public lab does not")
    variable = spec.param("variable")
    named = os.environ.get(variable, "") if variable else spec.param("folder")
    if not named:
        raise NotReady(f"{spec.name} reads the folder that {variable} names; set it")
    return complete(Path(named).expanduser())


def _unchanged(spec: Spec, folder: Path) -> Path:
    """The folder; one of the user's own holds what the spec, and the store's keys, are of."""
    if spec.revision and not spec.param("repo") and identity(folder) != spec.revision:
        raise NotReady(f"{folder} has changed since this lab was started; start it anew")
    return folder


def complete(folder: Path) -> Path:
    """The folder, if it holds what a model needs.

    Raises:
        Damaged: a file is missing.
    """
    missing = [name for name in (CONFIG, WEIGHTS, TOKENS) if not (folder / name).is_file()]
    if missing:
        raise Damaged(f"{folder} has no {' and no '.join(missing)}; save the model with all three")
    return folder


SHARED: dict[str, Any] = {
    "target": "retrieval.embedders.openclip:OpenClip",
    "reads_text": True,
    "needs": ("open_clip", "tokenizers", "openvino"),
    "install": "pip install open_clip_torch tokenizers openvino",
}


def needing(*more: str) -> dict[str, Any]:
    """What every spec has, and the import names that some need beside it."""
    line = " ".join((SHARED["install"], *more))
    return {**SHARED, "needs": (*SHARED["needs"], *more), "install": line}


def beside(config: Config) -> tuple[str, ...]:
    """The import names that a model of a user's own needs besides."""
    return ("transformers",) if config.own else ()


def resized(config: Config) -> str:
    """How a configuration makes a picture a square, for the store's key."""
    how = {"squash": "squashed", "shortest": "shortest side", "longest": "longest side"}
    cut = {"squash": "", "shortest": ", centre crop", "longest": f", filled with {config.fill}"}
    kind = config.resizing
    return f"{how[kind]} {config.resampling}{cut[kind]}, mean and deviation"


def _own() -> Spec:
    """The spec of the folder that the environment names now."""
    named = os.environ.get(VARIABLE, "")
    folder, dim, side, how = Path(named), 512, 224, MODELS[0].preprocessing
    more: tuple[str, ...] = ()
    try:
        folder = folder.expanduser()
        if named:
            config = read_config(folder)
            dim, side, how, more = config.dim, config.size, resized(config), beside(config)
    except (Damaged, RuntimeError):  # readiness says what is wrong with it
        pass
    return Spec(
        name="openclip-local",
        title="OpenCLIP of your own",
        family="OpenCLIP",
        dim=dim,
        side=side,
        source=named or f"the folder that {VARIABLE} names",
        revision=identity(folder) if named else "",
        preprocessing=how,
        params=(("variable", VARIABLE), ("local", (CONFIG, WEIGHTS, TOKENS))),
        **needing(*more),
    )


def picking(*weights: str) -> tuple[tuple[str, Any], ...]:
    """The parameters that say which files of a commit are wanted."""
    return (("pick", ((CONFIG,), (TOKENS,), weights)), ("also", SETTINGS))


def _spec(model: Model) -> Spec:
    commit = model.commit
    return Spec(
        name=model.name,
        title=model.title,
        family=model.family,
        dim=model.size.dim,
        side=model.size.side,
        bytes=commit.bytes,
        parameters=model.size.parameters,
        licence=model.licence,
        note="" if commit.revision else "the commit of its first download is kept",
        source=f"https://huggingface.co/{model.repo}",
        revision=commit.revision,
        preprocessing=model.preprocessing,
        params=(("repo", model.repo), *_files(model)),
        **needing(*model.needs),
    )


def _files(model: Model) -> tuple[tuple[str, Any], ...]:
    """The files of a model, or how they are found among those that its commit holds."""
    if not model.commit.weights:
        return picking(*SAFE, PICKLED)
    settings = SETTINGS if "transformers" in model.needs else ()
    names = ((name, "") for name in (CONFIG, TOKENS, *settings))
    return (("files", (*names, (model.commit.weights, model.commit.sha256))),)


_EVERY = (*map(_spec, MODELS), _own())
SPECS = tuple(sorted(_EVERY, key=lambda spec: spec.family != "OpenCLIP"))  # a family is together
