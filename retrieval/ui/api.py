"""The documented API, which is the MCP tool too."""

from __future__ import annotations

import html
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr

from retrieval.commands.compare import plain
from retrieval.errors import BadQuery
from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.ui.address import MOST, PANELS
from retrieval.ui.answers import sentences
from retrieval.ui.menu import START
from retrieval.ui.unread import Unread, compare, read
from retrieval.ui.uploads import opened
from retrieval.where import Where


class Search:
    """What the API calls.

    Args:
        lab: which answers.
    """

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def compare_search(
        self,
        text: str | None = None,
        image: str | None = None,
        panels: list[str] | None = None,
        gallery: str = "stamps",
        k: int = 10,
        where: str | None = None,
    ) -> dict[str, Any]:
        """Search pictures by a text or by a picture, with several retrieval stacks side by side.

        Args:
            text: What the picture should show, such as "a bird". Give a text or an image.
            image: A JPEG, PNG or WebP in base64, or an uploaded file. Links are not followed.
            panels: One to four stacks, each EMBEDDER@INDEX?knob=value, such as
                "conse-lite2@faiss-hnsw?efSearch=16". One that cannot be read or answered has
                its problem in its place.
            gallery: The name of the gallery to search.
            k: How many pictures, from 1 to 100.
            where: Which pictures may answer: "label=owl", "label=owl|crow", "labels=owl" for
                any of a picture's labels, or "part<10" for 10 thousandths of the gallery. All
                by default.

        Returns:
            {"panels": [...]}, each with embedder, index, hits (row, rank, score, caption, label),
            timings in milliseconds, recall against exact search, how many pictures the filter
            allows and how it was kept to, and a problem or null.
        """
        with plainly():
            asked = _panels(panels)
            chosen = Where.parse(where) if where not in (None, "") else None
            query = Query(text=_text(text), image=opened(image), where=chosen)
            results = compare(self.lab, _name(gallery), asked, query, _count(k))
            ordered = sorted(results, key=lambda result: result.position)
            return {"panels": [plain(result) for result in ordered]}


@contextmanager
def plainly() -> Iterator[None]:
    """Whatever fails is one sentence, as text: programs read it, not a browser."""
    try:
        with sentences():
            yield
    except gr.Error as error:
        raise gr.Error(html.unescape(error.message), print_exception=False) from error


def _panels(value: object) -> list[Panel | Unread]:
    texts = list(START) if value is None else value
    if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
        raise BadQuery("panels must be a list of texts, such as conse-lite2@exact")
    if not 1 <= len(texts) <= PANELS:
        raise BadQuery(f"{len(texts)} panels are asked; give from 1 to {PANELS}")
    return [read(each) for each in texts]


def _text(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise BadQuery(f"text must be a text, not {type(value).__name__}")
    return value or None


def _name(value: object) -> str:
    if not isinstance(value, str):
        raise BadQuery(f"gallery must be a text, not {type(value).__name__}")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST:
        raise BadQuery(f"k is {value!r:.80}; it must be a whole number from 1 to {MOST}")
    return value
