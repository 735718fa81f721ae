"""Embedders whose towers were trained here: a parent's weights with a LoRA merged into them."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL.Image import Image

from retrieval.embedders import EMBEDDERS, trained
from retrieval.embedders.adapter import INSTALL, NEEDS, Adaptable, Adapter, Tensors
from retrieval.embedders.base import Embedder
from retrieval.errors import BadQuery, Damaged, NotReady
from retrieval.runtime.disk import sha256
from retrieval.types import Spec, Vectors

WEIGHTS = "lora.safetensors"


def adaptable(spec: Spec) -> type[Adaptable]:
    """The class of an embedder whose towers can be trained on.

    Raises:
        BadQuery: it has none.
        NotReady: a library that it needs is not installed.
    """
    kind: type[Embedder] = EMBEDDERS.load(spec)
    if not issubclass(kind, Adaptable):
        raise BadQuery(
            f"{spec.title} has no towers that a LoRA fits; "
            "choose an embedder of OpenCLIP or DINO, or train a projection, without --lora"
        )
    return kind


def save(
    parent: Spec, name: str, by: str, gallery: str, tensors: Tensors, rank: int, alpha: int
) -> Spec:
    """Keep a LoRA as an embedder called ``PARENT+NAME``.

    Args:
        parent: whose towers it was fitted on.
        name: what to call it.
        by: captions or labels.
        gallery: on which it was fitted.
        tensors: its matrices; see ``adapter.Tensors``.
        rank: of each change.
        alpha: its scale is ``alpha / rank``.
    """
    from safetensors.numpy import save_file

    def write(beside: Path) -> str:
        told = {"rank": str(rank), "alpha": str(alpha)}  # so that they are in the digest too
        save_file(tensors, beside / WEIGHTS, told)
        return sha256(beside / WEIGHTS)[:16]

    made = replace(
        parent,
        note=f"towers trained on {gallery} by its {by}",
        needs=tuple(dict.fromkeys((*parent.needs, *NEEDS))),
        install=INSTALL,
        params=(("by", by), ("rank", rank), ("alpha", alpha), ("peft", version())),
    )
    return trained.keep(made, name, gallery, "lora", write)


def version() -> str:
    """The version of peft, or an empty one."""
    try:
        return importlib.metadata.version("peft")
    except importlib.metadata.PackageNotFoundError:
        return ""


class Adapted(Embedder):
    """A parent with a LoRA merged into its towers, run as the parent is.

    Raises:
        NotReady: the parent is another one than the LoRA was fitted on, or it was trained
            again since this process began.
        Damaged: the files differ from their manifest, or the LoRA fits no tower.
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        parent = replace(EMBEDDERS.spec(spec.param("parent")), precision=spec.precision)
        if parent.revision != spec.param("parent_revision"):
            raise NotReady(f"{spec.name} was fitted on another {parent.name}; train it again")
        self._embedder = adaptable(parent)(parent, _adapter(spec))

    def nbytes(self) -> int:
        """Bytes of its parent's networks, which it has of its own."""
        return self._embedder.nbytes()

    def _images(self, batch: Sequence[Image]) -> Vectors:
        return np.asarray(self._embedder.images(batch), np.float32)

    def _texts(self, batch: Sequence[str]) -> Vectors:
        return np.asarray(self._embedder.texts(batch), np.float32)


def _adapter(spec: Spec) -> Adapter:
    from safetensors.numpy import load_file

    file = trained.numbers(spec, WEIGHTS)
    try:
        tensors = load_file(file)
    except Exception as error:  # the library raises its own
        raise Damaged(f"{file} cannot be read ({error}); train it again") from error
    digest = spec.revision.rpartition(" ")[2]
    return Adapter(digest, spec.param("rank"), spec.param("alpha"), tensors)
