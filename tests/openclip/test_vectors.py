"""Vectors, pixels and tokens are those of open_clip itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import open_clip  # type: ignore[import-untyped]
import pytest
import torch
from PIL import Image

from retrieval.embedders import openclip, typed
from retrieval.embedders.clip_config import read_config
from retrieval.embedders.clip_pixels import square
from retrieval.embedders.clip_tokens import Tokens
from tests.clipmodels import KINDS
from tests.openclip.embedded import EVERY, TEXTS, dim, own, pictures


@pytest.mark.parametrize("kind", EVERY)
def test_vectors_are_open_clips(
    folders: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    folder = folders(kind)
    embedder = own(folder, monkeypatch, tmp_path)
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    model.eval()
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")
    with torch.no_grad():
        pixels = torch.stack([transform(picture) for picture in pictures(kind)])
        images = model.encode_image(pixels, normalize=True).numpy()
        texts = model.encode_text(tokens(TEXTS), normalize=True).numpy()
    assert min(np.ptp(images, axis=0).max(), np.ptp(texts, axis=0).max()) > 0.005  # they differ
    np.testing.assert_allclose(embedder.images(pictures(kind)), images, atol=1e-4)
    np.testing.assert_allclose(embedder.texts(TEXTS), texts, atol=1e-4)
    one = embedder.texts(TEXTS[:1])
    np.testing.assert_allclose(one, texts[:1], atol=1e-4)
    assert embedder.texts([]).shape == embedder.images([]).shape == (0, dim(kind))


@pytest.mark.parametrize("resampling", ["bicubic", "bilinear"])
@pytest.mark.parametrize("resizing", ["shortest", "squash", "longest"])
@pytest.mark.parametrize("side", [32, 225])
def test_pixels_are_open_clips(folder: Path, resizing: str, resampling: str, side: int) -> None:
    how: dict[str, Any] = {"resampling": resampling, "resizing": resizing, "fill": 200}
    config = replace(read_config(folder), size=side, **how)
    transform = open_clip.image_transform(
        side, False, resize_mode=resizing, interpolation=resampling, fill_color=200
    )
    transform.transforms = transform.transforms[:-2]  # up to the conversion to numbers
    for picture in pictures("metaclip2" if resizing == "longest" else "clip"):
        expected = np.asarray(transform(picture).convert("RGB"), dtype=np.int16)
        found = square(picture, config).astype(np.int16)
        strip = max(picture.size) > 16 * min(picture.size)  # only what is kept is resampled
        assert np.abs(found - expected).max() <= (1 if strip else 0)


@pytest.mark.parametrize("resizing", ["shortest", "squash", "longest"])
def test_a_thin_strip_costs_no_memory(folder: Path, resizing: str) -> None:
    strip = Image.new("RGB", (1, 20_000_000), "red")
    config = replace(read_config(folder), resizing=resizing)  # type: ignore[arg-type]
    assert square(strip, config).shape == (32, 32, 3)


@pytest.mark.parametrize("kind", ["clip", "siglip", "siglip2", "metaclip2"])
def test_tokens_are_open_clips(folders: Callable[[str], Path], kind: str) -> None:
    texts = [*TEXTS, "<|endoftext|> it's", "a\x00b\t\n c", "MIXED Case_42!?", "x" * 5000, "\ud800"]
    ours = Tokens(folders(kind), read_config(folders(kind)))
    theirs = open_clip.get_tokenizer(f"local-dir:{folders(kind)}")
    np.testing.assert_array_equal(ours(texts[:-1]), theirs(texts[:-1]).numpy())
    context = KINDS[kind]["model_cfg"]["text_cfg"]["context_length"]
    assert ours(texts[-1:]).shape == (1, context)
    assert ours([]).shape == (0, context)
    assert ours(["word " * 200_000]).shape == ours(["x" * 1_000_000]).shape == (1, context)


def test_what_is_offered_is_open_clips() -> None:
    offered = [spec for spec in openclip.SPECS if spec.param("repo")]
    known = dict(line.split(" ") for line in typed.TAGS.read_text("utf-8").splitlines())
    for spec in offered:
        tags = [tag for tag, repo in known.items() if repo == spec.param("repo")]
        sizes = [open_clip.get_model_config(tag.partition("/")[0]) for tag in tags]
        assert (spec.dim, spec.side) in [
            (each["embed_dim"], each["vision_cfg"]["image_size"]) for each in sizes
        ]
        assert spec.parameters > 10**7 and spec.licence and len(spec.revision) in (0, 40)
        cfg = open_clip.get_pretrained_cfg(*tags[0].split("/"))
        how = "squashed" if cfg["resize_mode"] == "squash" else "shortest side"
        assert spec.preprocessing.startswith(f"{how} {cfg['interpolation']}"), spec.name
