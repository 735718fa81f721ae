"""What every section shares that measures: what is asked about, for how long, and how it comes."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import closing
from typing import TypeVar

from retrieval.galleries.base import Gallery
from retrieval.lab import Lab
from retrieval.types import Spec
from retrieval.ui import fields
from retrieval.ui.arrivals import batches
from retrieval.ui.menu import START, Menu
from retrieval.ui.turn import LONGEST, SLICE, budget, turn

LOOK = 0.5
"""Seconds between two drawings of what has arrived."""
FIRST = START[0].partition("@")[0]
"""The embedder that is shown where none is asked for."""
T = TypeVar("T")
Pieces = dict[str, str]
"""HTML by the part of the section that it goes into."""


def subject(lab: Lab, menu: Menu, asked: Mapping[str, object]) -> tuple[Gallery, Spec, list[Spec]]:
    """The gallery and the embedder that are asked about, and every index that fits and is ready.

    Raises:
        LabError: one of them is unknown, or of another form.
    """
    entries = lab.catalog.entries()
    gallery = lab.gallery(fields.text(asked, "gallery", entries[0].name))
    embedder = menu.embedder(fields.text(asked, "embedder") or FIRST)
    ready = [each for each in menu.fitting(embedder) if menu.state(each.name).kind == "ready"]
    return gallery, lab.spec(embedder.name), ready


def allowed(lab: Lab, asked: Mapping[str, object], usual: float) -> float:
    """For how long is measured: the usual time, or a slice of it, where nothing is asked.

    Raises:
        BadQuery: it is no number of seconds.
        Refused: more are asked than strangers may use.
    """
    usual = SLICE if lab.public else usual
    return budget(lab, fields.number(asked, "seconds", 1, LONGEST, usual))


def arriving(steps: Generator[T]) -> closing[Generator[list[T]]]:
    """What has been measured since the last look, while this has the turn; to be closed.

    Raises:
        NotReady: somebody else has the turn.
    """
    return closing(batches(_held(steps), LOOK))


def _held(steps: Generator[T]) -> Generator[T]:
    with turn(), closing(steps):
        yield from steps


def clock(public: bool, usual: float) -> str:
    """The field of seconds."""
    most, shown = (int(SLICE if public else each) for each in (LONGEST, usual))
    return (
        '<label class="pick"><span>Seconds</span><input class="field" type="number" '
        f'data-seconds min="1" max="{most}" value="{shown}"></label>'
    )


def buttons(says: str = "Measure here", look: str = "primary", off: bool = False) -> str:
    """What begins and what ends it."""
    return (
        f'<button type="button" class="{look}" data-measure{" disabled" if off else ""}>{says}'
        '</button><button type="button" class="plain" data-halt hidden>Stop</button>'
    )
