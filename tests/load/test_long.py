"""For long: nothing is left behind."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from retrieval.lab import Lab
from retrieval.ui.launch import SESSIONS
from tests.held import LONGEST
from tests.load.asked import answered, bird
from tests.served import BIRDS, QUIET, Served, served

pytestmark = QUIET


@pytest.mark.server
def test_a_closed_tab_leaves_nothing_behind(web: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second panel is held; the tab closes after the first; nobody waits for it."""
    held, asked, embedder = threading.Event(), threading.Event(), web.lab.embedder

    def slow(name: str) -> object:
        if name == "captions":
            asked.set()
            assert held.wait(LONGEST)
        return embedder(name)

    monkeypatch.setattr(web.lab, "embedder", slow)
    address = "?q=a+bird&k=3&panel=conse-lite2%40exact&panel=captions%40exact"
    try:
        for tab in range(20):  # more than may run together: one that is not freed is missed
            assert web.join([{"address": address}], session=f"tab {tab}").status_code == 200
            assert asked.wait(LONGEST)
            messages = web.messages(f"tab {tab}")
            assert next(messages)["msg"] in ("estimation", "process_starts")
            messages.close()  # type: ignore[attr-defined]  # a generator
            web.alive()
    finally:
        held.set()
    monkeypatch.undo()
    assert web.page_of(address).said == []


def held() -> dict[str, Any]:
    """What this process holds."""
    status = Path("/proc/self/status").read_text()
    resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return {
        "megabytes": int(resident.split()[1]) / 1024,
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "threads": threading.active_count(),
        "temporary": sorted(Path(tempfile.gettempdir()).iterdir()),
    }


def grown(before: dict[str, Any], after: dict[str, Any], megabytes: float) -> None:
    assert after["megabytes"] - before["megabytes"] < megabytes
    assert after["files"] <= before["files"] + 3  # what comes and goes
    assert after["threads"] <= before["threads"] + 3
    assert after["temporary"] == before["temporary"]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_ten_thousand_queries_leave_nothing_behind(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    lab = Lab(cache=cache)
    panels = ["ahash@exact", "ahash@faiss-binary-hnsw"]

    def ask(count: int) -> None:
        for number in range(count):
            first, second = answered(lab, panels, number % 785, 10)
            assert first.hits[0].score == second.hits[0].score == 1.0

    ask(1500)  # every picture once; what is kept on purpose is kept now
    before = held()
    ask(10_000)
    grown(before, held(), 12)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.server
def test_hundreds_of_visits_leave_nothing_behind(
    web: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Queries, refusals, pictures and uploads; Gradio's own lists are in the megabytes."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    number = web.numbers("stream")[0]

    def visit(count: int) -> None:
        for at in range(count):
            assert bird(web) == BIRDS
            assert web.stream([{"address": f"?row={at}&panel=ahash%40exact"}], number).said == []
            assert web.call("", None, None, "stamps", at).kind == "error"
            assert web.client.get(f"/thumb/stamps/{at}").status_code == 200
            web.upload("a.png", b"no picture")

    visit(SESSIONS // 3 + 1)  # three tabs each: from here on the oldest are forgotten
    before = held()
    visit(110)
    grown(before, held(), 8)
    assert len(web.page.app.state_holder.session_data) <= SESSIONS


@pytest.mark.server
def test_uploads_are_cleared_away(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gradio.route_utils import delete_files_created_by_app

    def files() -> list[Path]:
        return [each for each in tmp_path.rglob("*") if each.is_file()]

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    with served(Lab(cache=cache)) as web:
        every, age = web.page.delete_cache or (0, 0)
        assert 0 < every <= 3600 and 0 < age <= 3600
        picture = web.lab.gallery("stamps").encoded(10)
        path = web.upload("a.webp", picture, "image/webp")
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        assert web.call(None, file, ["phash@exact"], "stamps", 1).rows == [10]
        assert web.stream([{"address": "?k=1&panel=phash%40exact", "file": file}]).said == []
        delete_files_created_by_app(web.page, age)
        assert Path(path) in files()  # it is young
        delete_files_created_by_app(web.page, 0)
        assert files() == []
        gone = web.call(None, file, ["phash@exact"], "stamps", 1)
        assert "give it again" in gone.said[0] or "upload it again" in gone.said[0]
        web.upload("b.webp", picture, "image/webp")
    assert files() == []
