"""Tiny models of every kind of DINO, and embedders of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import transformers

from retrieval.embedders import dino
from retrieval.types import Spec
from tests.hubloads import downloaded

REPO, SHA = "lab/tiny-dino", "a" * 40
COMMON: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
}  # fmt: skip


def models() -> dict[str, Any]:
    """A model of each kind, and the processor that the hub has beside it."""
    second = transformers.Dinov2Config(**COMMON, image_size=70, patch_size=14)
    registers = transformers.Dinov2WithRegistersConfig(
        **COMMON, image_size=70, patch_size=14, num_register_tokens=4
    )
    third = transformers.DINOv3ViTConfig(**COMMON, num_register_tokens=4)
    conv = transformers.DINOv3ConvNextConfig(hidden_sizes=[8, 8, 16, 32], depths=[1, 1, 1, 1])
    return {
        "dinov2": transformers.Dinov2Model(second),
        "dinov2_with_registers": transformers.Dinov2WithRegistersModel(registers),
        "dinov3_vit": transformers.DINOv3ViTModel(third),
        "dinov3_convnext": transformers.DINOv3ConvNextModel(conv),
    }


IMAGENET: dict[str, Any] = {
    "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
}  # fmt: skip
SECOND: dict[str, Any] = {
    "size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224},
    "resample": 3, **IMAGENET,
}  # fmt: skip


def processor(kind: str) -> Any:
    """As the library would save it."""
    if kind.startswith("dinov3"):
        return transformers.DINOv3ViTImageProcessor()
    return transformers.BitImageProcessor(**SECOND)


KINDS = {
    "dinov2": "dinov2-s",
    "dinov2_with_registers": "dinov2-b-registers",
    "dinov3_vit": "dinov3-s",
    "dinov3_convnext": "dinov3-convnext-t",
}


def spec_of(name: str) -> Spec:
    return replace(next(each for each in dino.SPECS if each.name == name), dim=32)


def own(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch, cache: Path) -> dino.Dino:
    """The embedder of a folder, as if it had been downloaded."""
    downloaded(folder, monkeypatch, cache)
    return dino.Dino(spec_of(name))
