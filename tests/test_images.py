"""Hostile pictures, each made here, and what must come of them."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retrieval import images
from retrieval.errors import BadImage
from tests.pictures import corners, saved, scene

ACCEPTED = "PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_every_accepted_format_becomes_upright_rgb(kind: str) -> None:
    picture = images.decode(saved(scene(), kind))
    assert picture.mode == "RGB"
    assert picture.size == (48, 32)
    assert corners(picture) == corners(scene())


def test_empty() -> None:
    with pytest.raises(BadImage, match=rf"empty \(0 bytes\); give one of {ACCEPTED}"):
        images.decode(b"")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF", "BMP"])
def test_truncated(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = saved(Image.fromarray(noise), kind)
    with pytest.raises(BadImage, match="broken or cut off .*; save it again"):
        images.decode(whole[: len(whole) // 2])


def test_only_a_header() -> None:
    with pytest.raises(BadImage, match="this JPEG is broken or cut off"):
        images.decode(b"\xff\xd8\xff\xe0")


def test_text_named_png(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_text("no picture at all")
    with pytest.raises(
        BadImage, match=f"no picture that can be read; save it as one of {ACCEPTED}"
    ):
        images.decode(images.read(path))


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"\xef\xbb\xbf  <SVG/>", "SVG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "EPS"),
        (b"8BPS\0\1" + b"\0" * 40, "PSD"),
        (b"SIMPLE  =                    T", "FITS"),
        (b"%PDF-1.7\n", "PDF"),
    ],
)
def test_formats_that_nobody_asked_for_are_named(data: bytes, name: str) -> None:
    with pytest.raises(BadImage, match=f"^{name} is not accepted; save it as one of {ACCEPTED}"):
        images.decode(data)


@pytest.mark.parametrize("kind", ["EPS", "PCX", "PPM", "ICO", "TGA", "SGI", "JPEG2000", "PDF"])
def test_formats_that_pillow_could_read_are_refused(kind: str) -> None:
    with pytest.raises(BadImage, match=f"save it as one of {ACCEPTED}"):
        images.decode(saved(scene(), kind))


def test_random_damage_never_raises_anything_else() -> None:
    dice = np.random.default_rng(1)
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"):
        whole = saved(scene(), kind)
        for _ in range(60):
            broken = bytearray(whole)
            for at in dice.integers(0, len(whole), 4):
                broken[at] = int(dice.integers(0, 256))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    assert images.decode(bytes(broken)).mode == "RGB"
                except BadImage as error:
                    assert str(error)


def test_read_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(BadImage, match=r"there is no file 'gone.png'; check the path"):
        images.read(tmp_path / "gone.png")
    with pytest.raises(BadImage, match="is no file; give the path of a picture"):
        images.read(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(BadImage, match="'pipe.png' is no file"):
        images.read(tmp_path / "pipe.png")
    with pytest.raises(BadImage, match="is no file"):
        images.read(Path("/dev/zero"))
    with pytest.raises(BadImage, match="cannot be read"):
        images.read(Path("a\0b.png"))
    with pytest.raises(BadImage, match="cannot be read: .*too long"):
        images.read(Path("n" * 5_000))


def test_read_caps_the_size(tmp_path: Path) -> None:
    path = tmp_path / "big.png"
    with path.open("wb") as file:
        file.truncate(80_000_000)
    with pytest.raises(BadImage, match="has 80 MB; at most 50 MB are read"):
        images.read(path)
