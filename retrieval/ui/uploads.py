"""Pictures that a browser or a client sent: read from the upload folder, or from base64."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path

from retrieval.errors import BadImage

LARGEST = 20_000_000
"""Bytes of a picture that are accepted."""


def opened(value: object) -> bytes | None:
    """An uploaded picture's bytes; none where nothing was sent.

    Args:
        value: none, a ``{"path": ...}`` that an upload returned, or base64, perhaps as a data URL.

    Raises:
        BadImage: the path is no upload, the file is gone or too large, or the base64 is broken.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return _decoded(value)
    path = value.get("path") if isinstance(value, Mapping) else None
    if not isinstance(path, str):
        raise BadImage("a picture is sent as an upload or as base64; send it again")
    return _read(path)


def _read(text: str) -> bytes:
    from gradio.utils import get_upload_folder

    try:
        path = Path(text).resolve()
        folder = Path(get_upload_folder()).resolve()
        if not path.is_relative_to(folder) or not path.is_file():
            raise BadImage("the picture is no longer here; give it again")
        if path.stat().st_size > LARGEST:
            raise BadImage(_large(path.stat().st_size))
        return path.read_bytes()
    except (OSError, ValueError):  # a NUL, a name too long, deleted meanwhile
        raise BadImage("the picture cannot be read; give it again") from None


def _decoded(text: str) -> bytes:
    _, _, data = text.rpartition(",") if text.startswith("data:") else ("", "", text)
    if len(data) * 3 // 4 > LARGEST:
        raise BadImage(_large(len(data) * 3 // 4))
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise BadImage(
            "the picture is no base64; links are not followed, send the bytes instead"
        ) from None


def _large(size: int) -> str:
    return (
        f"the picture has {size / 1e6:.0f} MB; at most {LARGEST / 1e6:.0f} MB are read, shrink it"
    )
