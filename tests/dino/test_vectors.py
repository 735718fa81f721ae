"""DINO by tiny models of every kind against transformers itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil

from retrieval.embedders import dino, pixels
from retrieval.embedders.processor import read_processor
from retrieval.store import vectors_key
from tests import tiny
from tests.dino.models import KINDS, SECOND, own
from tests.fakes import Colours


def theirs(folder: Path, kind: str, pooling: str) -> Any:
    """What transformers gives, each picture by its own processor."""
    tiny.quiet()
    made = transformers.AutoModel.from_pretrained(str(folder)).eval()
    pil = BitImageProcessorPil(**SECOND)
    loader: Any = transformers.AutoImageProcessor
    cut = pil if kind.startswith("dinov2") else loader.from_pretrained(str(folder))
    shown = torch.cat([cut(each, return_tensors="pt")["pixel_values"] for each in tiny.pictures()])
    with torch.no_grad():
        out = made(pixel_values=shown)
    tokens = out.last_hidden_state[:, 1 + getattr(made.config, "num_register_tokens", 0) :]
    if pooling == "gem":
        return tiny.normal(tokens.clamp(min=1e-6).pow(3).mean(1).pow(1 / 3))
    return tiny.normal(tokens.mean(1) if pooling else out.pooler_output)


CASES = [
    (kind, pooling)
    for kind in KINDS
    for pooling in dino.POOLINGS
    if (kind, pooling) != ("dinov3_convnext", "mean")
]


@pytest.mark.parametrize(("kind", "pooling"), CASES)
def test_vectors_are_the_librarys(
    folders: dict[str, Path],
    kind: str,
    pooling: str,
    monkeypatch: pytest.MonkeyPatch,
    cache: Path,
) -> None:
    name = "-".join(filter(None, (KINDS[kind], pooling)))
    embedder = own(folders[kind], name, monkeypatch, cache)
    expected = theirs(folders[kind], kind, pooling).numpy()
    several = embedder.images(tiny.pictures())
    np.testing.assert_allclose(several, expected, atol=1e-4)
    np.testing.assert_allclose(embedder.images(tiny.pictures()[:1]), expected[:1], atol=1e-4)
    np.testing.assert_allclose(embedder.reference(tiny.pictures()), expected, atol=1e-4)
    assert embedder.images([]).shape == (0, 32)


def test_the_tiny_models_tell_poolings_apart(folders: dict[str, Path]) -> None:
    for kind, folder in folders.items():
        made = [theirs(folder, kind, pooling) for pooling in ("", "gem")]
        assert (made[0] - made[1]).abs().max() > 0.01, kind


def test_pictures_are_cut_as_the_library_cuts_them(folders: dict[str, Path]) -> None:
    middle = read_processor(folders["dinov2"])
    whole = read_processor(folders["dinov3_vit"])
    plain: dict[str, Any] = {"do_rescale": False, "do_normalize": False}
    bit = BitImageProcessorPil(**SECOND, **plain)
    fast = transformers.BitImageProcessor(**SECOND, **plain)
    third = transformers.DINOv3ViTImageProcessor(do_normalize=False)
    for picture in [*tiny.pictures(), Image.new("RGB", (1023, 769), "teal")]:
        found = pixels.middle(picture, middle).transpose(2, 0, 1)
        shown = [each(picture, return_tensors="np")["pixel_values"][0] for each in (bit, fast)]
        np.testing.assert_array_equal(found, shown[0])
        off = np.abs(found.astype(int) - shown[1])  # its torchvision rounds more coarsely
        assert off.max() <= 2 and (off > 0).mean() < 0.01
        expected = third(picture, return_tensors="np")["pixel_values"][0]
        given = pixels.stretched(picture, whole).transpose(2, 0, 1) / 255
        np.testing.assert_allclose(given, expected, atol=2e-5)


def test_a_thin_strip_costs_no_memory(folders: dict[str, Path]) -> None:
    strip = Image.new("RGB", (1, 20_000_000), "red")
    assert pixels.middle(strip, read_processor(folders["dinov2"])).shape == (224, 224, 3)


def test_poolings_share_a_network_but_no_vectors(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    names = ["dinov2-s", "dinov2-s-mean", "dinov2-s-gem"]
    made = [own(folders["dinov2"], name, monkeypatch, cache) for name in names]
    assert len({id(each._network) for each in made}) == 1
    keys = [vectors_key(Colours(3), each.spec) for each in made]
    assert (
        len({key["preprocessing"] for key in keys}) == len({key["embedder"] for key in keys}) == 3
    )
