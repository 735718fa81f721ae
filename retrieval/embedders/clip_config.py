"""What ``open_clip_config.json`` says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image

from retrieval.errors import Damaged

CONFIG = "open_clip_config.json"
RESAMPLING = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


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
    """

    dim: int
    size: int
    context: int
    words: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    resampling: Literal["bicubic", "bilinear"]


def read_config(folder: Path) -> Config:
    """What the folder's model is.

    Raises:
        Damaged: no configuration, or of a kind that is not read here.
    """
    path = folder / CONFIG
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))
        model, picture = whole["model_cfg"], whole.get("preprocess_cfg", {})
        vision, text = model["vision_cfg"], model["text_cfg"]
        found = Config(
            dim=int(model["embed_dim"]),
            size=int(vision["image_size"]),
            context=int(text.get("context_length", 77)),
            words=int(text.get("vocab_size", 49408)),
            mean=tuple(map(float, picture["mean"])),
            deviation=tuple(map(float, picture["std"])),
            resampling=picture.get("interpolation", "bicubic"),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"{type(error).__name__}: {error}"
        raise Damaged(f"{path} is no configuration of an OpenCLIP model ({what})") from error
    other = [name for name in ("hf_tokenizer_name", "hf_model_name") if text.get(name)]
    other += ["resize_mode"] if picture.get("resize_mode", "shortest") != "shortest" else []
    other += ["interpolation"] if found.resampling not in RESAMPLING else []
    other += ["tokenizer_kwargs"] if text.get("tokenizer_kwargs") else []
    if other:
        raise Damaged(
            f"{path} sets {', '.join(other)}, which is not read here; "
            "take a model with CLIP's own tokenizer and preprocessing"
        )
    return found
