"""Many at once: what is answered stays right."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval.lab import Lab
from retrieval.types import Result
from retrieval.ui.launch import WAITING
from retrieval.ui.page import TOGETHER
from tests.held import LONGEST
from tests.load.asked import PANELS, answered, bird, found
from tests.served import BIRDS, QUIET, Served

pytestmark = QUIET
USERS = 30
Found = dict[tuple[str, int], list[tuple[int, float]]]


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


def test_thirty_users_switching_panels_get_what_one_gets(alone: Found, cache: Path) -> None:
    """On a lab that has nothing loaded yet, all starting at one moment."""
    lab, start = Lab(cache=cache), threading.Barrier(USERS)

    def user(number: int) -> list[str]:
        choice, wrong = random.Random(number), []
        start.wait(LONGEST)
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
        assert self.open.wait(LONGEST)
        return self._compare(*asked)


@pytest.fixture
def gate(web: Served, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    made = Gate(web, monkeypatch)
    yield made
    made.open.set()


@pytest.mark.server
def test_a_slow_query_holds_up_no_other(web: Served, gate: Gate) -> None:
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(bird, web) for _ in range(4)]
        for _ in range(4):  # all four are under way while none has answered
            assert gate.inside.acquire(timeout=LONGEST)
        gate.open.set()
        assert [each.result(60) for each in asked] == [BIRDS] * 4


@pytest.mark.server
def test_a_full_queue_says_so_at_once(web: Served, gate: Gate) -> None:
    number = web.numbers("stream")[0]
    asked = [{"address": "?q=a+bird&k=3&panel=conse-lite2%40exact"}]
    for place in range(TOGETHER):
        assert web.join(asked, number, f"held {place}").status_code == 200
        assert gate.inside.acquire(timeout=LONGEST)
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
