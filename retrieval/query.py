"""What is asked: a text, a picture, or a row of the gallery; and which rows may answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from retrieval.errors import BadQuery
from retrieval.where import Where

Crop: TypeAlias = tuple[float, float, float, float]
"""Left, top, right, bottom as shares of a picture's size."""
LONGEST = 2_000
"""Characters of a text that are accepted; every text encoder reads fewer."""


@dataclass(frozen=True, slots=True)
class Query:
    """One of three, of all rows or of some.

    Attributes:
        text: words.
        image: an encoded picture.
        row: a row of the gallery: its picture, or its caption where only text is read.
        crop: left, top, right, bottom as shares of the picture's size.
        where: which rows may answer; all by default.

    Raises:
        BadQuery: none or several are given, the text is empty or too long, the crop has no area.
    """

    text: str | None = None
    image: bytes | None = None
    row: int | None = None
    crop: Crop | None = None
    where: Where | None = None

    def __post_init__(self) -> None:
        given = sum(each is not None for each in (self.text, self.image, self.row))
        if given != 1:
            raise BadQuery(f"ask by one text, picture or row, not {given} of them")
        if self.row is not None and type(self.row) is not int:
            raise BadQuery(f"row is {self.row!r:.80}; it must be a whole number")
        if self.text is not None:
            _check_text(self.text)
        if self.crop is not None:
            _check_crop(self.crop)


def _check_text(text: str) -> None:
    if not isinstance(text, str):
        raise BadQuery(f"the text is {text!r:.80}; it must be a text")
    if not text.replace("\0", "").strip():
        raise BadQuery("the text is empty; type what the picture should show")
    if len(text) > LONGEST:
        raise BadQuery(f"the text has {len(text):,} characters; {LONGEST:,} are read at most")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise BadQuery("the text holds half a character (a lone surrogate); type it again")


def _check_crop(crop: Crop) -> None:
    if len(crop) != 4 or not all(isinstance(edge, int | float) for edge in crop):
        raise BadQuery(f"the crop is {crop!r:.80}; it must be four numbers from 0 to 1")
    left, top, right, bottom = crop
    inside = all(0 <= edge <= 1 for edge in crop)  # NaN is not, and no number is too large to ask
    if not inside or left >= right or top >= bottom:
        raise BadQuery(
            f"the crop {crop!r:.80} must be left < right and top < bottom, all from 0 to 1; "
            "draw it again"
        )
