"""Hostile pictures, each made here, and what must come of them."""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from retrieval import images
from retrieval.errors import BadImage, BadQuery

ACCEPTED = "PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF"


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def scene(width: int = 48, height: int = 32) -> Image.Image:
    """Four corners in four colours: no two orientations look alike."""
    picture = Image.new("RGB", (width, height), "red")
    picture.paste((0, 160, 0), (width // 2, 0, width, height // 2))
    picture.paste((0, 0, 255), (0, height // 2, width // 2, height))
    picture.paste((255, 255, 0), (width // 2, height // 2, width, height))
    return picture


def corners(picture: Image.Image) -> list[tuple[int, ...]]:
    right, low = picture.width - 4, picture.height - 4
    found = [picture.getpixel(at) for at in ((3, 3), (right, 3), (3, low), (right, low))]
    return [
        tuple(round(part / 85) for part in pixel) for pixel in found if isinstance(pixel, tuple)
    ]


def png_of(width: int, height: int, bits: int = 1, colour: int = 0, fill: int = 0) -> bytes:
    """A PNG by hand: one byte repeated, well compressed. ``bits`` are those of a pixel."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)

    row = b"\0" + bytes([fill]) * ((width * bits + 7) // 8)
    packer = zlib.compressobj(9)
    body = b"".join([*(packer.compress(row) for _ in range(height)), packer.flush()])
    depth = bits // 3 if colour == 2 else bits
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


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


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_eight_orientations_look_alike(kind: str, orientation: int) -> None:
    undo = {6: 8, 8: 6}.get(orientation, orientation)
    turn = images._TURNS.get(undo)
    stored = scene() if turn is None else scene().transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = images.decode(saved(stored, kind, exif=exif))
    assert upright.size == (48, 32)
    assert corners(upright) == corners(scene())
    assert upright.getexif() == {}


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_a_broken_exif_part_is_no_reason_to_refuse() -> None:
    data = saved(scene(), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01")
    assert images.decode(data).size == (48, 32)


def test_cmyk() -> None:
    picture = images.decode(saved(scene().convert("CMYK"), "JPEG"))
    assert corners(picture) == corners(scene())


def test_lab() -> None:
    lab = ImageCms.applyTransform(
        scene(),
        ImageCms.buildTransform(
            ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
        ),
    )
    assert lab is not None
    assert corners(images.decode(saved(lab, "TIFF"))) == corners(scene())


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_is_scaled_and_not_clipped(kind: str) -> None:
    steps = np.array([[0, 256, 32_768, 65_535]], dtype=np.uint16)
    picture = images.decode(saved(Image.fromarray(steps), kind))
    assert np.asarray(picture)[0, :, 0].tolist() == [0, 1, 128, 255]


def test_16_bit_colour() -> None:
    picture = images.decode(png_of(4, 4, bits=48, colour=2, fill=0x80))
    assert picture.getpixel((0, 0)) == (128, 128, 128)


def test_floats_are_scaled_and_nan_is_black() -> None:
    steps = np.array([[0.0, 0.5, 1.0, np.nan, -3.0]], dtype=np.float32)
    picture = images.decode(saved(Image.fromarray(steps), "TIFF"))
    assert np.asarray(picture)[0, :, 0].tolist() == [0, 128, 255, 0, 0]


def test_palette_and_one_bit() -> None:
    palette = images.decode(saved(scene().quantize(8), "PNG"))
    assert corners(palette) == corners(scene())
    bits = images.decode(saved(Image.new("1", (9, 9), 1), "PNG"))
    assert bits.getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF", "TIFF"])
def test_transparency_lies_on_white(kind: str) -> None:
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    half = Image.new("RGBA", (8, 8), (0, 0, 0, 128))
    assert images.decode(saved(clear, kind)).getpixel((4, 4)) == (255, 255, 255)
    grey = images.decode(saved(half, kind)).getpixel((4, 4))
    assert grey == pytest.approx((127, 127, 127), abs=2)


def test_transparency_of_palette_grey_and_key_colour() -> None:
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([10, 20, 30, 0, 0, 0])
    for clear in (0, b"\0\xff"):
        data = saved(palette, "PNG", transparency=clear)
        assert images.decode(data).getpixel((4, 4)) == (255, 255, 255)
    gif = saved(palette, "GIF", transparency=0)
    assert images.decode(gif).getpixel((4, 4)) == (255, 255, 255)
    grey = saved(Image.new("LA", (8, 8), (0, 0)), "PNG")
    assert images.decode(grey).getpixel((4, 4)) == (255, 255, 255)
    key = saved(Image.new("RGB", (8, 8), (1, 2, 3)), "PNG", transparency=(1, 2, 3))
    assert images.decode(key).getpixel((4, 4)) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_the_first_frame_of_several(kind: str) -> None:
    later = [Image.new("RGB", (16, 16), colour) for colour in ("blue", "white")]
    data = saved(Image.new("RGB", (16, 16), "red"), kind, save_all=True, append_images=later)
    red = images.decode(data).getpixel((8, 8))
    assert red == pytest.approx((255, 0, 0), abs=6)


def test_a_jpeg_with_a_second_picture_is_one_jpeg() -> None:
    data = saved(scene(), "MPO", save_all=True, append_images=[Image.new("RGB", (48, 32))])
    assert corners(images.decode(data)) == corners(scene())


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


def test_crop() -> None:
    part = images.crop(scene(), (0.5, 0.0, 1.0, 0.5))
    assert part.size == (24, 16)
    assert part.getpixel((12, 8)) == (0, 160, 0)
    assert images.crop(scene(), (0, 0, 1, 1)).size == (48, 32)
    assert images.crop(scene(), (0.1, 0.1, 0.1001, 0.1001)).size == (1, 1)


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
