"""Folders of the hub that transformers' own loader reads, and nothing else of theirs."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from retrieval import hub
from retrieval.embedders.text_tokens import Tokens
from retrieval.errors import Damaged
from retrieval.types import Spec

CONFIG, WEIGHTS = "config.json", "model.safetensors"
NEEDS = ("openvino", "safetensors", "torch", "transformers")
INSTALL = "pip install openvino safetensors torch transformers"


def fetch(spec: Spec) -> Path:
    """The folder of a spec's revision, downloaded if need be.

    Raises:
        NotReady: gated, a token is missing, or the cache cannot be written.
        Unreachable: it is not here and the hub does not give it.
        Damaged: what arrived is not what was sent.
    """
    return hub.download(spec.param("repo"), spec.revision, dict(spec.param("files")))[0]


def sound(spec: Spec, folder: Path) -> Path:
    """The folder, its files compared with their hashes once more before a conversion."""
    for file, wanted in spec.param("files", ()):
        hub.verify(folder / file, wanted, spec.param("repo"))
    return folder


def configured(folder: Path, kind: str) -> dict[str, Any]:
    """The folder's ``config.json``, which must be of a kind of model.

    Raises:
        Damaged: it is not, or cannot be read.
    """
    path = folder / CONFIG
    try:
        told = json.loads(path.read_text("utf-8"))
        found = told["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"{type(error).__name__}: {error}"
        raise Damaged(f"{path} is no configuration of a model ({what})") from error
    if found != kind:
        raise Damaged(f"{path} is of a {found!r}, wanted is a {kind!r}; delete that folder")
    return dict(told)


def model(folder: Path) -> Any:
    """The torch model in float32, all its numbers from safetensors.

    Raises:
        Damaged: the file cannot be read, or lacks what the model needs.
    """
    import torch
    from transformers import AutoModel

    quiet()
    with reading(folder):
        made, told = AutoModel.from_pretrained(
            str(folder),
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=torch.float32,
            attn_implementation="eager",
            output_loading_info=True,
        )
    lacking = [*told["missing_keys"], *told["mismatched_keys"]]
    if lacking:  # transformers would go on with random numbers
        raise Damaged(f"{folder / WEIGHTS} lacks {lacking[0]}; delete that folder, load it again")
    return made.eval()


def tokens(spec: Spec, folder: Path, settings: Mapping[str, Any]) -> Tokens:
    """The folder's tokenizer as transformers makes it.

    Args:
        spec: whose it is.
        folder: with ``tokenizer.json`` or what the library makes it of.
        settings: of each call, such as ``padding``.

    Raises:
        Damaged: it cannot be read.
    """

    def make() -> Any:
        from transformers import AutoTokenizer

        quiet()
        loader: Any = AutoTokenizer
        return loader.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)

    return Tokens({"source": spec.source, "revision": spec.revision}, settings, make)


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Whatever a library raises that loads a folder here is one sentence.

    Raises:
        Damaged: the folder cannot be loaded.
    """
    try:
        yield
    except Exception as error:  # safetensors, torch and the libraries above each raise their own
        said = (str(error).splitlines() or [""])[0][:200]
        raise Damaged(
            f"{folder} holds no model that can be read ({type(error).__name__}: {said}); "
            "delete that folder and load it again"
        ) from error


def quiet() -> None:
    """Have transformers draw no bars and say nothing but errors."""
    told: Any = importlib.import_module("transformers.utils.logging")
    told.set_verbosity_error()
    told.disable_progress_bar()
