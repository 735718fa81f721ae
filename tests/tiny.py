"""Tiny models of random weights, in the hub's own layouts, saved by the libraries themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image

TOKEN = "hf_" + "x" * 34


def files(folder: Path) -> dict[str, bytes]:
    """What a hub serves of a folder."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def pictures() -> list[Image.Image]:
    """Of several shapes, upright, wide, tiny, thin."""
    noise = np.random.default_rng(0)
    sizes = [(60, 40), (33, 500), (224, 224), (7, 5), (1, 400), (640, 427), (301, 300)]
    return [
        Image.fromarray(noise.integers(0, 256, (high, wide, 3), dtype=np.uint8))
        for wide, high in sizes
    ]


def normal(vectors: Any) -> Any:
    """Rows of length 1."""
    return vectors / vectors.norm(dim=-1, keepdim=True)


def quiet() -> None:
    """No bars in the tests' output."""
    told: Any = transformers.utils.logging
    told.disable_progress_bar()
    told.set_verbosity_error()


def save(folder: Path, model: Any, *others: Any, seed: int = 0) -> Path:
    """A model with random weights of a usual size, and its processor or tokenizer."""
    quiet()
    torch.manual_seed(seed)
    with torch.no_grad():
        for value in model.parameters():
            value.copy_(torch.randn_like(value) * 0.2 + (value.ndim == 1) * 0.1)
    for each in (model, *others):
        each.save_pretrained(str(folder))
    return folder
