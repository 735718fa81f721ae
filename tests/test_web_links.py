"""Links to pictures, in every place where one can be put: nobody follows them."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from retrieval.lab import Lab
from tests.served import QUIET, Answer, Served, sentence, served

pytestmark = [pytest.mark.server, QUIET]
META = {"_type": "gradio.FileData"}
DIALLED: list[Any] = []
"""Addresses that this process connects to, by any library, while ``watch`` says so."""
WATCHING = threading.Event()


def watch(event: str, given: tuple[Any, ...]) -> None:
    if event == "socket.connect" and WATCHING.is_set():
        DIALLED.append(given[1])


sys.addaudithook(watch)  # stays for the process; it does nothing while nobody watches


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
        with served(Lab(cache=tmp_path_factory.mktemp("cache"))) as made:
            yield made


class Trap(ThreadingHTTPServer):
    """A server that nobody should ask; it redirects to itself."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Caught)
        self.hits: list[str] = []


class Caught(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Trap)
        self.server.hits.append(self.path)
        self.send_response(302 if "redirect" in self.path else 200)
        self.send_header("Location", "/caught.png")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *given: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def trap() -> Iterator[Trap]:
    made = Trap()
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


async def trusting(url: str) -> httpx.Response:
    """Gradio's download without its own protection, so that ours is what is tested."""
    async with httpx.AsyncClient(follow_redirects=True) as client:
        return await client.get(url)


@pytest.fixture
def unprotected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradio.processing_utils.async_ssrf_protected_get", trusting)


def links(port: int) -> list[str]:
    """The trap under its names, and what a server in a cloud must never ask."""
    return [
        f"http://127.0.0.1:{port}/a.png",
        f"http://127.0.0.1:{port}/redirect.png",
        f"HTTP://localhost:{port}/a.png",
        f"http://2130706433:{port}/a.png",
        f"http://0.0.0.0:{port}/a.png",
        f"http://[::ffff:127.0.0.1]:{port}/a.png",
        f"https://127.0.0.1:{port}/a.png",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/a.png",
        "http://192.168.0.1/a.png",
        "http://[fe80::1]/a.png",
        "http://[2002:7f00:1::]/a.png",
        "ftp://127.0.0.1/a.png",
        "file:///etc/passwd",
    ]


def api(image: Any) -> Callable[[Served, str], list[Answer]]:
    """Give an image to the API."""
    return lambda web, link: [web.call(None, _put(image, link), ["phash@exact"], "stamps", 1)]


def page(asked: Any) -> Callable[[Served, str], list[Answer]]:
    """Send something to the page's private events, which check nothing for us."""
    return lambda web, link: [
        web.stream([_put(asked, link)], number) for number in web.numbers("stream")
    ]


def mcp(image: Any) -> Callable[[Served, str], list[Answer]]:
    """Give an image to the MCP tool."""

    def ask(web: Served, link: str) -> list[Answer]:
        failed, said = web.mcp(image=_put(image, link), panels=["phash@exact"], k=1)
        assert failed
        return [Answer("error", said)]

    return ask


def second(web: Served, link: str) -> list[Answer]:
    """The other form of the API, by names."""
    given = {"image": {"path": link, "meta": META}, "panels": ["phash@exact"], "k": 1}
    event = web.client.post("/gradio_api/call/v2/compare_search", json=given).json()["event_id"]
    text = web.client.get(f"/gradio_api/call/v2/compare_search/{event}").text
    return [Answer("error", json.loads(text.partition("data: ")[2])["error"])]


def _put(value: Any, link: str) -> Any:
    """A value with LINK replaced by a link."""
    return json.loads(json.dumps(value).replace("LINK", link))


WAYS = {
    "API, text": api("LINK"),
    "API, data URL": api("data:LINK"),
    "API, path": api({"path": "LINK"}),
    "API, file": api({"path": "LINK", "meta": META}),
    "API, file and url": api({"path": "LINK", "url": "LINK", "orig_name": "a.png", "meta": META}),
    "API, url": api({"path": "a.png", "url": "LINK", "meta": META}),
    "API, stream": api({"path": "LINK", "is_stream": True, "meta": META}),
    "API, list": api([{"path": "LINK", "meta": META}]),
    "API v2": second,
    "page, text": page({"address": "?row=1", "file": "LINK"}),
    "page, path": page({"address": "?row=1", "file": {"path": "LINK"}}),
    "page, file": page({"address": "?row=1", "file": {"path": "LINK", "meta": META}}),
    "page, url": page({"address": "", "file": {"path": "a.png", "url": "LINK", "meta": META}}),
    "page, all": page({"path": "LINK", "url": "LINK", "meta": META}),
    "page, hidden": page({"address": "", "more": [{"a": {"path": "LINK", "meta": META}}]}),
    "MCP, text": mcp("LINK"),
    "MCP, path": mcp({"path": "LINK"}),
    "MCP, file": mcp({"path": "LINK", "url": "LINK", "meta": META}),
}


@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.usefixtures("unprotected")
def test_no_link_is_followed(web: Served, trap: Trap, way: str) -> None:
    """Refused in a sentence, and this process connects to no link, nor to another machine."""
    web.alive()  # what is loaded at first is loaded now
    DIALLED.clear()
    WATCHING.set()
    try:
        for link in links(trap.server_port):
            for answer in WAYS[way](web, link):
                assert answer.kind == "error", (link, answer)
                sentence(answer.said[0])
    finally:
        WATCHING.clear()
    # what other tests' clients still ask on loopback, by threads of their own, is none of it
    assert [each for each in DIALLED if each[0] != "127.0.0.1" or each[1] == trap.server_port] == []
    assert trap.hits == []


@pytest.mark.usefixtures("unprotected")
def test_the_trap_would_catch(web: Served, trap: Trap, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without our refusal the trap is asked, by a redirect too: the test above can fail."""
    monkeypatch.setattr("retrieval.ui.page.refuse_links", lambda value: None)
    DIALLED.clear()
    WATCHING.set()
    WAYS["API, file"](web, links(trap.server_port)[1])
    WATCHING.clear()
    assert trap.hits == ["/redirect.png", "/caught.png"]
    assert ("127.0.0.1", trap.server_port) in [each[:2] for each in DIALLED]
    trap.hits.clear()
