"""What the page serves and to whom: hostile paths, uploads, closed doors."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from retrieval.lab import Lab
from tests.held import LONGEST
from tests.served import QUIET, ROOT, Served, sentence, served

pytestmark = [pytest.mark.server, QUIET]
META = {"_type": "gradio.FileData"}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
        with served(Lab(cache=tmp_path_factory.mktemp("cache"))) as made:
            yield made


def fetched(web: Served, path: str, method: str = "GET") -> tuple[int, bytes]:
    """Ask for a path as it is: a client would tidy it."""
    address = web.client.base_url
    with socket.create_connection((address.host, address.port or 80), timeout=LONGEST) as line:
        head = f"{method} {path} HTTP/1.1\r\nHost: {address.host}\r\nConnection: close\r\n\r\n"
        line.sendall(head.encode("utf-8"))
        parts = iter(lambda: line.recv(1 << 16), b"")
        answer = b"".join(parts)
    return int(answer.split(b" ", 2)[1]), answer


UP = "..%2f" * 12
TRAVERSALS = [
    "/thumb/stamps/../../app.py",
    "/thumb/../../../../etc/passwd/0",
    "/thumb/%2e%2e/0",
    f"/thumb/{UP}etc%2fpasswd/0",
    f"/thumb/stamps/{UP}etc%2fpasswd",
    "/thumb/stamps/..%5c..%5capp.py",
    "/thumb/stamps/%00",
    "/thumb/stamps%00/1",
    "/thumb/stamps/1%00.png",
    "/thumb/stamps/%ff",
    "/thumb/%ff/1",
    "/thumb/stamps/%D9%A3",
    "/thumb/stamps/%F0%9D%9F%99",
    "/thumb/stamps/-1",
    "/thumb/stamps/+1",
    "/thumb/stamps/1e1",
    "/thumb/stamps/0x1",
    "/thumb/stamps/1_0",
    "/thumb/stamps/785",
    "/thumb/stamps/" + "9" * 5000,
    "/thumb/" + "a" * 20_000 + "/1",
    "/thumb//0",
    "/thumb/stamps/",
    "/thumb/folder/0",
    "/thumb/food101/0",
]


@pytest.mark.parametrize("path", TRAVERSALS, ids=lambda path: path[:40])
def test_only_pictures_have_thumbnails(web: Served, path: str) -> None:
    status, answer = fetched(web, path)
    assert status == 404
    assert b"RIFF" not in answer
    assert b"root:" not in answer
    assert len(answer) < 1500


SECRETS = [str(ROOT / "app.py"), "app.py", ".env", "/etc/passwd", "/proc/self/environ", "~/.netrc"]
DOORS = [
    "/gradio_api/file={}",
    "/gradio_api/file%3D{}",
    "/gradio_api/file/{}",
    "/gradio_api/file//{}",
    "/gradio_api//file={}",
    "//gradio_api/file={}",
    "/GRADIO_API/file={}",
    "/file={}",
    "/file/{}",
    "/gradio_api/file=x/../{}",
    "/gradio_api/stream/{}",
    f"/gradio_api/file={UP}{{}}",
    f"/static/{UP}{{}}",
    f"/assets/{UP}{{}}",
    f"/svelte/{UP}{{}}",
    "/static/{}",
    "/assets/{}",
    "/gradio_api/custom_component/1/client/component/{}",
    f"/gradio_api/custom_component/x/server/component/{UP}{{}}",
]


@pytest.mark.parametrize("door", DOORS)
def test_no_file_is_served(web: Served, door: str) -> None:
    (web.lab.cache / "secret.txt").write_text("root:secret")
    for name in (*SECRETS, str(web.lab.cache / "secret.txt")):
        for path in {door.format(name), door.format(quote(name, safe=""))}:
            for method in ("GET", "HEAD", "POST"):
                status, answer = fetched(web, path, method)
                assert status in (403, 404, 405, 422), (method, path)
                assert b"root:" not in answer
                assert b"argparse" not in answer
                assert b"PATH=" not in answer


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("a.html", b"<script>alert('page')</script>", "text/html"),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "image/svg+xml"),
        ("../../a.js", b"alert('script')", "text/javascript"),
        ("a.png", b"\x89PNG\r\n\x1a\n<script>alert('picture')</script>", "image/png"),
    ],
)
def test_uploads_are_shown_to_nobody(web: Served, name: str, data: bytes, kind: str) -> None:
    """Not to who sent them, and not to another who knows the name."""
    path = web.upload(name, data, kind)
    folder = Path(path)
    assert folder.is_file()
    for door in DOORS:
        status, answer = fetched(web, door.format(path))
        assert status in (403, 404)
        assert b"alert(" not in answer
    asked = web.call(None, {"path": path, "meta": META}, ["phash@exact"], "stamps", 1)
    assert "save it" in sentence(asked.said[0])
    web.alive()


@pytest.mark.parametrize(
    "path",
    ["", ".", "..", "/", "/etc/passwd", "app.py", str(ROOT / "app.py"), "a\0b", "~", "/dev/zero",
     "/proc/self/environ", "a" * 5000, "\udfff", "UPLOADS", "UPLOADS/../..", "UPLOADS/none.png"],
)  # fmt: skip
def test_only_uploads_are_read_as_pictures(web: Served, path: str) -> None:
    """Nothing else of the host, and no refusal says where its folders are."""
    sent = Path(web.upload("a.png", b"nothing"))
    path = path.replace("UPLOADS", str(sent.parent))
    for file in ({"path": path, "meta": META}, {"path": path}):
        asked: list[Any] = [None, file, ["phash@exact"], "stamps", 1]
        for answer in (web.call(*asked), web.stream([{"address": "?row=1", "file": file}])):
            assert answer.kind == "error"
            assert str(sent.parent) not in sentence(answer.said[0])
    web.alive()


@pytest.mark.parametrize(
    "path",
    ["/monitoring", "/monitoring/summary", "/monitoring/x", "/gradio_api/monitoring",
     "/runs", "/gradio_api/runs", "/gradio_api/run-history/buckets",
     "/gradio_api/run-history/records", "/gradio_api/profiling/traces", "/gradio_api/vibe-code",
     "/gradio_api/vibe-code/", "/gradio_api/vibe-edit", "/gradio_api/vibe-starter-queries",
     "/gradio_api/undo-vibe-edit/", "/gradio_api/process_recording",
     "/gradio_api/run-history/connect", "/gradio_api/deep_link?session_hash=x",
     "/gradio_api/proxy=http://127.0.0.1/", "/gradio_api/proxy=https://huggingface.co/",
     "/gradio_api/proxy%3Dhttp://127.0.0.1/", "/proxy=http://127.0.0.1/",
     "/gradio_api/file=http://127.0.0.1/", "/gradio_api/file=https://huggingface.co/x.png",
     "/login", "/docs", "/redoc", "/gradio_api/component_server", "/gradio_api/component_server/"],
)  # fmt: skip
def test_what_the_page_does_not_need_is_closed(web: Served, path: str) -> None:
    for method in ("GET", "HEAD", "POST"):
        assert fetched(web, path, method)[0] in (400, 403, 404, 405, 422), method
    assert fetched(web, path)[0] != 200


def test_nothing_is_counted_or_kept(web: Served) -> None:
    config = web.client.get("/config").json()
    assert config["analytics_enabled"] is False
    assert config["run_history"] is False
    assert config["dev_mode"] is False
    assert config["vibe_mode"] is False
    assert config["pwa"] is False
    assert web.page.share is False
    assert web.page.enable_monitoring is False
    for each in config["dependencies"]:
        shown = each["api_name"] == "compare_search"
        assert each["api_visibility"] == ("public" if shown else "private")
    assert list(web.client.get("/gradio_api/info").json()["named_endpoints"]) == ["/compare_search"]
