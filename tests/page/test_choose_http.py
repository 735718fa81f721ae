"""The tab Choose over HTTP: what it refuses, what it measures, what it gives."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from urllib.parse import urlencode

import httpx
import pytest

from retrieval.advisor import evidence
from retrieval.measure import drawn, scale
from retrieval.ui import launch, turn
from tests.bare import unmeasured
from tests.held import LONGEST, held, leaving
from tests.page.test_tabs_http import few, refusal, sent
from tests.served import QUIET, Served, sentence

pytestmark = [pytest.mark.server, QUIET]
DRAW, MEASURE = "/tab/choose", "/tab/choose/measure"
STAMPS = {"gallery": "stamps", "reads": "image"}


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scale, "SIZES", (200, 500, 785))
        patch.setattr(drawn, "NEARS", (8,))
        patch.setattr(drawn, "STEPS", (0.8,))
        lab = unmeasured(tmp_path_factory.mktemp("cache"), public=True)
        page = launch.start(few(lab), "127.0.0.1", quiet=True)
        try:
            with httpx.Client(base_url=str(page.local_url), timeout=60) as client:
                yield Served(lab, page, client)
        finally:
            page.close()


@pytest.mark.parametrize("path", [DRAW, MEASURE])
@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"now": 0}, "now (pictures) is 0; it must be from 1 to 1,000,000,000,000"),
        ({"later": 10**15}, "must be from 1 to 1,000,000,000,000"),
        ({"now": float("nan")}, "now (pictures) is nan"),
        ({"now": "many"}, "must be a number"),
        ({"now": {"a": 1}}, "must be a number"),
        ({"reads": "smell"}, "it must be one of text, image, both"),
        ({"database": "<script>alert(1)</script>"}, "it must be one of none, postgres"),
        ({"runs": 5}, "it must be one of cpu"),
        ({"ms": -1}, "ms is -1"),
        ({"memory": float("inf")}, "memory (GB) is inf"),
        ({"gallery": "/etc"}, "no gallery is called '/etc'"),
        ({"gallery": 5}, "gallery must be a text"),
    ],
)
def test_nonsense_is_one_sentence(
    public: Served, path: str, more: dict[str, object], why: str
) -> None:
    assert why in refusal(public, path, {**STAMPS, **more})


@pytest.mark.parametrize("path", [DRAW, MEASURE])
@pytest.mark.parametrize("body", ["{", "[]", "null", "x" * 17_000])
def test_what_is_no_object_is_one_sentence(public: Served, path: str, body: str) -> None:
    refusal(public, path, body)


@pytest.mark.parametrize(
    ("seconds", "why"),
    [(60, "measures 10 at a time"), (0, "seconds is 0"), ("10", "must be a number")],
)
def test_a_public_lab_measures_in_slices(public: Served, seconds: object, why: str) -> None:
    assert why in refusal(public, MEASURE, {**STAMPS, "seconds": seconds})


def test_one_measures_at_a_time(public: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "PATIENCE", 0.0)
    with turn.turn():
        assert "something else is being measured here" in refusal(public, MEASURE, STAMPS)


@pytest.mark.parametrize("name", ["none", "..%2f..%2fapp.py", "%00", "0" * 12])
def test_a_receipt_that_is_not_there_is_one_sentence(public: Served, name: str) -> None:
    got = public.client.get(f"/tab/choose/receipt/{name}")
    assert got.status_code in (400, 404)
    if got.status_code == 400:
        assert "no measurement has this receipt" in sentence(got.json()["problem"])


def test_the_answers_that_were_given_are_in_the_form(public: Served) -> None:
    body = {**STAMPS, "later": 2_000_000, "filters": "yes", "width": 390}
    _, lines = sent(public, DRAW, body)
    head = lines[0]["head"]
    assert 'name="reads" value="image" checked' in head
    assert 'name="filters" value="yes" checked' in head
    assert 'value="2000000"' in head
    assert "<details" in head
    assert "<details" not in sent(public, DRAW, {**body, "width": 1440})[1][0]["head"]


def test_a_measuring_streams_is_kept_and_has_a_receipt(public: Served) -> None:
    said, body = "", {**STAMPS, "runs": "space"}
    while "All is measured" not in said:  # slices go on where the one before has ended
        status, lines = sent(public, MEASURE, {**body, "seconds": 10})
        assert status == 200
        assert "problem" not in lines[-1], lines[-1]
        said = lines[-1]["say"]
    _, drawn_ = sent(public, DRAW, body)
    assert "size by size" in drawn_[0]["more"]
    names = re.findall(r"tab/choose/receipt/([0-9a-f]{12})", drawn_[0]["plot"])
    assert names
    for name in set(names):
        receipt = public.client.get(f"/tab/choose/receipt/{name}").json()
        assert receipt["key"]["gallery"] == "stamps"
        assert {"machine", "versions", "measured", "at"} <= set(receipt)
    assert "R@10" in drawn_[0]["plot"]
    assert "Exact search stays below 20 ms up to" in drawn_[0]["plot"]


def test_who_goes_away_leaves_the_turn_free(public: Served) -> None:
    body = {**STAMPS, "gallery": "clipart", "seconds": 10}
    with held(evidence, "rated") as rated, held(scale.Running) as steps, leaving() as left:
        with public.client.stream("POST", MEASURE, json=body) as lines:
            next(lines.iter_lines())
        assert left.wait(LONGEST)  # and not only when its ten seconds are over
        begun = rated.begun + steps.begun
    with turn.turn():
        assert rated.begun + steps.begun <= begun + 1
        assert sent(public, DRAW, STAMPS)[0] == 200


def test_panels_that_open_can_be_opened(public: Served) -> None:
    _, lines = sent(public, DRAW, {**STAMPS, "runs": "space"})
    opened = re.findall(r'class="primary" data-open="(\[.*?\])"', lines[0]["plot"])
    assert len(opened) == 1
    panels = json.loads(html.unescape(opened[0]))
    assert 2 <= len(panels) <= 4
    pairs = [("gallery", "stamps"), ("row", "0"), *(("panel", panel) for panel in panels)]
    page = public.page_of(f"?{urlencode(pairs)}")
    assert page.kind == "complete"
    assert page.said == []
