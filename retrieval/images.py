"""The one place that opens untrusted pixels."""

from __future__ import annotations

import io
import math
import stat
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
from PIL.ImageFile import ImageFile

from retrieval.errors import BadImage, BadQuery

MOST_BYTES = 50_000_000
"""The longest file that is read."""
MOST_PIXELS = 25_000_000
"""The most pixels that are decoded, after a JPEG's scaled decoding."""
MOST_JPEG = {"baseline": 250_000_000, "progressive": 60_000_000}
"""Pixels of a JPEG before scaling; libjpeg holds all of a progressive one in memory."""
MOST_WEBP = 16_383
"""Pixels of a side, the most that a WebP can have."""
MOST_SCANS = 100
"""Scans of a progressive JPEG: each walks over all pixels, however few bytes it has."""

# Pillow's own classes and not Image.open: it would try MPO, and warn of sizes checked here.
READERS: dict[str, Callable[[IO[bytes]], ImageFile]] = {
    "PNG": PngImagePlugin.PngImageFile,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
}
if AvifImagePlugin.SUPPORTED:  # a Pillow that was built without libavif reads the rest
    READERS["AVIF"] = AvifImagePlugin.AvifImageFile
SUFFIXES = frozenset(
    (".png", ".apng", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")
)
"""File names that may hold a picture, in lower case."""
ACCEPTED = ", ".join(READERS)

_SIGNS = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"%!PS", "EPS"),
    (b"\xc5\xd0\xd3\xc6", "EPS"),
    (b"8BPS", "PSD"),
    (b"SIMPLE", "FITS"),
    (b"%PDF", "PDF"),
)
_HEIC = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read(path: Path) -> bytes:
    """The bytes of a picture's file.

    Raises:
        BadImage: it is missing, no plain file, not readable, or too long.
    """
    try:
        status = path.stat()
        # Looked at before opening: a pipe would block, a device would never end.
        if not stat.S_ISREG(status.st_mode):
            raise BadImage(f"{path.name!r} is no file; give the path of a picture")
        _check_bytes(status.st_size)
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except FileNotFoundError as error:
        raise BadImage(f"there is no file {path.name!r}; check the path") from error
    except (OSError, ValueError) as error:
        raise BadImage(f"{path.name[:80]!r} cannot be read: {error}") from error


def decode(data: bytes, least: int | None = None) -> Image.Image:
    """An upright RGB picture; the first frame where there are several, on white.

    Args:
        data: the file's bytes.
        least: the shortest side in pixels that the caller needs. A JPEG is then decoded at
            the smallest of 1, 1/2, 1/4, 1/8 that leaves at least twice that. Without it a
            JPEG is scaled only if it would have too many pixels.

    Returns:
        An RGB picture of at most 25 megapixels, without metadata.

    Raises:
        BadImage: no picture, a format that is not accepted, cut off, or too large.
    """
    name = kind(data)
    try:
        with READERS[name](io.BytesIO(data)) as opened:
            if name == "JPEG":
                _scale(opened, data, least)
            _check_pixels(opened.size, MOST_PIXELS)
            picture = _rgb(opened)
            orientation = _orientation(opened)  # after loading, which turns a TIFF by itself
    except BadImage:
        raise
    except Exception as error:  # broken files make Pillow raise nearly anything
        reason = str(error)[:200] or type(error).__name__
        raise BadImage(
            f"this {name} is broken or cut off ({reason}); save it again or give another picture"
        ) from error
    if orientation in _TURNS:
        picture = picture.transpose(_TURNS[orientation])
    picture.info = {}  # else a later reader of the EXIF part would turn it once more
    return picture


def crop(image: Image.Image, box: tuple[float, float, float, float]) -> Image.Image:
    """A part of a picture, at least one pixel.

    Args:
        image: the whole.
        box: left, top, right, bottom as shares of width and height, from 0 to 1.

    Raises:
        BadQuery: not four numbers, out of bounds, inverted, or without area.
    """
    if len(box) != 4 or not all(math.isfinite(side) for side in box):
        raise BadQuery(f"the crop is {box!r}; it must be four numbers from 0 to 1")
    left, top, right, bottom = box
    if min(box) < 0 or max(box) > 1:
        raise BadQuery(
            f"the crop {box!r} is out of bounds; left, top, right, bottom go from 0 to 1"
        )
    if left >= right or top >= bottom:
        raise BadQuery(f"the crop {box!r} has no area; left must be below right, top below bottom")
    width, height = image.size
    first, upper = math.floor(left * width), math.floor(top * height)
    last, lower = math.ceil(right * width), math.ceil(bottom * height)
    # Two edges that lie next to each other may round to one whole number.
    return image.crop((first, upper, max(last, first + 1), max(lower, upper + 1)))


def webp(
    image: Image.Image, longest: int, quality: int = 85, method: int = 4, lossless: bool = False
) -> bytes:
    """A picture as WebP, shrunk to a longest side in pixels and to what WebP can hold.

    Args:
        image: RGB.
        longest: the most pixels of its longer side.
        quality: 0 to 100.
        method: 0 is fast, 6 is small.
        lossless: every pixel as it is.
    """
    small = image.copy()
    longest = min(longest, MOST_WEBP)
    small.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.save(out, "WEBP", quality=quality, method=method, lossless=lossless)
    return out.getvalue()


def kind(data: bytes) -> str:
    """The format, by its first bytes; file names are not believed.

    Returns:
        One of the names in ``READERS``.

    Raises:
        BadImage: empty, too long, or of a format that is not accepted.
    """
    if not data:
        raise BadImage(f"the picture is empty (0 bytes); give one of {ACCEPTED}")
    _check_bytes(len(data))
    found = _sniff(data[:4096])
    if found in READERS:
        return found
    what = f"{found} is not accepted" if found else "this is no picture that can be read"
    raise BadImage(f"{what}; save it as one of {ACCEPTED}")


def _sniff(head: bytes) -> str:
    """A format's name, or nothing where the bytes are not known."""
    for sign, found in _SIGNS:
        if head.startswith(sign):
            return found
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[4:8] == b"ftyp":
        if b"avif" in head[8:64] or head[8:12] == b"avis":
            return "AVIF"
        return "HEIC" if head[8:12] in _HEIC else ""
    return "SVG" if b"<svg" in head.lower() else ""


def _check_bytes(count: int) -> None:
    if count > MOST_BYTES:
        raise BadImage(
            f"the picture has {count / 1e6:,.0f} MB; at most {MOST_BYTES // 1_000_000} MB are read"
        )


def _check_pixels(size: tuple[int, int], most: int) -> None:
    width, height = size
    if width * height > most:
        raise BadImage(
            f"the picture has {width:,} x {height:,} = {width * height / 1e6:,.0f} megapixels; "
            f"at most {most // 1_000_000} are decoded, so make it smaller"
        )


def _scale(opened: ImageFile, data: bytes, least: int | None) -> None:
    """Let libjpeg decode a JPEG at 1/2, 1/4 or 1/8."""
    scans = _scans(data)
    several = "progressive" in opened.info or scans > 1  # held whole, whatever the scale
    _check_pixels(opened.size, MOST_JPEG["progressive" if several else "baseline"])
    if scans > MOST_SCANS:
        raise BadImage(f"this JPEG has more than {MOST_SCANS} scans; save it again as a plain JPEG")
    width, height = opened.size
    scale = 1
    while scale < 8 and least and min(width, height) >= 4 * scale * least:
        scale *= 2
    while scale < 8 and math.ceil(width / scale) * math.ceil(height / scale) > MOST_PIXELS:
        scale *= 2
    if scale > 1:
        opened.draft(None, (width // scale, height // scale))


def _scans(data: bytes) -> int:
    """How many scans a JPEG has; thumbnails and further pictures in the file do not count."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        if data[at + 1] == 0xDA:
            end = data.find(b"\xff\xd9", at)  # in a scan no 0xFF is followed by this
            return data.count(b"\xff\xda", at, end if end > 0 else len(data))
        fill = data[at + 1] == 0xFF
        at += 1 if fill else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return 1


def _orientation(opened: ImageFile) -> int:
    """EXIF's orientation, 1 to 8; 1 where the EXIF part cannot be read."""
    try:
        value = opened.getexif().get(_ORIENTATION, 1)
    except Exception:  # a broken note on a sound picture is no reason to refuse the picture
        return 1
    return value if isinstance(value, int) else 1


def _rgb(opened: ImageFile) -> Image.Image:
    """Any mode to RGB in a new picture."""
    opened.load()
    if opened.mode.startswith(("I", "F")):
        return _eight_bit(opened).convert("RGB")
    if opened.has_transparency_data:
        over = opened.convert("RGBA")
        white = Image.new("RGBA", over.size, "white")
        return Image.alpha_composite(white, over).convert("RGB")
    return opened.convert("RGB")


def _eight_bit(opened: Image.Image) -> Image.Image:
    """Grey values of 16 or 32 bits scaled, not clipped, to 8.

    White is the first of 1 (floats only), 65,535 and the type's own that no value exceeds.
    """
    grey = np.nan_to_num(np.asarray(opened).astype(np.float32), posinf=0, neginf=0)
    highest = max(float(grey.max()), 0.0)
    whites = (1.0, 255.0, 65535.0) if opened.mode == "F" else (65535.0, 2.0**31 - 1)
    white = next((white for white in whites if highest <= white), highest)
    return Image.fromarray(np.rint(np.clip(grey / white, 0, 1) * 255).astype(np.uint8))
