"""Pictures as files, and where the galleries that ship are."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from retrieval.galleries.folder import FolderGallery

DATA = Path(__file__).resolve().parent.parent / "data"


def picture(colour: str = "red", kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (20, 10), colour).save(out, kind)
    return out.getvalue()


def sources(gallery: FolderGallery) -> list[str]:
    return gallery.sources(range(len(gallery)))
