"""What ``open_clip_config.json`` says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from retrieval.errors import Damaged

CONFIG = "open_clip_config.json"
RESAMPLING = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
RESIZING = ("shortest", "squash", "longest")
CLEANING = ("lower", "whitespace", "canonicalize")
MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
"""What open_clip takes where a configuration names none: OpenAI's own."""


@dataclass(frozen=True, slots=True)
class Config:
    """What ``open_clip_config.json`` says that is needed here.

    Attributes:
        dim: width of the shared space.
        size: pixels of the square that the image tower reads.
        context: tokens that the text tower reads.
        words: tokens that there are.
        mean: of each colour, from 0 to 1.
        deviation: of each colour.
        resampling: how a picture is shrunk.
        resizing: the shortest side to the square and the rest cut off, both sides squashed
            into it, or the longest side to it and the rest filled.
        fill: from 0 to 255, each colour of what is filled.
        own: the tokenizer is the model's own file; otherwise it is CLIP's byte pairs.
        cleaning: what happens to a text before its tokens.
        strips: the separator of the own tokenizer becomes 0.
    """

    dim: int
    size: int
    context: int
    words: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    resampling: Literal["bicubic", "bilinear"]
    resizing: Literal["shortest", "squash", "longest"]
    fill: int
    own: bool
    cleaning: Literal["lower", "whitespace", "canonicalize"]
    strips: bool


def read_config(folder: Path) -> Config:
    """What the folder's model is.

    Raises:
        Damaged: no configuration, or of a kind that is not read here.
    """
    path = folder / CONFIG
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))
        found, other = _config(whole), list(_unread(whole))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"{type(error).__name__}: {error}"
        raise Damaged(f"{path} is no configuration of an OpenCLIP model ({what})") from error
    if other:
        raise Damaged(
            f"{path} sets {', '.join(other)}, which is not read here; take another OpenCLIP model"
        )
    return found


def _config(whole: dict[str, Any]) -> Config:
    model, picture = whole["model_cfg"], whole.get("preprocess_cfg") or {}
    vision, text = model["vision_cfg"], model["text_cfg"]
    tokenizer, own = text.get("tokenizer_kwargs") or {}, bool(text.get("hf_tokenizer_name"))
    return Config(
        dim=int(model["embed_dim"]),
        size=_side(vision.get("image_size", 224)),
        context=int(text.get("context_length", 77)),
        words=int(text.get("vocab_size", 49408)),
        mean=_colours(picture.get("mean") or MEAN),
        deviation=_colours(picture.get("std") or DEVIATION),
        resampling=picture.get("interpolation") or "bicubic",
        resizing=picture.get("resize_mode") or "shortest",
        fill=int(picture.get("fill_color") or 0),
        own=own,
        cleaning=tokenizer.get("clean", "whitespace" if own else "lower"),
        strips=own and bool(tokenizer.get("strip_sep_token")),
    )


def _side(size: Any) -> int:
    sides = {int(side) for side in size} if isinstance(size, list) else {int(size)}
    if len(sides) > 1 or min(sides) < 1:
        raise ValueError(f"image_size is {size}; only squares are read")
    return sides.pop()


def _colours(values: Any) -> tuple[float, ...]:
    three = tuple(map(float, values)) if isinstance(values, list | tuple) else (float(values),) * 3
    if len(three) != 3:
        raise ValueError(f"{values} is not one number for each of three colours")
    return three


def _unread(whole: dict[str, Any]) -> Iterator[str]:
    """The settings that would change a vector and are not known here."""
    model, picture = whole["model_cfg"], whole.get("preprocess_cfg") or {}
    text = model["text_cfg"]
    tokenizer = text.get("tokenizer_kwargs") or {}
    yield from (name for name in ("hf_model_name", "tokenizer_mode") if text.get(name))
    yield from (name for name in ("multimodal_cfg",) if model.get(name))
    known = {"clean", "strip_sep_token"} if text.get("hf_tokenizer_name") else {"clean"}
    yield from (f"tokenizer_kwargs.{name}" for name in sorted(set(tokenizer) - known))
    allowed = (
        ("clean", tokenizer, CLEANING),
        ("interpolation", picture, tuple(RESAMPLING)),
        ("resize_mode", picture, RESIZING),
        ("mode", picture, ("RGB",)),
    )
    for name, where, values in allowed:
        if where.get(name) not in (None, *values):
            yield f"{name}={where[name]}"
