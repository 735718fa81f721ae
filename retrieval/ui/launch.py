"""How the page is served."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from retrieval.errors import NotReady
from retrieval.lab import Lab
from retrieval.runtime import courtesy, working
from retrieval.ui import patient
from retrieval.ui.answers import Answers
from retrieval.ui.page import build
from retrieval.ui.routes import routes
from retrieval.ui.tabs import tabs
from retrieval.ui.theme import theme
from retrieval.ui.uploads import LARGEST

ROOT = Path(__file__).parents[2]
WAITING = 60
"""Queries that wait for their turn; the next is told that it is busy."""

SESSIONS = 200
"""Tabs whose last answer Gradio keeps; by itself it keeps 10,000, which is gigabytes."""


def arguments(lab: Lab) -> dict[str, Any]:
    """What ``launch`` is given, whoever launches."""
    return {
        "theme": theme(),
        "show_error": True,
        "footer_links": [],
        "run_history": False,
        "enable_monitoring": False,
        "ssr_mode": False,
        "share": False,
        "pwa": False,
        "mcp_server": True,
        "max_file_size": LARGEST,
        "state_session_capacity": SESSIONS,
        "allowed_paths": [],
        "blocked_paths": [str(ROOT)],
        "app_kwargs": {"routes": routes(lab)},
    }


def start(answers: Answers, host: str, port: int | None = None, quiet: bool = False) -> gr.Blocks:
    """Build the page and listen; returns once it answers.

    Args:
        answers: what the page asks.
        host: address to listen on.
        port: to listen on; the first free one from 7860 on where none is given.
        quiet: say nothing on the terminal.

    Raises:
        NotReady: the address or the port is taken, or none of this machine's.
    """
    courtesy.serve()
    patient.install()
    page = build(answers)
    given = arguments(answers.lab)
    given["app_kwargs"]["routes"] += tabs(answers)
    page.queue(api_open=False, max_size=WAITING)
    try:
        page.launch(
            server_name=host,
            server_port=port,
            prevent_thread_lock=True,
            quiet=quiet,
            **given,
        )
    except (OSError, OverflowError) as error:
        raise taken(host, port, error) from error
    if page.mcp_server_obj is None:
        raise NotReady(f"the MCP server did not start: {page.mcp_error}; pip install 'gradio[mcp]'")
    # Gradio would answer in Python's repr, which no JSON parser reads.
    setattr(page.mcp_server_obj, "postprocess_output_data", as_json)  # noqa: B010 - a method
    return page


def taken(host: str, port: int | None, error: Exception) -> NotReady:
    """The error for an address at which nothing can listen."""
    where = host if port is None else f"{host}:{port}"
    why = str(error).partition(". ")[0]  # what follows are flags of Gradio's
    return NotReady(f"nothing can listen at {where} ({why}); give another --port or --host")


def as_json(data: Sequence[Any], root: str) -> list[Any]:
    """What a tool returned, as MCP texts that hold JSON."""
    from mcp.types import TextContent

    return [TextContent(type="text", text=json.dumps(each, ensure_ascii=False)) for each in data]


def serve(lab: Lab, host: str, port: int | None) -> None:
    """Open the page, load the models of its first panels behind it, and stay."""
    answers = Answers(lab)
    page = start(answers, host, port)
    threading.Thread(target=warm, args=(answers,), name="warm", daemon=True).start()
    try:
        page.block_thread()
    finally:
        working.clear()


def warm(answers: Answers) -> None:
    """Answer the first example once, for nobody."""
    for _ in answers.stream({}):
        pass
