"""An HTTP server on loopback with moods: in order, refusing, slow, cutting its answers, gone."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, Any]


LONGEST = 240.0
"""Seconds for which a slow server holds an answer, unless its mood changes."""


def slowly(server: Any) -> None:
    """Hold an answer as long as a server is slow."""
    end = time.monotonic() + LONGEST
    while server.mood == "slow" and time.monotonic() < end:
        time.sleep(0.02)


class Fake:
    """A server that keeps what it holds when it is stopped and started again.

    A subclass answers with ``answer``.

    Attributes:
        mood: an HTTP status, ``slow``, ``drip``, ``cut``, or empty for in order.
        key: what must be sent to be answered; empty for nothing.
        header: where that is sent.
        asked: methods and paths, in order.
    """

    header = "api-key"

    def __init__(self) -> None:
        self.mood: int | str = ""
        self.key = ""
        self.asked: list[str] = []
        self.turn = threading.RLock()
        self.port = 0
        self.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        handler = type("Handler", (Handler,), {"fake": self})
        self._server = Server(("127.0.0.1", self.port), handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._server.hang_up()

    def answer(self, method: str, path: list[str], query: dict[str, Any], body: Any) -> Answer:
        raise NotImplementedError

    def refused(self, status: int) -> Any:
        """The body beside a status that is no success."""
        return {"message": f"mood {status}"}


class Server(ThreadingHTTPServer):
    """Ends its connections too when it is stopped, as a killed process does."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *args: Any) -> None:
        self.sockets: set[Any] = set()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.sockets.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.sockets.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who was cut off needs no report."""

    def hang_up(self) -> None:
        for each in list(self.sockets):
            try:
                each.shutdown(2)
            except OSError:
                pass


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    fake: Fake

    def _go(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        place = urlsplit(self.path)
        self.fake.asked.append(f"{self.command} {place.path}")
        status, told = self._told(place.path, parse_qs(place.query), json.loads(body or b"null"))
        self._send(status, json.dumps(told).encode() if status != 204 else b"")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _go

    def _told(self, path: str, query: dict[str, Any], body: Any) -> Answer:
        fake = self.fake
        if fake.key and self.headers.get(fake.header, "").removeprefix("Bearer ") != fake.key:
            return 401, fake.refused(401)
        slowly(fake)
        if isinstance(fake.mood, int):
            return fake.mood, fake.refused(fake.mood)
        with fake.turn:
            return fake.answer(self.command, path.strip("/").split("/"), query, body)

    def _send(self, status: int, told: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(told)))
        if status == 429:
            self.send_header("retry-after", "7")
        self.end_headers()
        if self.fake.mood == "cut":
            self.wfile.write(told[: len(told) // 2])
            self.close_connection = True
            return
        for part in [told] if self.fake.mood != "drip" else [bytes([each]) for each in told]:
            self.wfile.write(part)
            if self.fake.mood == "drip":
                self.wfile.flush()
                time.sleep(0.2)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr."""
