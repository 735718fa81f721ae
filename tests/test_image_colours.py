"""Pictures of every mode and turn become upright RGB."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageCms

from retrieval import images
from tests.pictures import corners, png_of, saved, scene


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
