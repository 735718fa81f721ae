"""Models of sentence-transformers that somebody names: ``st:owner/name`` and ``@revision``.

Whatever reads pictures and is loaded by the library's ``SentenceTransformer`` without code of its
own, run by the library itself in torch: how such a model cuts pictures and reads texts is in its
files, in as many ways as there are models. All weights are safetensors. Its small files say what
it makes before the large ones are downloaded.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image as Pillow
from PIL.Image import Image

from retrieval import commits, hub
from retrieval.embedders import pretrained
from retrieval.embedders.base import Embedder
from retrieval.embedders.sbert import opened
from retrieval.embedders.text_tokens import clean
from retrieval.errors import Damaged, Unsupported
from retrieval.types import Spec, Vectors

PREFIX = "st:"
MODULES, TOP = "modules.json", "config_sentence_transformers.json"
CONFIG = "config.json"
_SMALL = (".json", ".txt", ".model", ".jinja")
_WEIGHTS = ".safetensors"
_OWN = "sentence_transformers."
_VISION = ("vision_config", "image_size")
"""Fields of a configuration, one of which every model has that reads pictures."""

Config = Mapping[str, Any]


def spec(name: str, repo: str, revision: str) -> Spec:
    """The spec of a repository, its small files downloaded now.

    Raises:
        NotReady: gated, or a token is missing.
        Unreachable: the hub does not answer, or has no such repository.
        Unsupported: it reads no pictures, needs code of its own, or has no safetensors.
        Damaged: a configuration cannot be read.
    """
    kept = commits.kept(repo, revision) or commits.ask(repo, revision)
    if MODULES not in kept.files:
        raise Unsupported(f"{repo} has no {MODULES}, so it is no model of sentence-transformers")
    top = hub.download(repo, kept.commit, {MODULES: ""})[0]
    modules = _modules(top / MODULES, repo)
    files = _files(kept, [path for path, _ in modules])
    folder = hub.download(repo, kept.commit, {each: "" for each in files if _is_small(each)})[0]
    first = _read(folder / modules[0][0] / CONFIG)
    if not any(field in first for field in _VISION):
        raise Unsupported(f"{repo} reads text only; name a model that reads pictures")
    sizes = [kept.files[each] for each in files]
    return Spec(
        name=name,
        title=repo,
        target=f"{__name__}:Typed",
        family="Typed",
        dim=width(folder, modules),
        reads_text="text_config" in first,
        side=_side(first),
        needs=(*pretrained.NEEDS[1:], "sentence_transformers"),
        install="pip install -r requirements-embedders.txt",
        bytes=sum(sizes) if all(sizes) else 0,
        source=f"https://huggingface.co/{repo}",
        revision=kept.commit,
        preprocessing="as sentence-transformers does by its own files",
        note="its licence is not known here",
        params=(
            ("repo", repo),
            ("files", tuple((each, "") for each in files)),
            ("typed", True),
        ),
    )


def _modules(path: Path, repo: str) -> list[tuple[str, str]]:
    """The folder and the kind of each module, first to last."""
    try:
        listed = json.loads(path.read_text("utf-8"))
        found = [(str(each["path"]), str(each["type"])) for each in listed]
        folders = [Path(folder) for folder, _ in found]
        if not found or any(each.is_absolute() or ".." in each.parts for each in folders):
            raise ValueError("no modules, or one of another folder")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unread(path, error) from error
    foreign = [kind for _, kind in found if not kind.startswith(_OWN)]
    if foreign:
        raise Unsupported(
            f"{repo} needs code of its own ({foreign[0][:80]}), which is never run here; "
            "name another model"
        )
    return [(folder, kind.rpartition(".")[2]) for folder, kind in found]


def _files(kept: commits.Kept, folders: Sequence[str]) -> list[str]:
    """What of a repository is read: small files at the top, and all of the modules' folders."""
    wanted = {str(Path(folder)) for folder in folders}
    weights = [name for name in kept.files if name.endswith(_WEIGHTS) and _in(name, wanted)]
    if not weights:
        raise Unsupported(
            f"{kept.repo} at {kept.commit[:12]} has no {_WEIGHTS} of its own; name another model"
        )
    small = [name for name in kept.files if _is_small(name) and _in(name, wanted | {"."})]
    return [*small, *weights]


def _in(name: str, folders: set[str]) -> bool:
    return str(Path(name).parent) in folders


def _is_small(name: str) -> bool:
    return name.endswith(_SMALL)


def width(folder: Path, modules: Sequence[tuple[str, str]]) -> int:
    """Numbers of a vector, by the last module that says so.

    Raises:
        Damaged: none does, or in another form.
    """
    for part, kind in reversed(modules):
        path = folder / part / CONFIG
        if path.is_file():
            told = _read(path)
            try:
                found = _width(kind, told)
            except (TypeError, ValueError, AttributeError) as error:  # of another form
                raise _unread(path, error) from error
            if found:
                cut = _read(folder / TOP).get("truncate_dim") if (folder / TOP).is_file() else None
                return min(found, cut) if isinstance(cut, int) and cut > 0 else found
    raise Damaged(f"{folder} does not say how many numbers its vectors have; name another model")


def _width(kind: str, told: Config) -> int:
    if kind == "Dense":
        return int(told.get("out_features", 0))
    if kind == "Pooling":
        named = told.get("pooling_mode")
        older = sum(bool(on) for name, on in told.items() if name.startswith("pooling_mode_"))
        ways = len(named) if isinstance(named, list) else older
        each = told.get("embedding_dimension", told.get("word_embedding_dimension", 0))
        return int(each) * max(1, ways)
    if kind in ("Transformer", "CLIPModel"):
        both = (told, told.get("vision_config") or {})
        names = ("projection_dim", "hidden_size")
        return next((int(each[name]) for name in names for each in both if each.get(name)), 0)
    return 0


def _side(told: Config) -> int:
    inner = told.get("vision_config")
    side = (inner if isinstance(inner, dict) else told).get("image_size", 0)
    return side if isinstance(side, int) else 0


def _read(path: Path) -> Config:
    try:
        told = json.loads(path.read_text("utf-8"))
        if not isinstance(told, dict):
            raise TypeError(f"{type(told).__name__} in the place of fields")
    except (OSError, ValueError, TypeError) as error:
        raise _unread(path, error) from error
    return told


def _unread(path: Path, error: Exception) -> Damaged:
    what = f"{type(error).__name__}: {error}"[:200]
    return Damaged(f"{path} is no configuration of a model ({what}); delete it, load it again")


_GREY = Pillow.linear_gradient("L").convert("RGB")


class Typed(Embedder):
    """The library's model, called from one thread at a time.

    Raises:
        NotReady: a token is missing, or a cache cannot be written.
        Unreachable: the weights are not here and the hub does not give them.
        Unsupported: it needs code of its own, or reads no pictures.
        Damaged: the files are not those of a model, or of one of another width.
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self._model = _whole(spec, pretrained.sound(spec, pretrained.fetch(spec)))
        self._lock = threading.Lock()
        wide = self._model.get_embedding_dimension()
        reads = [each for each in ("image", "text") if self._model.supports(each)]
        if "image" not in reads:
            raise Unsupported(f"{spec.name} reads no pictures; name a model that does")
        if wide != spec.dim or spec.reads_text and "text" not in reads:
            raise Damaged(
                f"{spec.name} makes {wide} numbers of {' and '.join(reads)}, "
                f"its configuration says {spec.dim}; name another model"
            )

    def _images(self, batch: Sequence[Image]) -> Vectors:
        return self._encoded([each.convert("RGB") for each in batch])

    def _texts(self, batch: Sequence[str]) -> Vectors:
        return self._encoded([clean(each) for each in batch])

    def _encoded(self, batch: list[Any]) -> Vectors:
        with self._lock:  # its tokenizer is for one thread
            made = self._model.encode(batch, show_progress_bar=False, convert_to_numpy=True)
        return cast(Vectors, np.asarray(made, dtype=np.float32))


def _whole(spec: Spec, folder: Path) -> Any:
    """The model, loaded twice: what its files lack the library makes up at random.

    Raises:
        Damaged: its vectors depend on the seed.
    """
    import torch

    model: Any = None
    probes: list[Vectors] = []
    for seed in (0, 1):
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            model = None  # two at once may not fit
            model = _loaded(spec, folder)
            probes.append(_probed(model))
    if not np.allclose(probes[0], probes[1], atol=1e-5):
        raise Damaged(
            f"{folder} lacks weights, and the library would make them up; name another model"
        )
    return model


def _probed(model: Any) -> Vectors:
    """Vectors of a picture and of a text, as one row."""
    given: list[Any] = [_GREY] if model.supports("image") else []
    given += ["a photo of a cat"] if model.supports("text") else []
    return np.concatenate([model.encode([each], show_progress_bar=False)[0] for each in given])


def _loaded(spec: Spec, folder: Path) -> Any:
    import torch

    pretrained.quiet()
    try:
        return opened(folder, dtype=getattr(torch, spec.precision))
    except Damaged as error:
        if "trust_remote_code" in str(error.__cause__):
            raise Unsupported(
                f"{spec.name} needs code of its own, which is never run here; name another model"
            ) from error
        raise
