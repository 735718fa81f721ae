"""How much of a picture is decoded, cut out and shown."""

from __future__ import annotations

import struct
import warnings

import pytest
from PIL import Image

from retrieval import images
from retrieval.errors import BadImage, BadQuery
from tests.pictures import png_of, saved, scene


def test_a_bomb_of_100_megapixels_is_refused_before_decoding() -> None:
    bomb = png_of(10_000, 10_000)
    assert len(bomb) < 20_000
    with pytest.raises(BadImage, match=r"10,000 x 10,000 = 100 megapixels; at most 25 are decoded"):
        images.decode(bomb)


@pytest.mark.parametrize("side", [9_500, 14_000, 30_000])
def test_pillows_bomb_warning_does_not_leak(side: int) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(BadImage, match="megapixels; at most 25 are decoded"):
            images.decode(png_of(side, side)[:200])
    assert caught == []


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "BMP", "TIFF"])
def test_the_cap_holds_for_every_format(kind: str) -> None:
    big = saved(Image.new("1" if kind == "TIFF" else "P", (5_001, 5_000)), kind)
    with pytest.raises(BadImage, match=r"5,001 x 5,000 = 25 megapixels"):
        images.decode(big)


def test_25_megapixels_pass() -> None:
    assert images.decode(png_of(5_000, 5_000)).size == (5_000, 5_000)


def test_a_phone_photograph_of_48_megapixels_passes() -> None:
    photo = saved(Image.new("L", (8_000, 6_000), 90), "JPEG")
    assert images.decode(photo).size == (4_000, 3_000)
    assert images.decode(photo, least=224).size == (1_000, 750)


def test_least_leaves_at_least_twice_the_side_asked_for() -> None:
    photo = saved(scene(1_600, 1_200), "JPEG")
    assert images.decode(photo).size == (1_600, 1_200)
    assert images.decode(photo, least=300).size == (800, 600)
    assert images.decode(photo, least=301).size == (1_600, 1_200)
    assert images.decode(photo, least=100).size == (400, 300)
    assert images.decode(saved(scene(1_600, 1_200), "PNG"), least=100).size == (1_600, 1_200)


def test_a_jpeg_too_large_even_at_an_eighth() -> None:
    plain = bytearray(saved(Image.new("L", (16, 16)), "JPEG"))
    at = plain.index(b"\xff\xc0") + 5
    plain[at : at + 4] = struct.pack(">HH", 60_000, 60_000)
    with pytest.raises(BadImage, match=r"3,600 megapixels; at most 250"):
        images.decode(bytes(plain))


def test_a_progressive_jpeg_costs_memory_and_time_and_is_capped() -> None:
    plain = bytearray(saved(Image.new("L", (16, 16)), "JPEG", progressive=True))
    many = bytes(plain[:-2]) + b"\xff\xda" * 200 + b"\xff\xd9"
    with pytest.raises(BadImage, match="more than 100 scans"):
        images.decode(many)
    at = plain.index(b"\xff\xc2") + 5
    plain[at : at + 4] = struct.pack(">HH", 9_000, 9_000)
    with pytest.raises(BadImage, match=r"81 megapixels; at most 60"):
        images.decode(bytes(plain))


def test_several_scans_are_capped_as_progressive_ones_are() -> None:
    plain = bytearray(saved(Image.new("RGB", (16, 16)), "JPEG"))
    at = plain.index(b"\xff\xc0") + 5
    plain[at : at + 4] = struct.pack(">HH", 9_000, 9_000)
    several = bytes(plain[:-2]) + b"\xff\xda" * 2 + b"\xff\xd9"
    with pytest.raises(BadImage, match=r"81 megapixels; at most 60"):
        images.decode(several)


def test_a_thumbnail_in_a_photograph_is_no_second_scan() -> None:
    small = saved(Image.new("RGB", (8, 8), "red"), "JPEG")
    exif = b"Exif\0\0" + small
    plain = saved(Image.new("RGB", (64, 48), "blue"), "JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    assert images._scans(plain[:2] + segment + plain[2:] + small) == 1


def test_too_many_bytes() -> None:
    with pytest.raises(BadImage, match="has 60 MB; at most 50 MB are read"):
        images.decode(b"\xff\xd8\xff" + bytes(60_000_000))


def test_one_pixel() -> None:
    assert images.decode(saved(Image.new("RGB", (1, 1), "blue"), "PNG")).getpixel((0, 0)) == (
        0,
        0,
        255,
    )


def test_crop() -> None:
    part = images.crop(scene(), (0.5, 0.0, 1.0, 0.5))
    assert part.size == (24, 16)
    assert part.getpixel((12, 8)) == (0, 160, 0)
    assert images.crop(scene(), (0, 0, 1, 1)).size == (48, 32)
    assert images.crop(scene(), (0.1, 0.1, 0.1001, 0.1001)).size == (1, 1)
    thin = 0.3333333333333333, 0.33333333333333337  # both are a third of 48 pixels when rounded
    assert images.crop(scene(), (thin[0], 0.0, thin[1], 1.0)).size == (1, 32)
    assert images.crop(scene(48, 48), (0.0, thin[0], 1.0, thin[1])).size == (48, 1)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((0.5, 0.0, 0.5, 1.0), "has no area"),
        ((0.9, 0.0, 0.1, 1.0), "has no area; left must be below right"),
        ((0.0, 0.9, 1.0, 0.1), "has no area.*top below bottom"),
        ((-0.1, 0.0, 1.0, 1.0), "out of bounds"),
        ((0.0, 0.0, 1.0, 1.5), "out of bounds"),
        ((float("nan"), 0.0, 1.0, 1.0), "must be four numbers from 0 to 1"),
        ((0.0, 0.0, float("inf"), 1.0), "must be four numbers from 0 to 1"),
    ],
)
def test_crops_that_cannot_be(box: tuple[float, float, float, float], message: str) -> None:
    with pytest.raises(BadQuery, match=message):
        images.crop(scene(), box)


def test_crop_of_three_numbers() -> None:
    with pytest.raises(BadQuery, match="must be four numbers"):
        images.crop(scene(), (0.0, 0.0, 1.0))  # type: ignore[arg-type]


def test_webp_shrinks_and_never_enlarges() -> None:
    assert images.decode(images.webp(scene(640, 320), 100)).size == (100, 50)
    assert images.decode(images.webp(scene(), 1_000)).size == (48, 32)
    assert images.decode(images.webp(scene(4_000, 2), 100)).size == (100, 1)
    assert len(images.webp(scene(), 48, quality=10)) < len(images.webp(scene(), 48, quality=95))


@pytest.mark.parametrize(("width", "height"), [(20_000, 50), (2, 1_000_000)])
def test_a_strip_is_no_longer_than_webp_can_be(width: int, height: int) -> None:
    made = images.decode(images.webp(Image.new("RGB", (width, height)), 10**9, lossless=True))
    assert max(made.size) == images.MOST_WEBP
