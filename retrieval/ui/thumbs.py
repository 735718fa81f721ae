"""Where the page finds a gallery's pictures: a relative address, so that a Space's path holds."""

from __future__ import annotations

from urllib.parse import quote

from retrieval.galleries.base import Gallery


def version(gallery: Gallery) -> str:
    """What changes with a gallery's rows; in the address, for browsers keep pictures for a day."""
    return gallery.revision[:8]


def thumb(gallery: str, row: int, version: str) -> str:
    """The address of a row's picture."""
    return f"thumb/{quote(gallery, safe='')}/{row}?v={quote(version, safe='')}"
