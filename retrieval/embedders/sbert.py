"""sentence-transformers' CLIP family: texts and pictures in one space.

The towers are OpenAI's (Radford et al. 2021, arXiv 2103.00020). The multilingual one is another
text side, taught to give CLIP's vectors for the same sentence in fifty languages (Reimers and
Gurevych 2020, arXiv 2004.09813): its pictures are those of clip-ViT-B-32, by the same network.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from PIL.Image import Image

from retrieval import hub
from retrieval.embedders import pretrained, processor
from retrieval.embedders.base import Embedder
from retrieval.embedders.pixels import squares
from retrieval.embedders.pretrained import CONFIG, WEIGHTS
from retrieval.embedders.text_tokens import FILE
from retrieval.errors import Damaged
from retrieval.runtime.colours import colours
from retrieval.runtime.network import Network, open_network
from retrieval.runtime.recipe import Recipe
from retrieval.types import Licence, Spec, Vectors

if TYPE_CHECKING:
    import torch
    from torch import nn

Files: TypeAlias = Sequence[tuple[str, str]]
"""Names, and their SHA-256 or nothing."""
PART = "0_CLIPModel"
"""The folder of the towers in a repository of the CLIP family."""
LIMITS = "sentence_bert_config.json"
STEP = 16
"""Tokens by which lengths of the multilingual texts are rounded up, so that few are ever new."""
CONTEXT = 77
"""Tokens of every text that CLIP itself reads."""
CLIPS = {"padding": "max_length", "truncation": True, "max_length": CONTEXT}

_OPENAI = Licence("MIT", "yes", "https://github.com/openai/CLIP/blob/main/LICENSE")
_B32, _MULTI = "sentence-transformers/clip-ViT-B-32", "clip-ViT-B-32-multilingual-v1"
_PLAIN = ("modules.json", "config_sentence_transformers.json")
_PARTS = (
    CONFIG,
    processor.NAME,
    "merges.txt",
    "vocab.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
)


def _clip(weights: str, *more: str) -> tuple[tuple[str, str], ...]:
    """Files of a repository of the family, and the SHA-256 of its weights."""
    plain = [*_PLAIN, *(f"{PART}/{name}" for name in (*_PARTS, *more))]
    return (*((name, "") for name in plain), (f"{PART}/{WEIGHTS}", weights))


_B32_FILES = _clip("99d28a652e6ec46629ab7047a0ac82c69b1fe11e0ce672c43af65d3a9a3fc05d")
_B32_REVISION = "327ab6726d33c0e22f920c83f2ff9e4bd38ca37f"
_L14_FILES = _clip("a2bf730a0c7debf160f7a6b50b3aaf3703e7e88ac73de7a314903141db026dcb", FILE)
_MULTI_FILES = (
    *((name, "") for name in (*_PLAIN, CONFIG, LIMITS, FILE, "tokenizer_config.json")),
    ("special_tokens_map.json", ""),
    ("1_Pooling/config.json", ""),
    ("2_Dense/config.json", ""),
    (
        "2_Dense/model.safetensors",
        "d12568dc7300970a4d3dbb49068ad16cd89b99840b74b026f8e48071e9414f74",
    ),
    (WEIGHTS, ""),
)
_SHARED: dict[str, Any] = {
    "target": f"{__name__}:Sbert",
    "family": "sentence-transformers",
    "reads_text": True,
    "needs": (*pretrained.NEEDS, "tokenizers", "sentence_transformers"),
    "install": "pip install -r requirements-embedders.txt",
    "side": 224,
}
_CUT = "shorter edge 224 bicubic, middle 224x224, mean and deviation"
SPECS = (
    Spec(
        name="st-clip-vit-b-32",
        title="clip-ViT-B-32",
        dim=512,
        bytes=606_650_000,
        parameters=151_277_313,
        licence=_OPENAI,
        source=f"https://huggingface.co/{_B32}",
        revision=_B32_REVISION,
        preprocessing=f"{_CUT}; {CONTEXT} tokens",
        params=(("repo", _B32), ("files", _B32_FILES), ("network", "st-clip-vit-b-32")),
        **_SHARED,
    ),
    Spec(
        name="st-clip-vit-l-14",
        title="clip-ViT-L-14",
        dim=768,
        bytes=1_714_160_000,
        parameters=427_616_513,
        licence=_OPENAI,
        source="https://huggingface.co/sentence-transformers/clip-ViT-L-14",
        revision="1b4b2e899178706d1b9905460ac21de1e0ba86a5",
        preprocessing=f"{_CUT}; {CONTEXT} tokens",
        params=(
            ("repo", "sentence-transformers/clip-ViT-L-14"),
            ("files", _L14_FILES),
            ("network", "st-clip-vit-l-14"),
        ),
        **_SHARED,
    ),
    Spec(
        name="st-clip-vit-b-32-multilingual",
        title=_MULTI,
        dim=512,
        bytes=606_650_000 + 544_000_000,
        parameters=151_277_313 + 134_734_080 + 768 * 512,
        note="fifty languages",
        licence=Licence(
            "Apache-2.0 and MIT", "yes", f"https://huggingface.co/sentence-transformers/{_MULTI}"
        ),
        source=f"https://huggingface.co/sentence-transformers/{_MULTI}",
        revision="58edf8cada9e398793dca955574a48cbb7f18be2",
        preprocessing=f"{_CUT}; pictures of {_B32} {_B32_REVISION}; wordpiece",
        params=(
            ("repo", f"sentence-transformers/{_MULTI}"),
            ("files", _MULTI_FILES),
            ("beside", ((_B32, _B32_REVISION, _B32_FILES),)),
            ("network", "st-clip-vit-b-32"),
        ),
        **_SHARED,
    ),
)


class Sbert(Embedder):
    """Both sides, run by OpenVINO and converted at the first start.

    Raises:
        NotReady: a token is missing, or a cache cannot be written.
        Unreachable: the weights are not here and the hub does not give them.
        Damaged: the files are not those of the declared model.
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        folder = pretrained.fetch(spec)
        self._how, images = _picture_side(spec)
        self._free = spec.param("beside") is not None
        settings = _settings(folder) if self._free else CLIPS
        part = "" if self._free else PART
        self._tokens = pretrained.tokens(spec, folder / part, settings)
        length = -1 if self._free else CONTEXT
        texts = Recipe(
            f"{spec.name}-text",
            spec.revision,
            f"tokens {settings}",
            (("int64", (-1, length)), ("int64", (-1, length))),
            partial(_text_tower, spec.param("repo"), folder, spec.param("files"), part),
            usual=STEP if self._free else 0,
        )
        self._image_net: Network = open_network(images, spec.precision)
        self._text_net: Network = open_network(texts, spec.precision)

    def nbytes(self) -> int:
        """Bytes of both towers."""
        return self._image_net.nbytes() + self._text_net.nbytes()

    def _images(self, batch: Sequence[Image]) -> Vectors:
        return self._image_net(squares(batch, self._how))[0]

    def _texts(self, batch: Sequence[str]) -> Vectors:
        return self._text_net(*self._tokens(batch))[0]

    def way(self, text: str | None) -> str:
        """Texts of one rounded length run alike; another length is slow the first time."""
        if text is None or not self._free:
            return super().way(text)
        return f"{self._tokens([text])[0].shape[1]} tokens"


def _picture_side(spec: Spec) -> tuple[processor.Processor, Recipe]:
    """How pictures are cut, and their network; another repository's where the spec names one."""
    own = (spec.param("repo"), spec.revision, spec.param("files"))
    [(repo, revision, files)] = spec.param("beside", (own,))
    folder = hub.download(repo, revision, dict(files))[0]
    pretrained.configured(folder / PART, "clip")
    how = processor.read_processor(folder / PART)
    if how.way != "middle":
        raise Damaged(f"{folder} does not cut the middle out of pictures; load it again")
    inputs = (("uint8", (-1, how.side, how.side, 3)),)
    make = partial(_image_tower, repo, folder, files, how)
    return how, Recipe(f"{spec.param('network')}-image", revision, str(how), inputs, make)


def _settings(folder: Path) -> dict[str, Any]:
    """How the multilingual side's tokenizer is called: its own limit, lengths rounded up."""
    try:
        most = int(json.loads((folder / LIMITS).read_text("utf-8"))["max_seq_length"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{folder / LIMITS} cannot be read ({error}); load it again") from error
    return {"padding": True, "truncation": True, "max_length": most, "pad_to_multiple_of": STEP}


def _loaded(repo: str, folder: Path, files: Files, part: str) -> Any:
    """The library's model, every number of it from safetensors."""
    import torch

    for file, wanted in files:
        hub.verify(folder / file, wanted, repo)
    pretrained.model(folder / part)  # the library itself would make up what is lacking
    return opened(folder, dtype=torch.float32, attn_implementation="eager")


def opened(folder: Path, **how: Any) -> Any:
    """What the library loads of a folder, from safetensors, no code of the folder's run.

    Args:
        folder: in its layout.
        how: more that its parts are made with, such as ``dtype``.

    Raises:
        Damaged: it loads nothing.
    """
    from sentence_transformers import SentenceTransformer

    with pretrained.reading(folder):
        return SentenceTransformer(
            str(folder),
            device="cpu",
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True, **how},
        ).eval()


def _image_tower(repo: str, folder: Path, files: Files, how: processor.Processor) -> nn.Module:
    import torch

    held = _loaded(repo, folder, files, PART)

    class Tower(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.held, self.colours = held, colours(how.mean, how.deviation)

        def forward(self, pixels: torch.Tensor) -> Any:
            shown = {"pixel_values": self.colours(pixels), "modality": "image"}
            return self.held(shown)["sentence_embedding"]

    return Tower().eval()


def _text_tower(repo: str, folder: Path, files: Files, part: str) -> nn.Module:
    import torch

    held = _loaded(repo, folder, files, part)

    class Tower(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.held = held

        def forward(self, numbers: torch.Tensor, mask: torch.Tensor) -> Any:
            read = {"input_ids": numbers, "attention_mask": mask, "modality": "text"}
            return self.held(read)["sentence_embedding"]

    return Tower().eval()
