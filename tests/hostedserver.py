"""Jina's and Cohere's interfaces on loopback, strict about what is sent.

A picture's vector begins with its mean colour, a text's with the colour that it names.
"""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from PIL import Image

from tests.fakes import COLOURS

KEY = "jina_0123456789abcdef"
JINA_DIMS = {
    "jina-clip-v2": 1024,
    "jina-embeddings-v4": 2048,
    "jina-embeddings-v5-omni-small": 1024,
}
TASKS = {"retrieval.query", "retrieval.passage"}


@dataclass
class Bad:
    """One answer that is not the usual one.

    Attributes:
        status: of the answer; 0 cuts the connection.
        headers: beside the usual ones.
        body: instead of the usual one.
        wait: seconds before it, unless the provider is told to go on.
        drip: seconds between its bytes.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    wait: float = 0.0
    drip: float = 0.0


@dataclass
class Provider:
    """What runs.

    Attributes:
        url: its address.
        bodies: what was sent and accepted, in order.
        times: of every request, by the monotonic clock.
        bad: the next answers, first first.
        under_way: most requests that were under way at once.
        go: set to let answers that wait go on.
    """

    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    bad: list[Bad] = field(default_factory=list)
    now: int = 0
    under_way: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    go: threading.Event = field(default_factory=threading.Event)

    @property
    def pictures(self) -> int:
        """That were sent and embedded."""
        return sum(
            len(each.get("images") or [item for item in each.get("input", ()) if "image" in item])
            for each in self.bodies
        )


def padded(colour: Sequence[float], dim: int) -> list[float]:
    return [*(float(value) + 1 for value in colour), *[0.0] * (dim - 3)]


def of_text(text: str, dim: int) -> list[float]:
    assert text.strip() and len(text) <= 4_000
    return padded(COLOURS.get(text, COLOURS["white"]), dim)


def of_picture(data: str, dim: int) -> list[float]:
    with Image.open(io.BytesIO(base64.b64decode(data, validate=True))) as opened:
        assert opened.format == "JPEG" and opened.mode == "RGB"
        assert 56 <= max(opened.size) <= 512 and min(opened.size) >= 28
        return padded(np.asarray(opened, np.float32).mean(axis=(0, 1)).tolist(), dim)


def jina(body: dict[str, Any]) -> dict[str, Any]:
    """``POST /v1/embeddings``."""
    allowed = {"model", "input", "dimensions", "normalized", "embedding_type", "task"}
    assert set(body) <= allowed, set(body) - allowed
    dim = JINA_DIMS[body["model"]]
    assert body["dimensions"] == dim and body["embedding_type"] == "float"
    assert body["normalized"] is True and 1 <= len(body["input"]) <= 512
    assert ("task" in body) == (body["model"] != "jina-clip-v2")
    assert body.get("task", "retrieval.query") in TASKS
    rows = []
    for item in body["input"]:
        assert set(item) in ({"text"}, {"image"}), item
        if "task" in body:
            assert body["task"] == ("retrieval.query" if "text" in item else "retrieval.passage")
        rows.append(
            of_text(item["text"], dim) if "text" in item else of_picture(item["image"], dim)
        )
    data = [{"object": "embedding", "index": at, "embedding": row} for at, row in enumerate(rows)]
    usage = {"total_tokens": 1, "prompt_tokens": 1}
    return {"model": body["model"], "object": "list", "usage": usage, "data": data[::-1]}


def cohere(body: dict[str, Any]) -> dict[str, Any]:
    """``POST /v2/embed``."""
    given = {"model", "input_type", "embedding_types", "output_dimension", "texts", "images"}
    assert set(body) <= {*given, "truncate"}, body.keys()
    assert body["model"] == "embed-v4.0" and body["embedding_types"] == ["float"]
    assert body["output_dimension"] in (256, 512, 1024, 1536)
    dim = body["output_dimension"]
    assert ("images" in body) != ("texts" in body)
    if "images" in body:
        assert body["input_type"] == "image" and 1 <= len(body["images"]) <= 96
        start = "data:image/jpeg;base64,"
        assert all(each.startswith(start) for each in body["images"])
        rows = [of_picture(each.removeprefix(start), dim) for each in body["images"]]
    else:
        assert body["input_type"] == "search_query" and body["truncate"] == "END"
        assert 1 <= len(body["texts"]) <= 96
        rows = [of_text(each, dim) for each in body["texts"]]
    return {"id": "x", "embeddings": {"float": rows}, "response_type": "embeddings_by_type"}


PATHS = {"/v1/embeddings": jina, "/v2/embed": cohere}


class Answer(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    made: Provider

    def log_message(self, *given: Any) -> None:
        """Say nothing; the tests read what was sent."""

    def do_POST(self) -> None:
        raw, made = self.rfile.read(int(self.headers["Content-Length"])), self.made
        with made.lock:
            made.times.append(time.monotonic())
            made.now += 1
            made.under_way = max(made.under_way, made.now)
            bad = made.bad.pop(0) if made.bad else Bad()
        try:
            made.go.wait(bad.wait)
            self._answer(raw, bad)
        finally:
            with made.lock:
                made.now -= 1

    def _answer(self, raw: bytes, bad: Bad) -> None:
        if bad.status == 0:
            self.close_connection = True
            self.connection.shutdown(2)
            return
        if bad.status == 200 and bad.body is None:
            status, body = self._usual(raw)
        else:
            status, body = bad.status, bad.body or {"detail": "no", "message": "no"}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**bad.headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self._write(data, bad.drip)

    def _write(self, data: bytes, drip: float) -> None:
        try:
            for byte in [data] if not drip else [data[at : at + 1] for at in range(len(data))]:
                self.wfile.write(byte)
                time.sleep(drip)
        except OSError:
            self.close_connection = True

    def _usual(self, raw: bytes) -> tuple[int, dict[str, Any]]:
        if self.headers["Authorization"] != f"Bearer {KEY}":
            return 401, {"detail": f"no such key: {self.headers['Authorization']}"}
        try:
            assert self.headers["Content-Type"] == "application/json"
            body = json.loads(raw)
            answer = PATHS[self.path](body)
        except (AssertionError, KeyError, TypeError, ValueError) as error:
            return 422, {"detail": repr(error), "message": repr(error)}
        with self.made.lock:
            self.made.bodies.append(body)
        return 200, answer


@contextmanager
def provider() -> Iterator[Provider]:
    """Serve both interfaces until the block ends."""
    provided = Provider()

    class Handler(Answer):
        made = provided

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    provided.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield provided
    finally:
        provided.go.set()
        server.shutdown()
        thread.join()
        server.server_close()
