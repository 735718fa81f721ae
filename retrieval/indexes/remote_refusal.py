"""What servers say instead of an answer, as errors. Holds no index: no ``SPECS``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from retrieval.errors import Damaged, LabError, NotReady, Unreachable


@dataclass(frozen=True)
class Refusal:
    """What a server says instead of an answer.

    Attributes:
        status: as HTTP numbers it; 0 where no answer came.
        text: its own words.
        wait: seconds after which it wants to be asked again, if it says so.
    """

    status: int
    text: str
    wait: str = ""


def sentence(where: str, variable: str, said: Refusal) -> LabError:
    """The error for what a server says instead of an answer.

    Args:
        where: the server, for people.
        variable: of its address; the one of its key is named after it.
        said: its refusal.
    """
    text = (said.text.strip() or "no reason given").splitlines()[0][:200]
    if said.status in (401, 403):
        return NotReady(f"{where} wants another key ({said.status}): set {variable}_KEY to one")
    if said.status == 404:
        return Damaged(
            f"{where} has lost a collection ({text}); start Parallax again to build it again"
        )
    if said.status == 429:
        when = f"in {said.wait} s" if said.wait else "in a while"
        return Unreachable(f"{where} is asked too often (429); ask again {when}")
    if said.status == 0:
        return Unreachable(f"{where} does not answer ({text}); ask again once it does")
    if said.status >= 500:
        return Unreachable(f"{where} fails ({said.status}: {text}); ask again once it works")
    return LabError(f"{where} refuses ({said.status}): {text}")


def read(path: Path) -> str:
    """The collection that a file names.

    Raises:
        Damaged: it cannot be read.
    """
    try:
        return str(json.loads(path.read_text("utf-8"))["collection"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{path.name} names no collection; build the index again") from error


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that it was raised from; some are raised from themselves."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__context__ if error.__cause__ in (None, error) else error.__cause__
