"""Many at once, for long, and processes that die: what is answered stays right."""

from __future__ import annotations

import random
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.types import Result
from retrieval.ui.launch import SESSIONS, WAITING
from retrieval.ui.page import TOGETHER
from tests.served import BIRDS, QUIET, Served, served

pytestmark = QUIET
USERS = 30
PANELS = [
    *(f"conse-lite2@{index}" for index in ("exact", "faiss-flat", "faiss-hnsw?efSearch=8")),
    *(f"captions@{index}" for index in ("exact", "faiss-ivf?nprobe=2", "faiss-hnsw-sq8")),
    *(f"efficientnet-lite0@{index}" for index in ("exact", "faiss-hnsw", "faiss-ivfpq?nprobe=4")),
    *(f"phash@{index}" for index in ("exact", "faiss-binary-hnsw?efSearch=4")),
    *(f"conse-lite2@faiss-hnsw?efSearch={width}" for width in (1, 64)),
]
Found = dict[tuple[str, int], list[tuple[int, float]]]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def web(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
        with served(Lab(cache=cache)) as made:
            yield made


def answered(lab: Lab, panels: list[str], row: int, k: int = 10) -> list[Result]:
    results = lab.compare("stamps", [Panel.parse(each) for each in panels], Query(row=row), k)
    return sorted(results, key=lambda result: result.position)


def found(result: Result) -> list[tuple[int, float]]:
    assert result.problem == ""
    return [(hit.row, hit.score) for hit in result.hits]


@pytest.fixture(scope="module")
def alone(cache: Path) -> Found:
    """What each panel finds when nobody else asks."""
    lab = Lab(cache=cache)
    return {
        (panel, row): found(answered(lab, [panel], row)[0]) for panel in PANELS for row in (3, 200)
    }


def same(one: list[tuple[int, float]], other: list[tuple[int, float]]) -> bool:
    rows, scores = zip(*one, strict=True)
    again, values = zip(*other, strict=True)
    return rows == again and np.allclose(scores, values, atol=1e-5)


# --- many at once --------------------------------------------------------------------------------


def test_thirty_users_switching_panels_get_what_one_gets(alone: Found, cache: Path) -> None:
    """On a lab that has nothing loaded yet, all starting at one moment."""
    lab, start = Lab(cache=cache), threading.Barrier(USERS)

    def user(number: int) -> list[str]:
        choice, wrong = random.Random(number), []
        start.wait(20)
        for _ in range(6):
            row, panels = choice.choice((3, 200)), choice.sample(PANELS, choice.randint(1, 4))
            for panel, result in zip(panels, answered(lab, panels, row), strict=True):
                if not same(found(result), alone[panel, row]):
                    wrong.append(f"{panel} {row}")
        return wrong

    with ThreadPoolExecutor(USERS) as pool:
        assert [each for wrong in pool.map(user, range(USERS)) for each in wrong] == []


@pytest.mark.server
def test_thirty_users_over_http_get_what_one_gets(
    web: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though Gradio forgets nearly all of their tabs while they ask."""
    monkeypatch.setattr(web.page.app.state_holder, "capacity", 8)
    texts = ["a bird", "sports car", "red fruit"]
    panels = [each for each in PANELS if not each.startswith(("phash", "efficientnet"))]
    wanted = {
        (text, panel): web.call(text, None, [panel], "stamps", 5).rows
        for text in texts
        for panel in panels
    }

    def user(number: int) -> list[str]:
        choice, wrong = random.Random(number), []
        for _ in range(3):
            text, asked = choice.choice(texts), choice.sample(panels, 2)
            answer = web.call(text, None, asked, "stamps", 5).panels
            for panel, one in zip(asked, answer, strict=True):
                if [hit["row"] for hit in one["hits"]] != wanted[text, panel]:
                    wrong.append(f"{text} {panel}: {one}")
        return wrong

    with ThreadPoolExecutor(USERS) as pool:
        assert [each for wrong in pool.map(user, range(USERS)) for each in wrong] == []


class Gate:
    """Holds the lab's answers until it is opened.

    Attributes:
        inside: counts those that are held.
    """

    def __init__(self, web: Served, patch: pytest.MonkeyPatch) -> None:
        self.inside = threading.Semaphore(0)
        self.open = threading.Event()
        self._compare = web.lab.compare
        patch.setattr(web.lab, "compare", self._held)

    def _held(self, *asked: Any) -> Iterator[Result]:
        self.inside.release()
        assert self.open.wait(60)
        return self._compare(*asked)


@pytest.fixture
def gate(web: Served, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    made = Gate(web, monkeypatch)
    yield made
    made.open.set()


def bird(web: Served) -> list[int]:
    return web.call("a bird", None, ["conse-lite2@exact"], "stamps", 3).rows


@pytest.mark.server
def test_a_slow_query_holds_up_no_other(web: Served, gate: Gate) -> None:
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(bird, web) for _ in range(4)]
        for _ in range(4):  # all four are under way while none has answered
            assert gate.inside.acquire(timeout=20)
        gate.open.set()
        assert [each.result(60) for each in asked] == [BIRDS] * 4


@pytest.mark.server
def test_a_full_queue_says_so_at_once(web: Served, gate: Gate) -> None:
    number = web.numbers("stream")[0]
    asked = [{"address": "?q=a+bird&k=3&panel=conse-lite2%40exact"}]
    for place in range(TOGETHER):
        assert web.join(asked, number, f"held {place}").status_code == 200
        assert gate.inside.acquire(timeout=20)
    for place in range(WAITING):
        assert web.join(asked, number, f"waits {place}").status_code == 200
    for refused in (
        web.join(asked, number),
        web.join([None] * 5, web.numbers("compare_search")[0]),
    ):
        assert refused.status_code == 503
        assert "Queue is full" in refused.json()["detail"]
    assert web.client.get("/thumb/stamps/1").status_code == 200
    gate.open.set()
    for session in ("held 0", f"waits {WAITING - 1}"):
        told = [each for each in web.messages(session) if each["msg"] == "process_completed"]
        assert told[0]["success"]
        assert f"thumb/stamps/{BIRDS[0]}" in told[0]["output"]["data"][1]
    web.alive()


@pytest.mark.server
def test_a_closed_tab_leaves_nothing_behind(web: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second panel is held; the tab closes after the first; nobody waits for it."""
    held, asked, embedder = threading.Event(), threading.Event(), web.lab.embedder

    def slow(name: str) -> object:
        if name == "captions":
            asked.set()
            assert held.wait(20)
        return embedder(name)

    monkeypatch.setattr(web.lab, "embedder", slow)
    address = "?q=a+bird&k=3&panel=conse-lite2%40exact&panel=captions%40exact"
    try:
        for tab in range(20):  # more than may run together: one that is not freed is missed
            assert web.join([{"address": address}], session=f"tab {tab}").status_code == 200
            assert asked.wait(20)
            messages = web.messages(f"tab {tab}")
            assert next(messages)["msg"] in ("estimation", "process_starts")
            messages.close()  # type: ignore[attr-defined]  # a generator
            web.alive()
    finally:
        held.set()
    monkeypatch.undo()
    assert web.page_of(address).said == []


# --- for long ------------------------------------------------------------------------------------


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
