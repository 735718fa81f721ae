"""What people said of two answers that had no names; a line of JSON each, only ever appended."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import quote

from retrieval.errors import BadQuery, LabError
from retrieval.galleries.base import Gallery
from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.query import LONGEST
from retrieval.runtime.paths import unwritable

Choice = Literal["left", "right", "tie", ""]
SHOWN = 10
"""Pictures of each panel that are voted on."""
MOST = 2_000
"""Votes that a browser can hand in."""


@dataclass(frozen=True)
class Vote:
    """One person's word on one query.

    Attributes:
        id: of the ballot, so that nobody votes twice with it.
        at: when, in UTC.
        gallery: its name.
        revision: which pictures the rows are.
        text: the query's words; none where a row's picture was the query.
        row: the row whose picture was the query.
        seed: which drew the query and which panel stood on the left.
        left: the panel that stood on the left.
        right: the other.
        shown_left: rows that it showed, best first.
        shown_right: rows of the other.
        choice: which was better; empty where only pictures were marked.
        marked: rows that were marked as right, or none where nobody marked any.
    """

    id: str
    at: str
    gallery: str
    revision: str
    text: str | None
    row: int | None
    seed: int
    left: str
    right: str
    shown_left: tuple[int, ...]
    shown_right: tuple[int, ...]
    choice: Choice
    marked: tuple[int, ...] | None

    def __post_init__(self) -> None:
        """Check that the parts fit each other.

        Raises:
            BadQuery: a part is missing, or is none of what was shown.
        """
        if (self.text is None) == (self.row is None):
            raise BadQuery("a vote is on a text or on a row; send it as it was given")
        if self.choice not in get_args(Choice):
            raise BadQuery(f"the choice is {str(self.choice)[:40]!r}; it is left, right or tie")
        if not self.choice and self.marked is None:
            raise BadQuery("nothing was chosen; say which is better, or mark what is right")
        seen = {*self.shown_left, *self.shown_right}
        if not set(self.marked or ()) <= seen:
            raise BadQuery("a picture is marked that was not shown; mark what is on the page")
        for side in (self.left, self.right):
            Panel.parse(side)

    @property
    def query(self) -> str:
        """The query's name in relevance judgements, without spaces."""
        if self.text is None:
            return f"row-{self.row}"
        return f"text-{sha256(self.text.encode()).hexdigest()[:12]}"

    @property
    def seen(self) -> list[int]:
        """Every row that either showed, once."""
        return list(dict.fromkeys((*self.shown_left, *self.shown_right)))

    @property
    def winner(self) -> str:
        """The panel that was chosen; empty for a tie, and where none was."""
        return {"left": self.left, "right": self.right}.get(self.choice, "")


def parsed(given: object) -> Vote:
    """A vote from JSON that anybody may have written.

    Raises:
        BadQuery: it is none.
    """
    if not isinstance(given, Mapping) or {*given} != {*Vote.__dataclass_fields__}:
        raise BadQuery("a vote has other fields than these; send it as it was given")
    for name in ("id", "at", "gallery", "revision", "left", "right", "choice"):
        _text(name, given[name], 500)
    if given["text"] is not None:
        _text("text", given["text"], LONGEST)
    if given["row"] is not None:
        _whole("row", given["row"])
    _whole("seed", given["seed"])
    rows = {name: _rows(name, given[name]) for name in ("shown_left", "shown_right")}
    marked = None if given["marked"] is None else _rows("marked", given["marked"], 2 * SHOWN)
    return Vote(**{**given, **rows, "marked": marked})


def handed(given: object) -> list[Vote]:
    """The votes that a browser keeps, each ballot once; what is no vote is left out.

    Raises:
        BadQuery: it is no list, or too long.
    """
    if not isinstance(given, list) or len(given) > MOST:
        raise BadQuery(f"votes must be a list of at most {MOST:,}")
    return once(_sound(given))


def _sound(given: list[object]) -> Iterator[Vote]:
    for each in given:
        try:
            yield parsed(each)
        except LabError:  # somebody wrote there; the other votes still count
            continue


def once(votes: Iterable[Vote]) -> list[Vote]:
    """The first vote of each ballot."""
    found: dict[str, Vote] = {}
    for each in votes:
        found.setdefault(each.id, each)
    return list(found.values())


def _text(name: str, value: object, most: int) -> None:
    if (
        not isinstance(value, str)
        or len(value) > most
        or any("\ud800" <= c <= "\udfff" for c in value)
    ):
        raise BadQuery(f"{name} of a vote must be a text of at most {most:,} characters")


def _whole(name: str, value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**53:
        raise BadQuery(f"{name} of a vote must be a whole number from 0")
    return value


def _rows(name: str, value: object, most: int = SHOWN) -> tuple[int, ...]:
    if (
        not isinstance(value, list | tuple)
        or len(value) > most
        or len({*map(str, value)}) < len(value)
    ):
        raise BadQuery(f"{name} of a vote must be at most {most} different rows")
    return tuple(_whole(name, each) for each in value)


class Votes:
    """Votes of this machine, a file a gallery.

    Args:
        folder: of the files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, gallery: str) -> Path:
        """The file of a gallery."""
        return self.folder / f"{quote(gallery, safe='')}.jsonl"

    def add(self, vote: Vote) -> None:
        """Append a vote, on the disk when this returns.

        A line that a killed process left half written is ended first, and is no vote.

        Raises:
            BadQuery: its ballot has voted.
            NotReady: the cache cannot be written.
        """
        from filelock import FileLock

        path = self.path(vote.gallery)
        line = json.dumps(asdict(vote), ensure_ascii=True).encode() + b"\n"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_name(f".{path.name}.lock")):
                if any(each.id == vote.id for each in self.read(vote.gallery)[0]):
                    raise BadQuery("this pair was voted on already; take the next one")
                with path.open("ab+") as file:
                    _append(file.fileno(), line)
        except OSError as error:
            raise unwritable(self.folder, error) from error

    def read(self, gallery: str) -> tuple[list[Vote], int]:
        """Every vote of a gallery, and how many lines are none."""
        path, found, bad = self.path(gallery), [], 0
        lines = path.read_bytes().split(b"\n") if path.is_file() else []
        for line in filter(None, lines):
            try:
                found.append(parsed(json.loads(line)))
            except (ValueError, RecursionError, LabError):
                bad += 1
        return once(found), bad


def _append(handle: int, line: bytes) -> None:
    end = os.lseek(handle, 0, os.SEEK_END)
    torn = end > 0 and os.pread(handle, 1, end - 1) != b"\n"
    whole = (b"\n" if torn else b"") + line
    if os.write(handle, whole) < len(whole):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(handle)


def votes(lab: Lab) -> Votes:
    """Where a lab keeps the votes of its own machine."""
    return Votes(lab.cache / "votes")


def current(gallery: Gallery, given: Sequence[Vote]) -> list[Vote]:
    """Those on the pictures that a gallery has now."""
    return [
        each
        for each in given
        if (each.gallery, each.revision) == (gallery.name, gallery.revision)
        and all(row < len(gallery) for row in (*each.seen, each.row or 0))
    ]
