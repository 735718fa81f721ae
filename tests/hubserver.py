"""A hub of our own on loopback: as much of the Hugging Face hub as its real client needs."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.held import LONGEST
from tests.hubtold import digest, info, paths, tree

CODES = {401: "RepoNotFound", 403: "GatedRepo", 404: "RepoNotFound"}


@dataclass
class Repo:
    """One repository: files by path, by commit; ``head`` is what ``main`` means."""

    commits: dict[str, dict[str, bytes]]
    head: str

    def sha(self, revision: str) -> str | None:
        return self.head if revision == "main" else revision if revision in self.commits else None


@dataclass
class Trouble:
    """What the server does wrong while this is set."""

    status: int = 0
    only: str = ""
    """Where the status applies: a part of the path; everywhere when empty."""
    refusals: int = -1
    """How often the status is given; without end when negative."""
    retry_after: int = 0
    cut: dict[str, int] = field(default_factory=dict)
    """Path -> bytes after which one download of it is cut, once."""
    corrupt: set[str] = field(default_factory=set)
    """Paths whose bytes are changed on the way, at the same length."""
    wrong_commit: str = ""
    """Named as the commit that was served."""
    redirect: bool = False
    """Files are served by a 302 to another path, as a content network would."""
    whole: bool = False
    """Nobody is given a part of a file: a Range header is ignored."""
    xet: bool = False
    """Files are said to be in the hub's other storage too, as most of its large ones are."""
    stall: dict[str, int] = field(default_factory=dict)
    """Path -> bytes after which one download of it waits for ``go_on``, once."""
    go_on: threading.Event = field(default_factory=threading.Event)
    until: threading.Event | None = None
    """Nothing is answered before it is set."""


class HubServer:
    """Answers on 127.0.0.1; ``log`` holds ``METHOD path`` of every request."""

    def __init__(self) -> None:
        self.repos: dict[tuple[str, str], Repo] = {}
        self.trouble = Trouble()
        self.log: list[str] = []
        self.sent: dict[str, int] = {}
        """Bytes of each file that were written to a socket."""
        self.tokens: dict[str, str] = {}
        """Path -> the right that was shown when it was asked for."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def add(self, kind: str, name: str, sha: str, files: dict[str, bytes]) -> None:
        """Put a commit into ``models`` or ``datasets``; the newest is the head."""
        repo = self.repos.setdefault((kind, name), Repo({}, sha))
        repo.commits[sha] = files
        repo.head = sha

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(Answer):
            server_of = hub

        return Handler


class Answer(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server_of: HubServer

    def do_HEAD(self) -> None:
        self._route()

    def do_GET(self) -> None:
        self._route()

    def do_POST(self) -> None:
        self._route()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing; the tests read ``HubServer.log``."""

    def _route(self) -> None:
        hub, trouble = self.server_of, self.server_of.trouble
        if trouble.until is not None:
            trouble.until.wait(LONGEST)
        path = unquote(urlsplit(self.path).path)
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        hub.log.append(f"{self.command} {path}")
        if "Authorization" in self.headers:
            hub.tokens[path] = self.headers["Authorization"]
        if trouble.status and trouble.only in path and trouble.refusals:
            trouble.refusals -= 1
            self._refuse(trouble.status, CODES.get(trouble.status, ""))
        elif path.startswith("/api/"):
            self._api(path.removeprefix("/api/").split("/"))
        elif path.startswith("/cdn/"):
            self._cdn(path.removeprefix("/cdn/"))
        else:
            self._resolve(path.strip("/").split("/"))

    def _api(self, parts: list[str]) -> None:
        kind, name, rest = parts[0], "/".join(parts[1:3]), parts[3:]
        repo = self.server_of.repos.get((kind, name))
        if repo is None:
            return self._refuse(404, "RepoNotFound")
        revision = rest[1] if len(rest) > 1 else "main"
        sha = repo.sha(revision)
        if sha is None:
            return self._refuse(404, "RevisionNotFound")
        verb = rest[0] if rest else "revision"
        if verb == "revision":
            return self._json(info(name, sha, repo.commits[sha], self._query("blobs")))
        if verb == "tree":
            return self._json(tree(repo.commits[sha], "/".join(rest[2:]), self._query("recursive")))
        if verb == "paths-info":
            wanted = parse_qs(self.body.decode()).get("paths", [])
            if not wanted and self.body.startswith(b"{"):
                wanted = json.loads(self.body)["paths"]
            return self._json(paths(repo.commits[sha], wanted))
        return self._refuse(404, "EntryNotFound")

    def _resolve(self, parts: list[str]) -> None:
        kind = "datasets" if parts[0] == "datasets" else "models"
        parts = parts[1:] if kind == "datasets" else parts
        repo = self.server_of.repos.get((kind, "/".join(parts[:2])))
        if repo is None or len(parts) < 5 or parts[2] != "resolve":
            return self._refuse(404, "RepoNotFound")
        sha, path = repo.sha(parts[3]), "/".join(parts[4:])
        if sha is None:
            return self._refuse(404, "RevisionNotFound")
        if path not in repo.commits[sha]:
            return self._refuse(404, "EntryNotFound", sha)
        self._file(kind, "/".join(parts[:2]), sha, path, repo.commits[sha][path])

    def _cdn(self, key: str) -> None:
        kind, one, two, sha, path = key.split("/", 4)
        content = self.server_of.repos[kind, f"{one}/{two}"].commits[sha][path]
        self._bytes(path, content, {})

    def _file(self, kind: str, name: str, sha: str, path: str, content: bytes) -> None:
        trouble = self.server_of.trouble
        headers = {
            "X-Repo-Commit": trouble.wrong_commit or sha,
            "X-Linked-Size": str(len(content)),
            "X-Linked-Etag": f'"{digest(content)}"',
            "ETag": f'"{digest(content)}"',
        }
        if trouble.xet:
            headers["X-Xet-Hash"] = digest(content)
            headers["X-Xet-Refresh-Route"] = f"{self.server_of.url}/api/xet"
        if not trouble.redirect:
            return self._bytes(path, content, headers)
        self.send_response(302)
        # Another host: the client follows a redirect to the same one before it reads the headers.
        other = self.server_of.url.replace("127.0.0.1", "localhost")
        where = f"{other}/cdn/{kind}/{name}/{sha}/{path}"
        for key, value in {**headers, "Location": where, "Content-Length": "0"}.items():
            self.send_header(key, value)
        self.end_headers()

    def _bytes(self, path: str, content: bytes, headers: dict[str, str]) -> None:
        trouble, whole = self.server_of.trouble, len(content)
        if path in trouble.corrupt:
            content = content[:-8] + bytes(255 - byte for byte in content[-8:])
        asked = "" if trouble.whole else self.headers.get("Range")
        start, stop = span(asked, whole)
        self.send_response(206 if asked else 200)
        headers = {**headers, "Accept-Ranges": "bytes", "Content-Length": str(stop - start)}
        if asked:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{whole}"
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        body = content[start:stop]
        cut = trouble.cut.pop(path, None)
        if cut is not None:
            body, self.close_connection = body[:cut], True
        self._send(path, body[: trouble.stall.get(path)])
        if path in trouble.stall:
            rest = body[trouble.stall.pop(path) :]
            trouble.go_on.wait(LONGEST)
            self._send(path, rest)

    def _send(self, path: str, body: bytes) -> None:
        try:
            self.wfile.write(body)
        except ConnectionError:  # whoever asked is gone
            self.close_connection = True
        else:
            self.server_of.sent[path] = self.server_of.sent.get(path, 0) + len(body)

    def _query(self, name: str) -> bool:
        return parse_qs(urlsplit(self.path).query).get(name, ["false"])[0].lower() == "true"

    def _json(self, value: object) -> None:
        self._whole(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _refuse(self, status: int, code: str, sha: str = "") -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": f"refused with {status}"}
        if self.server_of.trouble.retry_after:
            headers["Retry-After"] = str(self.server_of.trouble.retry_after)
        if sha:
            headers["X-Repo-Commit"] = sha
        self._whole(status, json.dumps({"error": f"refused with {status}"}).encode(), headers)

    def _whole(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def span(header: str | None, whole: int) -> tuple[int, int]:
    """The bytes that a Range header asks for."""
    if not header:
        return 0, whole
    first, _, last = header.removeprefix("bytes=").partition("-")
    return int(first), min(int(last) + 1, whole) if last else whole
