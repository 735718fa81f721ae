"""The hosted embedders, and what they are asked."""

from __future__ import annotations

from typing import Any

from PIL import Image

from retrieval.embedders import EMBEDDERS

NAMES = [spec.name for spec in EMBEDDERS.specs() if spec.family == "Hosted"]
ONE = "jina-clip-v2-api"


def loaded(name: str = ONE) -> Any:
    spec = EMBEDDERS.spec(name)
    return EMBEDDERS.load(spec)(spec)


def red(size: tuple[int, int] = (64, 48)) -> Image.Image:
    return Image.new("RGB", size, (250, 10, 10))


def blue() -> Image.Image:
    return Image.new("RGB", (64, 48), (10, 10, 250))
