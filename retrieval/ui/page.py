"""The page, put together."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import api

from retrieval.errors import BadImage, BadQuery, Refused
from retrieval.lab import Lab
from retrieval.ui.address import PANELS
from retrieval.ui.answers import Answers, sentences
from retrieval.ui.api import Search
from retrieval.ui.querybar import head
from retrieval.ui.results import skeleton

HERE = Path(__file__).parent
SCRIPTS = (
    "script.js",
    "link.js",
    "peek.js",
    "picture.js",
    "crop.js",
    "duplicates.js",
    "take.js",
    "choose.js",
    "tabs.js",
    "dots.js",
    "vote.js",
    "png.js",
)
TOGETHER = 16
"""Queries that are taken up at once; their timed parts still run one at a time."""
OPEN = "() => [{address: location.search, asked: 0}]"
DRAWN = "watch('value', () => window.parallax?.drawn())"
SENT = "(asked) => (window.parallax?.sent(), [asked])"
SETTLED = "() => window.parallax?.settled()"
HOURLY = 3600
LATER: dict[str, list[None]] = {"compare_search": [None]}
"""Inputs that an API got in later releases: callers that do not know of them send none."""
QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    # Gradio sums up its queue with pandas after every event, for a page that is off here.
    "GRADIO_ANALYTICS_CACHE_FREQUENCY": "1000000000",
    "GRADIO_ANALYTICS_MAX_EVENTS": "1",
}


class Page(gr.Blocks):
    """Blocks that follow no links for anybody."""

    async def preprocess_data(
        self, block_fn: Any, inputs: list[Any], state: Any, explicit_call: bool = False
    ) -> Any:
        """As Gradio does it, with files from other servers refused before they are fetched.

        Raises:
            gr.Error: too few inputs, or one names a file by its link or one that is no upload.
        """
        with sentences():
            wanted, later = len(block_fn.inputs), LATER.get(block_fn.api_name, [])
            if 0 < wanted - len(inputs) <= len(later):
                inputs = [*inputs, *later[len(inputs) - wanted :]]
            if len(inputs) < wanted:
                raise BadQuery(f"{len(inputs)} inputs are given; {wanted} are read, send them all")
            refuse_links(inputs)
            try:
                return await super().preprocess_data(block_fn, inputs, state, explicit_call)
            except (OSError, ValueError) as error:  # Gradio's own words name the host's folders
                raise BadImage("a file that was sent is no upload; upload it again") from error


def refuse_links(value: Any) -> None:
    """Look for files that are given by a link.

    Raises:
        Refused: there is one.
    """
    if isinstance(value, dict):
        named = [value.get("path"), value.get("url")] if "path" in value else []
        if any(isinstance(each, str) and "://" in each for each in named[:1]):
            raise Refused("links to pictures are not followed; upload the picture itself")
    for each in value.values() if isinstance(value, dict) else value:
        if isinstance(each, dict | list):
            refuse_links(each)


def build(answers: Answers) -> gr.Blocks:
    """The page over a lab; nothing heavy is loaded yet."""
    lab = answers.lab
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    page = Page(
        title="Parallax", analytics_enabled=False, fill_width=True, delete_cache=(HOURLY,) * 2
    )
    with page:
        bar = _bar(lab)
        over = gr.HTML("", js_on_load=DRAWN, apply_default_css=False)
        with gr.Row(elem_id="panels"):
            panels = [_panel(at) for at in range(PANELS)]
        under = gr.HTML("", js_on_load=None, apply_default_css=False)
        drawn = [over, *panels, under]
        queries = [
            event(
                answers.stream,
                bar,
                drawn,
                js=js,
                show_progress="hidden",
                trigger_mode="always_last",
                concurrency_limit=TOGETHER,
                concurrency_id="answers",
                api_visibility="private",
            )
            for event, js in ((bar.submit, SENT), (page.load, OPEN))
        ]
        for query in queries:
            query.then(None, js=SETTLED)
        bar.stop(None, cancels=[*queries])  # a query that is slow gives way to the next
        api(
            Search(lab).compare_search,
            api_name="compare_search",
            concurrency_limit=TOGETHER,  # else 1, which would hold for all of "answers"
            concurrency_id="answers",
        )
    return page


def _bar(lab: Lab) -> gr.HTML:
    galleries = [(entry, lab.catalog.state(entry.name)) for entry in lab.catalog.entries()]
    script = "\n".join((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return gr.HTML(
        {},
        html_template="${bar}",
        bar=head(galleries, os.environ.get("SPACE_ID", "")),
        js_on_load=script,
        apply_default_css=False,
        elem_id="bar",
    )


def _panel(position: int) -> gr.HTML:
    empty = f'<section class="panel"><div class="body">{skeleton(10)}</div></section>'
    return gr.HTML(empty if position < 2 else "", js_on_load=DRAWN, apply_default_css=False)
