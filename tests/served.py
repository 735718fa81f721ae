"""The page over the real lab, and a client that knows nothing of the page."""

from __future__ import annotations

import html
import json
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest

from retrieval.lab import Lab
from retrieval.ui.answers import Answers
from retrieval.ui.launch import start

ROOT = Path(__file__).parents[1]
BIRDS = [10, 34, 24]
"""What conse-lite2 finds first among the stamps for "a bird": a crane, a rooster, a rhea."""
QUIET = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""Gradio leaves event loops open, which are found at any later time."""
JSON = {"content-type": "application/json"}
MCP = {"accept": "application/json, text/event-stream"}


@dataclass
class Answer:
    """What came back: ``complete`` with data, or ``error`` with a text.

    Attributes:
        kind: ``complete``, ``error``, or an HTTP status.
        data: of the answer, or the error's text.
    """

    kind: str
    data: Any

    @property
    def panels(self) -> list[dict[str, Any]]:
        """Of an answer of the API."""
        assert self.kind == "complete", self
        panels: list[dict[str, Any]] = self.data[0]["panels"]
        return panels

    @property
    def rows(self) -> list[int]:
        """The rows that the first panel found."""
        assert self.panels[0]["problem"] is None, self.panels[0]["problem"]
        return [hit["row"] for hit in self.panels[0]["hits"]]

    @property
    def said(self) -> list[str]:
        """Why there is no answer: the error, or each panel's problem; empty where all answered."""
        if self.kind != "complete":
            return [html.unescape(str(self.data))]
        if isinstance(self.data[0], dict):
            return [each["problem"] for each in self.panels if each["problem"]]
        found = re.findall(r'<div class="problem"[^>]*><p>(.*?)</p>', " ".join(map(str, self.data)))
        return [html.unescape(each) for each in found]


@dataclass
class Served:
    """A running page.

    Attributes:
        lab: what answers.
        page: the blocks.
        client: at its address.
    """

    lab: Lab
    page: gr.Blocks
    client: httpx.Client = field(repr=False)

    @property
    def url(self) -> str:
        """Without a slash at its end."""
        return str(self.page.local_url).rstrip("/")

    def numbers(self, name: str) -> list[int]:
        """The numbers of the events whose name begins so, as everybody can read them."""
        listed = self.client.get("/config").json()["dependencies"]
        return [each["id"] for each in listed if str(each["api_name"]).startswith(name)]

    def call(self, *data: Any) -> Answer:
        """The API: text, image, panels, gallery, k, where."""
        return self.raw(json.dumps({"data": data}))

    def raw(self, body: str | bytes) -> Answer:
        """The API with a body as it is."""
        asked = self.client.post("/gradio_api/call/compare_search", content=body, headers=JSON)
        if asked.status_code != 200:
            return Answer(str(asked.status_code), asked.text)
        event = asked.json()["event_id"]
        text = self.client.get(f"/gradio_api/call/compare_search/{event}").text
        kind, _, rest = text.strip().split("event: ")[-1].partition("\ndata: ")
        data = json.loads(rest)
        return Answer(kind, data if kind == "complete" else data["error"])

    def join(self, data: Any, number: int | None = None, session: str = "") -> httpx.Response:
        """Put an event into the queue by its number, as only the page should."""
        number = self.numbers("stream")[0] if number is None else number
        session = session or uuid.uuid4().hex
        body = json.dumps({"data": data, "fn_index": number, "session_hash": session})
        return self.client.post("/gradio_api/queue/join", content=body, headers=JSON)

    def stream(self, data: Any, number: int | None = None) -> Answer:
        """A private event by its number: it is answered too."""
        session = uuid.uuid4().hex
        joined = self.join(data, number, session)
        if joined.status_code != 200:
            return Answer(str(joined.status_code), joined.text)
        last: list[Any] = []
        for message in self.messages(session):
            if message["msg"] == "process_generating" and not last:
                last = message["output"]["data"]
            if message["msg"] == "process_completed":
                if message["success"]:
                    return Answer("complete", message["output"]["data"] or last)
                return Answer("error", message["output"]["error"])
        raise AssertionError("the stream ended without an answer")

    def messages(self, session: str) -> Iterator[dict[str, Any]]:
        """What a session is told."""
        asked = {"session_hash": session}
        with self.client.stream("GET", "/gradio_api/queue/data", params=asked) as lines:
            for line in lines.iter_lines():
                if line.startswith("data: "):
                    yield json.loads(line[6:])

    def page_of(self, address: str, **more: Any) -> Answer:
        """What the page shows at an address."""
        return self.stream([{"address": address, **more}])

    def mcp(self, **arguments: Any) -> tuple[bool, str]:
        """The MCP tool: whether it failed, and its text."""
        params = {"name": "compare_search", "arguments": arguments}
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        got = self.client.post("/gradio_api/mcp/", json=call, headers=MCP)
        data = next(line[6:] for line in got.text.splitlines() if line.startswith("data: "))
        result = json.loads(data)["result"]
        return bool(result.get("isError")), result["content"][0]["text"]

    def upload(self, name: str, data: bytes, kind: str = "image/png") -> str:
        """Send a file; where it was put."""
        sent = self.client.post("/gradio_api/upload", files={"files": (name, data, kind)})
        assert sent.status_code == 200, sent.text
        return str(sent.json()[0])

    def alive(self) -> None:
        """The next query is right."""
        assert self.call("a bird", None, ["conse-lite2@exact"], "stamps", 3).rows == BIRDS


@contextmanager
def served(lab: Lab) -> Iterator[Served]:
    """The page over a lab, on a free port, until the block ends."""
    page = start(Answers(lab), "127.0.0.1", quiet=True)
    try:
        with httpx.Client(base_url=str(page.local_url), timeout=60) as client:
            yield Served(lab, page, client)
    finally:
        page.close()


def sentence(text: object) -> str:
    """Check that a refusal is one that a person can read, and names nothing of the machine."""
    assert isinstance(text, str), text
    assert 10 < len(text) < 600, text
    assert "\n" not in text, text
    for inside in ("Traceback", " object at 0x", str(ROOT), "something broke", "/site-packages/"):
        assert inside.lower() not in text.lower(), text
    return text
