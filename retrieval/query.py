"""What is asked: a text, a picture, or a row of the gallery."""

from __future__ import annotations

import math
from dataclasses import dataclass

from retrieval.errors import BadQuery

LONGEST = 2_000
"""Characters of a text that are accepted; every text encoder reads fewer."""


@dataclass(frozen=True, slots=True)
class Query:
    """One of three.

    Attributes:
        text: words.
        image: an encoded picture.
        row: a row of the gallery: its picture, or its caption where only text is read.
        crop: left, top, right, bottom as shares of the picture's size.

    Raises:
        BadQuery: none or several are given, the text is empty or too long, the crop has no area.
    """

    text: str | None = None
    image: bytes | None = None
    row: int | None = None
    crop: tuple[float, float, float, float] | None = None

    def __post_init__(self) -> None:
        given = sum(each is not None for each in (self.text, self.image, self.row))
        if given != 1:
            raise BadQuery(f"ask by one text, picture or row, not {given} of them")
        if self.text is not None:
            _check_text(self.text)
        if self.crop is not None:
            _check_crop(self.crop)


def _check_text(text: str) -> None:
    if not text.replace("\0", "").strip():
        raise BadQuery("the text is empty; type what the picture should show")
    if len(text) > LONGEST:
        raise BadQuery(f"the text has {len(text):,} characters; {LONGEST:,} are read at most")


def _check_crop(crop: tuple[float, float, float, float]) -> None:
    left, top, right, bottom = crop
    inside = all(math.isfinite(edge) and 0 <= edge <= 1 for edge in crop)
    if not inside or left >= right or top >= bottom:
        raise BadQuery(
            f"the crop {crop} must be left < right and top < bottom, all from 0 to 1; draw it again"
        )
