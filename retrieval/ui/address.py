"""The page's address: what is asked, and of which panels. The page's whole state."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from retrieval.errors import BadQuery
from retrieval.panel import Panel
from retrieval.query import LONGEST, Query
from retrieval.ui.unread import Unread, read
from retrieval.where import Where

MOST = 100
"""The largest k of the page."""
PANELS = 4
"""The largest number of panels side by side."""
LENGTH = 16_000
"""Characters of an address that are read."""
FIELDS = 100
"""Parts of an address that are read."""
NAMES = ("gallery", "q", "row", "crop", "where", "k", "panel", "missed", "good")


@dataclass(frozen=True, slots=True)
class Address:
    """What the address bar holds.

    Attributes:
        gallery: its name.
        panels: one to four; in the place of one that cannot be read, why.
        text: the query's words, or none.
        row: the gallery's row that is asked for, or none.
        crop: left, top, right, bottom as shares of the picture.
        k: how many results.
        missed: whether the true neighbours that an index lost are shown.
        good: the probability in per cent from which on a picture is a good match; 0 for all.
        where: which rows may answer; all where there is none.
    """

    gallery: str
    panels: tuple[Panel | Unread, ...]
    text: str | None = None
    row: int | None = None
    crop: tuple[float, float, float, float] | None = None
    k: int = 10
    missed: bool = False
    good: int = 0
    where: Where | None = None

    @classmethod
    def parse(cls, text: object, start: Address) -> Address:
        """Read a query string; what it leaves out is as in ``start``.

        Args:
            text: such as ``?gallery=stamps&q=a+bird&panel=conse-lite2%40exact``.
            start: gallery, panels and k to use where nothing is said.

        Raises:
            BadQuery: it is no text, too long, or another part than a panel has the wrong form.
        """
        parts = _parts(text)
        row, crop = parts.get("row"), parts.get("crop")
        return cls(
            gallery=parts.get("gallery", [start.gallery])[-1][:200],
            panels=_panels(parts.get("panel", [])) or start.panels,
            text=_words(parts["q"][-1]) if "q" in parts else None,
            row=_whole("row", row[-1]) if row else None,
            crop=_crop(crop[-1]) if crop else None,
            k=_count(parts["k"][-1]) if "k" in parts else start.k,
            missed=parts.get("missed", ["0"])[-1] == "1",
            good=_percent(parts["good"][-1]) if "good" in parts else 0,
            where=Where.parse(parts["where"][-1]) if "where" in parts else None,
        )

    def __str__(self) -> str:
        """The query string that ``parse`` reads, with its question mark."""
        asked = [("q", self.text)] if self.text is not None else []
        asked += [("row", str(self.row))] if self.row is not None else []
        asked += [("crop", ",".join(f"{edge:.4g}" for edge in self.crop))] if self.crop else []
        asked += [("where", str(self.where))] if self.where else []
        panels = [("panel", str(panel)) for panel in self.panels]
        missed = [("missed", "1")] if self.missed else []
        good = [("good", str(self.good))] if self.good else []
        pairs = [("gallery", self.gallery), *asked, ("k", str(self.k)), *panels, *missed, *good]
        return "?" + urlencode(pairs)

    def query(self, image: bytes | None = None) -> Query:
        """What is asked, of an uploaded picture where one is given.

        Raises:
            BadQuery: nothing or several things are asked.
        """
        if image is not None:
            return Query(image=image, crop=self.crop, where=self.where)
        return Query(text=self.text, row=self.row, crop=self.crop, where=self.where)


def _parts(text: object) -> dict[str, list[str]]:
    if not isinstance(text, str) or len(text) > LENGTH:
        raise BadQuery(f"an address is a text of at most {LENGTH:,} characters; open the page anew")
    try:
        pairs = parse_qsl(text.removeprefix("?"), max_num_fields=FIELDS, errors="strict")
    except ValueError:
        raise BadQuery(f"the address {text[:80]!r} is not read; open the page anew") from None
    parts: dict[str, list[str]] = {}
    for name, value in pairs:
        if name in NAMES:
            parts.setdefault(name, []).append(value)
    return parts


def _words(text: str) -> str:
    if len(text) > LONGEST:
        raise BadQuery(f"the text has {len(text):,} characters; {LONGEST:,} are read at most")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise BadQuery("the text holds half a character (a lone surrogate); type it again")
    return text


def _panels(texts: list[str]) -> tuple[Panel | Unread, ...]:
    if len(texts) > PANELS:
        raise BadQuery(f"{len(texts)} panels are asked; {PANELS} fit side by side, remove some")
    return tuple(map(read, texts))


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise BadQuery(f"{name} is {text[:80]!r}; it must be a whole number")
    return int(text)


def _count(text: str) -> int:
    value = _whole("k", text)
    if not 1 <= value <= MOST:
        raise BadQuery(f"k is {value:,}; the page shows from 1 to {MOST} results")
    return value


def _percent(text: str) -> int:
    value = _whole("good", text)
    if value > 100:
        raise BadQuery(f"good is {value:,}; a probability is given in per cent, from 0 to 100")
    return value


def _crop(text: str) -> tuple[float, float, float, float]:
    try:
        left, top, right, bottom = (float(edge) for edge in text.split(","))
    except ValueError:
        raise BadQuery(f"a crop is written left,top,right,bottom, not {text[:80]!r}") from None
    return left, top, right, bottom
