from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from retrieval.ui.arrivals import NAME
from retrieval.ui.launch import start
from retrieval.ui.page import TOGETHER
from retrieval.ui.uploads import LARGEST
from tests.fake_lab import FakeLab, answers
from tests.held import LONGEST, until

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.server
CLIENT = httpx.Client(timeout=LONGEST)


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, FakeLab]]:
    lab = FakeLab()
    page = start(answers(lab), "127.0.0.1", quiet=True)
    yield str(page.local_url).rstrip("/"), lab
    page.close()


def called(url: str, name: str, data: list[Any]) -> tuple[str, str]:
    """The last event and its data, as a client without our page sees it."""
    asked = CLIENT.post(f"{url}/gradio_api/call/{name}", json={"data": data})
    if asked.status_code != 200:
        return "refused", asked.text
    got = CLIENT.get(f"{url}/gradio_api/call/{name}/{asked.json()['event_id']}").text
    event, _, rest = got.strip().split("event: ")[-1].partition("\ndata: ")
    return event, rest


def streamed(url: str, number: int, data: list[Any]) -> dict[str, Any]:
    """The last message of an event by its number: private ones answer too."""
    session = "raw"
    body = {"data": data, "fn_index": number, "session_hash": session}
    CLIENT.post(f"{url}/gradio_api/queue/join", json=body).raise_for_status()
    with CLIENT.stream(
        "GET", f"{url}/gradio_api/queue/data", params={"session_hash": session}
    ) as lines:
        for line in lines.iter_lines():
            message = json.loads(line[6:]) if line.startswith("data: ") else {}
            if message.get("msg") == "process_completed":
                return cast(dict[str, Any], message)
    raise AssertionError("no answer")


def test_a_page_has_longer_than_gradios_five_seconds_to_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where it had not, its app was started again on the next port, which it cannot be."""
    hurried = SimpleNamespace(sleep=time.sleep, time=partial(next, itertools.count(0, 10)))
    monkeypatch.setattr("gradio.http_server.time", hurried)
    page = start(answers(FakeLab()), "127.0.0.1", quiet=True)
    try:
        assert CLIENT.get(f"{page.local_url}config").status_code == 200
    finally:
        page.close()


def test_pictures_come_with_cache_headers(server: tuple[str, FakeLab]) -> None:
    url, lab = server
    got = CLIENT.get(f"{url}/thumb/stamps/3")
    assert got.content == lab.gallery.encoded(3)
    assert got.headers["content-type"] == "image/webp"
    assert "max-age" in got.headers["cache-control"]
    again = CLIENT.get(f"{url}/thumb/stamps/3", headers={"if-none-match": got.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    for bad in ("stamps/60", "stamps/-1", "stamps/x", "none/1", "..%2f..%2fapp.py/1", "stamps/1e1"):
        assert CLIENT.get(f"{url}/thumb/{bad}").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        f"gradio_api/file={ROOT / 'app.py'}",
        "gradio_api/file=app.py",
        "gradio_api/file=.env",
        "gradio_api/file=%2e%2e/app.py",
        "gradio_api/file//etc/passwd",
        "file=app.py",
        "gradio_api/file=http://127.0.0.1:1/",
        "gradio_api/file=https://huggingface.co/",
        "gradio_api/proxy=https://huggingface.co/",
        "monitoring",
        "monitoring/summary",
        "static/../../../app.py",
        "assets/%2e%2e/%2e%2e/%2e%2e/%2e%2e/app.py",
    ],
)
def test_nothing_else_is_served(server: tuple[str, FakeLab], path: str) -> None:
    got = CLIENT.get(f"{server[0]}/{path}", follow_redirects=False)
    assert got.status_code in (403, 404)
    assert "argparse" not in got.text


def test_the_api_over_http(server: tuple[str, FakeLab]) -> None:
    event, data = called(server[0], "compare_search", ["a bird", None, None, "stamps", 3])
    assert event == "complete"
    assert len(json.loads(data)[0]["panels"][0]["hits"]) == 3
    event, data = called(server[0], "compare_search", ["a bird", None, None, "stamps", 10**9])
    assert event == "error"
    assert "from 1 to 100" in data


@pytest.mark.parametrize(
    "link",
    [
        "http://127.0.0.1:9/a.png",
        "http://[::1]/a.png",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/a.png",
        "http://[2002:7f00:1::]/a.png",
        "http://0x7f000001/a.png",
        "https://huggingface.co/a.png",
    ],
)
def test_a_link_is_fetched_for_nobody(
    server: tuple[str, FakeLab], link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []
    monkeypatch.setattr(
        "gradio.processing_utils.async_ssrf_protected_get", lambda url: fetched.append(url)
    )
    file = {"path": link, "url": link, "meta": {"_type": "gradio.FileData"}}
    event, data = called(server[0], "compare_search", [None, file, None, "stamps", 3])
    assert event == "error"
    assert "links to pictures are not followed" in data
    private = streamed(server[0], 0, [{"address": "", "file": file}])
    assert "links to pictures are not followed" in private["output"]["error"]
    assert fetched == []


@pytest.mark.parametrize("data", [[None], [5], ["?k=1"], [["a"]], [{"address": {}}], [{}]])
def test_wrong_types_get_an_answer_or_a_sentence(
    server: tuple[str, FakeLab], data: list[Any]
) -> None:
    message = streamed(server[0], 0, data)
    assert message["success"] or message["output"]["error"]


def test_an_upload_beyond_the_limit_is_refused(server: tuple[str, FakeLab]) -> None:
    large = b"\0" * (LARGEST + 1000)
    got = CLIENT.post(f"{server[0]}/gradio_api/upload", files={"files": ("a.png", large)})
    assert got.status_code == 413


def test_the_mcp_tool_answers(server: tuple[str, FakeLab]) -> None:
    call = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "compare_search", "arguments": {"text": "a bird", "k": 2}},
    }
    headers = {"accept": "application/json, text/event-stream"}
    got = CLIENT.post(f"{server[0]}/gradio_api/mcp/", json=call, headers=headers)
    assert got.status_code == 200
    data = next(line[6:] for line in got.text.splitlines() if line.startswith("data: "))
    answer = json.loads(json.loads(data)["result"]["content"][0]["text"])
    assert len(answer["panels"][0]["hits"]) == 2


def test_closed_tabs_hold_up_nobody(server: tuple[str, FakeLab]) -> None:
    url, lab = server
    lab.held.clear()
    try:
        for number in range(TOGETHER + 4):
            tab = {"session_hash": f"tab {number}"}
            body = {"data": [{"address": ""}], "fn_index": 0, **tab}
            CLIENT.post(f"{url}/gradio_api/queue/join", json=body).raise_for_status()
            queue = f"{url}/gradio_api/queue/data"
            with CLIENT.stream("GET", queue, params=tab) as lines:
                next(line for line in lines.iter_lines() if "process_generating" in line)
        one = {"address": "?gallery=stamps&q=a+bird&panel=conse-lite2@exact"}
        assert streamed(url, 0, [one])["success"]
        until(lambda: lab.open == TOGETHER + 4)  # their readers, until the lab answers
    finally:
        lab.held.set()
    for thread in threading.enumerate():
        if thread.name == NAME:
            thread.join(LONGEST)
    assert lab.open == 0
