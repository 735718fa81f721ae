"""A panel that cannot be asked: what was written, and why; the others are asked without it."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote

from retrieval.errors import LabError
from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.types import Result


@dataclass(frozen=True, slots=True)
class Unread:
    """In the place of a panel.

    Attributes:
        text: as it was written.
        problem: what is wrong with it and what to do, in a sentence.
    """

    text: str
    problem: str

    def __str__(self) -> str:
        """As it was written, so that an address keeps it."""
        return self.text

    @property
    def names(self) -> tuple[str, str]:
        """What may be meant as its embedder and its index; empty where nothing is."""
        head = self.text.partition("?")[0]
        embedder, at, index = head.rpartition("@")
        return (unquote(embedder), unquote(index)) if at else (unquote(head), "")


def read(text: str) -> Panel | Unread:
    """A panel, or why it is none."""
    try:
        return Panel.parse(text)
    except LabError as error:
        return Unread(text, str(error))


def compare(
    lab: Lab, gallery: str, panels: Sequence[Panel | Unread], query: Query, k: int
) -> Generator[Result]:
    """As ``Lab.compare``, each panel's answer in its place; first those that cannot be asked.

    Raises:
        BadQuery: now, not when it is iterated: the query does not fit the gallery.
    """
    places = [at for at, each in enumerate(panels) if isinstance(each, Panel)]
    asked = [each for each in panels if isinstance(each, Panel)]
    results = lab.compare(gallery, asked, query, k)
    return _together(panels, places, results)


def _together(
    panels: Sequence[Panel | Unread], places: Sequence[int], results: Iterator[Result]
) -> Generator[Result]:
    for at, each in enumerate(panels):
        if isinstance(each, Unread):
            yield Result(at, *each.names, problem=each.problem)
    try:
        for result in results:
            yield replace(result, position=places[result.position])
    finally:
        if isinstance(results, Generator):
            results.close()
