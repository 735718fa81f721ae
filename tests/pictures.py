"""Pictures made by hand, and as files of every kind."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image


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


def picture(width: int = 60, height: int = 40) -> Image.Image:
    """Noise, the same each time."""
    pixels = np.random.default_rng(1).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)
