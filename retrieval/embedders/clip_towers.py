"""The two halves of an OpenCLIP model as torch modules, for one conversion."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from retrieval.embedders.clip_config import CONFIG, Config
from retrieval.embedders.clip_tokens import TOKENS, Tokens
from retrieval.errors import Damaged
from retrieval.runtime.colours import colours

if TYPE_CHECKING:
    from torch import nn

PROBES = (
    "a photo of a cat",
    "Don't STOP!  3.14 caf\u00e9 & \u65e5\u672c",
    "",
    "word " * 100,
    "snake_case, \u0440\u0443\u0441\u0441\u043a\u0438\u0439 na\u00efve-\u00dcber",
)
"""Texts on which ``tokenizer.json`` must agree with open_clip's own tokenizer."""


def image_tower(weights: Path, config: Config) -> nn.Module:
    """A module from bytes, (n, size, size, 3), to vectors.

    Raises:
        Damaged: no model can be read.
    """
    import torch
    from torch import nn

    class Tower(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.visual = _model(weights).visual
            self.colours = colours(config.mean, config.deviation)

        def forward(self, pixels: torch.Tensor) -> Any:
            return self.visual(self.colours(pixels))

    return Tower().eval()


def text_tower(weights: Path, tokens: Tokens) -> nn.Module:
    """A module from token numbers, (n, context), to vectors.

    Raises:
        Damaged: no model can be read, or its tokenizer is not what open_clip makes of it.
    """
    import torch
    from torch import nn

    _compare(weights.parent, tokens)

    class Tower(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = _model(weights)
            del self.model.visual  # the other half, which no text goes through

        def forward(self, ids: torch.Tensor) -> Any:
            return self.model.encode_text(ids)

    return Tower().eval()


def _compare(folder: Path, tokens: Tokens) -> None:
    import open_clip  # type: ignore[import-untyped]

    try:
        theirs = open_clip.get_tokenizer(f"local-dir:{folder}")(list(PROBES)).numpy()
    except Exception as error:  # transformers' own, of every kind
        said = (str(error).splitlines() or [""])[0][:200]
        raise Damaged(
            f"open_clip reads no tokenizer from {folder} ({type(error).__name__}: {said}); "
            "delete that folder and load it again"
        ) from error
    if not np.array_equal(tokens(PROBES), theirs):
        raise Damaged(
            f"{folder / TOKENS} is not the tokenizer that its model was trained with, "
            "as open_clip reads it"
        )


def _model(weights: Path) -> Any:
    """The torch model of exactly that file, as ``open_clip.create_model`` builds it."""
    import open_clip

    folder = weights.parent
    if not weights.is_file():
        raise Damaged(f"{folder} has no {weights.name}")
    try:
        parts = json.loads((folder / CONFIG).read_text("utf-8"))["model_cfg"]
        custom = parts.pop("custom_text", False)
        if "timm_model_name" in parts["vision_cfg"]:  # or timm would download weights of its own
            parts["vision_cfg"]["timm_model_pretrained"] = False
        model = (open_clip.CustomTextCLIP if custom else open_clip.CLIP)(**parts)
        open_clip.load_checkpoint(model, str(weights), strict=True, weights_only=True)
    except Exception as error:  # safetensors, torch, timm and open_clip each raise their own
        said = (str(error).splitlines() or [""])[0][:200]
        raise Damaged(
            f"{folder} holds no OpenCLIP model that can be read ({said}); "
            "delete that folder and load it again"
        ) from error
    return model.eval()
