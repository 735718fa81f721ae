"""Embedders that were trained here: a projection over another embedder's frozen vectors.

What is kept of them, and of those whose towers were trained (``adapted``), is read here.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from retrieval import manifest
from retrieval.embedders import EMBEDDERS, minilm
from retrieval.embedders.base import Embedder
from retrieval.errors import Damaged, LabError, NotReady
from retrieval.runtime import paths
from retrieval.runtime.disk import sha256
from retrieval.types import Licence, Spec, Vectors

TOLD, WEIGHTS = "trained.json", "projection.safetensors"
TARGETS = {"projection": f"{__name__}:Trained", "lora": "retrieval.embedders.adapted:Adapted"}
"""The class of each kind."""
HERE = "trained here on "
"""Before a gallery's name: the source of what was trained."""
LOG = logging.getLogger(__name__)


def seen(specs: Iterable[Spec], gallery: str) -> str:
    """What must be said beside figures of embedders that were trained on the same gallery."""
    names = ", ".join(spec.name for spec in specs if spec.source == f"{HERE}{gallery}")
    return names and (
        f"{names}: trained on {gallery} itself, so its figures are of rows that it has seen; "
        "train says what is gained on rows that it has not."
    )


def root() -> Path:
    """The folder of everything that was trained here."""
    return paths.cache() / "trained"


def spec_of(folder: Path) -> Spec:
    """The spec of a trained embedder, its files checked.

    Raises:
        Damaged: they differ from their manifest.
    """
    manifest.check(folder)
    try:
        told = json.loads((folder / TOLD).read_text("utf-8"))
        licence = Licence(**told.pop("licence")) if told["licence"] else told.pop("licence")
        needs, params = tuple(told.pop("needs")), tuple(told.pop("params").items())
        target = TARGETS[told.pop("kind", "projection")]
        return Spec(target=target, licence=licence, needs=needs, params=params, **told)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{folder / TOLD} cannot be read ({error}); delete {folder}") from error


def _specs() -> Iterator[Spec]:
    try:
        # Hidden is what is being written, or what a killed training left: it has the same name.
        folders = sorted(each.parent for each in root().glob(f"[!.]*/{manifest.NAME}"))
    except (OSError, LabError):  # no home folder, or one that may not be read
        return
    for folder in folders:
        try:
            yield spec_of(folder)
        except (Damaged, OSError) as error:  # one that cannot be read hides no other
            LOG.warning("%s", error)


def save(parent: Spec, name: str, by: str, gallery: str, weights: NDArray[np.float32]) -> Spec:
    """Keep a projection as an embedder called ``PARENT+NAME``.

    Args:
        parent: whose vectors it was fitted on.
        name: what to call it.
        by: captions, which go to the space of its texts; or labels, which stay in its own.
        gallery: on which it was fitted.
        weights: (d, e).
    """
    from safetensors.numpy import save_file

    def write(beside: Path) -> str:
        save_file({"projection": np.ascontiguousarray(weights)}, beside / WEIGHTS)
        return sha256(beside / WEIGHTS)[:16]

    own = by == "captions" and not parent.reads_text
    made = replace(
        parent,
        dim=weights.shape[1],
        reads_text=by == "captions" or parent.reads_text,
        note=f"trained on {gallery} by its {by}",
        needs=tuple(dict.fromkeys((*parent.needs, "safetensors", *minilm.NEEDS * own))),
        install=f"{parent.install} safetensors{minilm.INSTALL.removeprefix('pip install') * own}",
        params=(("by", by),),
    )
    return keep(made, name, gallery, "projection", write)


def keep(made: Spec, name: str, gallery: str, kind: str, write: Callable[[Path], str]) -> Spec:
    """Keep what was trained as an embedder called ``PARENT+NAME``.

    Args:
        made: its parent's spec, but for what has changed; ``params`` are its own alone.
        name: what to call it.
        gallery: on which it was fitted.
        kind: one of ``TARGETS``.
        write: puts its numbers into a folder and gives their digest.
    """
    folder = root() / f"{made.name}+{name}"
    own = {"parent": made.name, "parent_revision": made.revision, **dict(made.params)}
    with manifest.publish(folder, {"kind": "trained", "name": folder.name}) as beside:
        told = {
            "kind": kind,
            "name": folder.name,
            "title": f"{made.title} + {name}",
            "family": "Trained here",
            "dim": made.dim,
            "reads_text": made.reads_text,
            "note": made.note,
            "needs": made.needs,
            "install": made.install,
            "key": made.key,
            "about": made.about,
            "licence": asdict(made.licence) if made.licence else None,
            "source": f"{HERE}{gallery}",
            "revision": f"{made.revision} {write(beside)}",
            "preprocessing": made.preprocessing,
            "side": made.side,
            "parameters": made.parameters,
            "params": own,
        }
        (beside / TOLD).write_text(json.dumps(told, indent=1), "utf-8")
    return spec_of(folder)


def numbers(spec: Spec, name: str) -> Path:
    """The file of a trained embedder's numbers, if they are still those that its spec is of.

    Raises:
        NotReady: it was trained again since this process began.
        Damaged: the files differ from their manifest.
    """
    folder = root() / spec.name
    manifest.check(folder)
    if sha256(folder / name)[:16] != spec.revision.rpartition(" ")[2]:
        raise NotReady(f"{spec.name} was trained again since this lab was started; start it anew")
    return folder / name


class Trained(Embedder):
    """A parent's vectors through a projection.

    Raises:
        NotReady: the parent is another one than the projection was fitted on, or it was trained
            again since this process began.
        Damaged: the files differ from their manifest.
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        from safetensors.numpy import load_file

        self._weights: NDArray[np.float32] = load_file(numbers(spec, WEIGHTS))["projection"]
        parent = replace(EMBEDDERS.spec(spec.param("parent")), precision=spec.precision)
        if parent.revision != spec.param("parent_revision"):
            raise NotReady(f"{spec.name} was fitted on another {parent.name}; train it again")
        self._parent = EMBEDDERS.load(parent)(parent)
        self._by = spec.param("by")
        own = self._by == "captions" and not parent.reads_text
        self._minilm: Any = minilm.MiniLM(spec.precision) if own else None

    def nbytes(self) -> int:
        """Bytes of its parent's networks, of the projection, and of MiniLM where it reads texts."""
        texts = self._minilm.network.nbytes() if self._minilm is not None else 0
        return self._parent.nbytes() + self._weights.nbytes + int(texts)

    def way(self, text: str | None) -> str:
        """As its parent, or as MiniLM where the parent reads no text."""
        if text is not None and self._minilm is not None:
            return str(self._minilm.way(text))
        return self._parent.way(text)

    def asked(self, picture: Image) -> tuple[Vectors, str]:
        """As its parent reads a query, and refuses what it finds nothing in."""
        vectors, note = self._parent.asked(picture)
        return self._checked(np.asarray(vectors, np.float32) @ self._weights, 1), note

    def _images(self, batch: Sequence[Image]) -> Vectors:
        return np.asarray(self._parent.images(batch), np.float32) @ self._weights

    def _texts(self, batch: Sequence[str]) -> Vectors:
        if self._minilm is not None:
            return np.asarray(self._minilm(batch), np.float32)
        texts = np.asarray(self._parent.texts(batch), np.float32)
        return texts if self._by == "captions" else texts @ self._weights


SPECS = tuple(_specs())
