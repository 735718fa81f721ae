"""The page over a lab whose answers are ready, with an echo and a ``gr.Gallery`` beside it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gradio as gr

from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.types import Hit, Result, Timings
from retrieval.ui.answers import Answers
from retrieval.ui.launch import WAITING, arguments
from retrieval.ui.page import build

GALLERY = "clipart"
K = 48
SETS = 60
"""Different answers, no picture in two of them, so that no browser has one in its cache."""
NAME = "set"


def asked(number: int) -> str:
    """The text that is answered by a set."""
    return f"{NAME} {number}"


def rows(number: int) -> range:
    """The pictures of a set."""
    return range(number * K, (number + 1) * K)


class Ready(Lab):
    """Answers each text with the set that it names, made before anybody asks."""

    def __init__(self) -> None:
        super().__init__()
        self._ready = {asked(number): self._result(number) for number in range(SETS)}

    def compare(
        self, gallery: str, panels: Sequence[Panel], query: Query, k: int
    ) -> Iterator[Result]:
        """The one panel's answer."""
        yield self._ready[query.text or ""]

    def _result(self, number: int) -> Result:
        gallery = self.gallery(GALLERY)
        words = zip(gallery.captions(rows(number)), gallery.labels(rows(number)), strict=True)
        hits = tuple(
            Hit(row, rank, 0.9 - rank / 100, caption, label)
            for rank, (row, (caption, label)) in enumerate(
                zip(rows(number), words, strict=True), start=1
            )
        )
        times = Timings(embed=2.0, search=0.1, rescore=0.05, fetch=0.05)
        return Result(0, "conse-lite2", "exact", hits, times, recall=1.0, nbytes=1_000_000)


def beside(page: gr.Blocks, folder: Path) -> None:
    """Add an echo, and a gallery of the files of a folder, to a page."""

    def files(text: str) -> list[str]:
        return [str(folder / f"{row}.webp") for row in rows(int(text))]

    with page:
        given, said = gr.Textbox(visible="hidden"), gr.Textbox(visible="hidden")
        given.submit(lambda text: text, given, said, api_name="echo")
        number = gr.Textbox(elem_id="number")
        load = gr.Button("Load", elem_id="load")
        shown = gr.Gallery(elem_id="files", columns=8, height="auto")
        load.click(files, number, shown, api_name="files", show_progress="hidden")


def serve(port: int) -> None:
    """Serve all three until the process ends."""
    lab = Ready()
    gallery = lab.gallery(GALLERY)
    with TemporaryDirectory() as made:
        for number in range(SETS):
            for row in rows(number):
                Path(made, f"{row}.webp").write_bytes(gallery.encoded(row))
        page = build(Answers(lab))
        beside(page, Path(made))
        page.queue(api_open=False, max_size=WAITING)
        page.launch(server_port=port, quiet=True, **_open(arguments(lab), made))


def _open(given: dict[str, Any], folder: str) -> dict[str, Any]:
    """Launch arguments with Gradio's own route for files left open, which the page closes."""
    routes = [each for each in given["app_kwargs"]["routes"] if each.path.startswith("/thumb")]
    return {**given, "allowed_paths": [folder], "app_kwargs": {"routes": routes}}


if __name__ == "__main__":
    serve(int(sys.argv[1]))
