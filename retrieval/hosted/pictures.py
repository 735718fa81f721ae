"""Pictures as they are sent: small, and of a shape that every provider takes."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence

from PIL import Image

LONGEST = 512
"""Pixels of the longer side as it is sent: one tile of Jina's CLIP, and little to pay."""
SHORTEST = 56
"""Pixels of the longer side, at least; providers refuse or enlarge what is smaller."""
THINNEST = 28
"""Pixels of the shorter side, at least; what is thinner is put on white."""
QUALITY = 90
PREPROCESSING = f"JPEG of quality {QUALITY}, longer side {SHORTEST} to {LONGEST}"


def jpeg(image: Image.Image) -> str:
    """A picture as base64 of a JPEG."""
    width, height = image.size
    longer = max(width, height)
    scale = min(max(longer, SHORTEST), LONGEST) / longer
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = image.convert("RGB")
    if size != image.size:
        small = small.resize(size, Image.Resampling.LANCZOS)
    out = io.BytesIO()
    _thick(small).save(out, "JPEG", quality=QUALITY)
    return base64.b64encode(out.getvalue()).decode("ascii")


def _thick(image: Image.Image) -> Image.Image:
    width, height = image.size
    if min(width, height) >= THINNEST:
        return image
    white = Image.new("RGB", (max(width, THINNEST), max(height, THINNEST)), "white")
    white.paste(image, ((white.width - width) // 2, (white.height - height) // 2))
    return white


def parts(items: Sequence[str], most: int, most_bytes: int) -> Iterator[Sequence[str]]:
    """Items in their order, so many together as one request may hold.

    Args:
        items: what is sent.
        most: items of a request.
        most_bytes: letters of a request; a single item may have more.
    """
    start = size = 0
    for at, item in enumerate(items):
        if at > start and (at - start >= most or size + len(item) > most_bytes):
            yield items[start:at]
            start, size = at, 0
        size += len(item)
    if items:
        yield items[start:]
