"""The tabs' routes, asked without a browser: what a public lab refuses, and what is given."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from retrieval import manifest
from retrieval.embedders import EMBEDDERS
from retrieval.indexes import INDEXES
from retrieval.lab import Lab
from retrieval.measure.receipts import differences, read, replay
from retrieval.measure.rounds import Running
from retrieval.ui import launch, turn
from retrieval.ui.answers import Answers
from retrieval.ui.menu import Menu
from tests.bare import unmeasured
from tests.held import LONGEST, held, leaving
from tests.served import QUIET, Served, sentence

pytestmark = [pytest.mark.server, QUIET]
FEW = ("exact", "faiss-hnsw", "faiss-ivf")
QUICK = (
    "captions",
    "conse-lite0",
    "conse-lite2",
    "efficientnet-lite0",
    "efficientnet-lite2",
    "phash",
)
"""Asked with pictures of the gallery, none of them needs its network."""
DRAWN = ("/tab/tradeoffs", "/tab/scale", "/tab/quality")
EVERY = (*DRAWN, *(f"{path}/measure" for path in DRAWN))
JSON = {"content-type": "application/json"}
PICTURES = {"gallery": "stamps", "embedder": "efficientnet-lite2", "queries": "picture"}


def few(lab: Lab) -> Answers:
    """The page's answers with a few plug-ins, so that measuring is quick."""
    embedders = [EMBEDDERS.spec(name) for name in QUICK]
    return Answers(lab, Menu(lab, embedders, [INDEXES.spec(name) for name in FEW]))


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    lab = unmeasured(tmp_path_factory.mktemp("cache"), public=True)
    page = launch.start(few(lab), "127.0.0.1", quiet=True)
    try:
        with httpx.Client(base_url=str(page.local_url), timeout=60) as client:
            yield Served(lab, page, client)
    finally:
        page.close()


def sent(public: Served, path: str, body: object) -> tuple[int, list[dict[str, Any]]]:
    """The status and each line of what came back."""
    text = body if isinstance(body, str) else json.dumps(body)
    got = public.client.post(path, content=text, headers=JSON)
    return got.status_code, [json.loads(line) for line in got.text.splitlines()]


def refusal(public: Served, path: str, body: object) -> str:
    _, lines = sent(public, path, body)
    assert [*lines[-1]] == ["problem"], lines[-1]
    return sentence(lines[-1]["problem"])


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", EVERY)
@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("{", "no JSON"),
        ("[" * 9_000, "no JSON"),
        ("9" * 15_000, "no JSON"),
        ("x" * 17_000, "16,000 bytes at most"),
        ([], "JSON object"),
        ("null", "JSON object"),
        ({"gallery": 5}, "gallery must be a text"),
        ({"gallery": "/etc"}, "no gallery is called '/etc'"),
        ({"gallery": "folder"}, "no gallery is called 'folder'"),
    ],
)
def test_nonsense_is_one_sentence(public: Served, path: str, body: object, why: str) -> None:
    assert why in refusal(public, path, body)


@pytest.mark.parametrize("path", [each for each in EVERY if "tradeoffs" in each])
@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"embedder": "/etc/passwd"}, "a public lab loads none"),
        ({"embedder": "hf-hub:timm/ViT-B-16-SigLIP"}, "a public lab loads none"),
        ({"embedder": ["conse-lite2"]}, "embedder must be a text"),
        ({"queries": 5}, "queries must be a text"),
        ({"target": "0.95"}, "target must be a number"),
        ({"target": 1.5}, "target is 1.5; it must be from 0 to 1"),
        ({"width": -1}, "width is -1"),
        ({"width": "wide"}, "width must be a number"),
    ],
)
def test_what_the_tradeoffs_refuse(
    public: Served, path: str, more: dict[str, object], why: str
) -> None:
    assert why in refusal(public, path, {**PICTURES, **more})


@pytest.mark.parametrize("path", [each for each in EVERY if "quality" in each])
@pytest.mark.parametrize(
    ("panels", "why"),
    [
        ("conse-lite2@exact", "panels must be a list"),
        (["conse-lite2@exact"] * 5, "at most 4"),
        ([5], "panels must be a list"),
        (["nonsense"], "EMBEDDER@INDEX"),
        (["../../data@exact"], "a public lab loads none"),
        (["conse-lite2@IVF64,Flat"], "no index is called"),
    ],
)
def test_what_the_quality_refuses(public: Served, path: str, panels: object, why: str) -> None:
    assert why in refusal(public, path, {"gallery": "stamps", "panels": panels})


@pytest.mark.parametrize("path", [each for each in EVERY if "measure" in each])
@pytest.mark.parametrize(
    ("seconds", "why"),
    [
        (60, "60 seconds are asked; a public lab measures 10 at a time"),
        (3601, "seconds is 3601; it must be from 1 to 3600"),
        (0, "seconds is 0; it must be from 1 to 3600"),
        (-1, "seconds is -1"),
        ("10", "seconds must be a number"),
        (True, "seconds must be a number"),
    ],
)
def test_a_public_lab_measures_in_slices(
    public: Served, path: str, seconds: object, why: str
) -> None:
    assert why in refusal(public, path, {**PICTURES, "seconds": seconds})


@pytest.mark.parametrize("path", [each for each in EVERY if "measure" in each])
def test_a_public_lab_measures_one_at_a_time(
    public: Served, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn, "PATIENCE", 0.0)
    with turn.turn():
        assert "something else is being measured here" in refusal(public, path, PICTURES)


@pytest.mark.parametrize("path", EVERY)
def test_another_site_cannot_send_a_form(public: Served, path: str) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        got = public.client.post(path, content="{}", headers={"content-type": kind})
        assert got.status_code == 400
        assert "application/json" in sentence(got.json()["problem"])


def test_a_public_lab_builds_nothing_for_the_quality(public: Served) -> None:
    panels = ["efficientnet-lite2@faiss-hnsw?M=8"]
    body = {"gallery": "stamps", "panels": panels, "seconds": 10}
    _, lines = sent(public, "/tab/quality/measure", body)
    shown = [line["table"] for line in lines if "table" in line]
    assert "M would build another index and a public lab builds none" in shown[-1]
    keys = [manifest.read(folder)["key"] for folder in public.lab.store.folders()]
    assert 8 not in [key["knobs"].get("M") for key in keys if "knobs" in key]


@pytest.mark.parametrize("name", ["xml", "csv%00", "..%2f..%2fapp.py"])
def test_other_files_are_not_given(public: Served, name: str) -> None:
    got = public.client.get(f"/tab/tradeoffs.{name}", params={"gallery": "stamps"})
    assert got.status_code in (400, 404)
    assert "import" not in got.text


@pytest.mark.parametrize("name", ["none", "..%2f..%2fapp.py", "%00", "x" * 5000])
def test_a_receipt_that_is_not_there_is_one_sentence(public: Served, name: str) -> None:
    got = public.client.get(f"/receipt/{name}")
    assert got.status_code in (400, 404)
    if got.status_code == 400:
        assert "no longer kept; search again" in sentence(got.json()["problem"])


# --- what is given --------------------------------------------------------------------------------


def test_a_measuring_streams_and_stays(public: Served) -> None:
    said, lines = "", list[dict[str, Any]]()
    while "settings measured and kept; none is left" not in said:  # one slice, or more
        status, lines = sent(public, "/tab/tradeoffs/measure", {**PICTURES, "seconds": 10})
        assert status == 200
        said = lines[-1]["say"]
    assert {"plot", "table", "more"} <= set(lines[-1])
    _, drawn = sent(public, "/tab/tradeoffs", PICTURES)
    assert "Measured on" in drawn[0]["plot"] and "with 200 pictures" in drawn[0]["plot"]
    assert 'max="10" value="10"' in drawn[0]["head"]
    got = public.client.get("/tab/tradeoffs.csv", params=PICTURES)
    assert "attachment" in got.headers["content-disposition"]
    found = {each["index"] for each in csv.DictReader(io.StringIO(got.text))}
    assert found == set(FEW)
    whole = public.client.get("/tab/tradeoffs.json", params=PICTURES).json()
    assert {each["index"] for each in whole["sweeps"]} == set(FEW)


def test_scale_is_measured_in_a_slice_and_given_as_files(public: Served) -> None:
    assert "measures 10 at a time" in refusal(
        public, "/tab/scale/measure", {**PICTURES, "seconds": 11}
    )
    body = {**PICTURES, "seconds": 10, "memory": 0.02}
    status, lines = sent(public, "/tab/scale/measure", body)
    assert status == 200 and "measured and kept" in lines[-1]["say"], lines[-1]
    _, drawn = sent(public, "/tab/scale", PICTURES)
    assert 'max="10"' in drawn[0]["head"] and "Measured on" in drawn[0]["plot"]
    got = public.client.get("/tab/scale.csv", params=PICTURES)
    assert "scale-stamps-efficientnet-lite2.csv" in got.headers["content-disposition"]
    assert {each["index"] for each in csv.DictReader(io.StringIO(got.text))} <= {*FEW}
    assert public.client.get("/tab/scale.json", params=PICTURES).json()["scale"]
    for wrong in ("/tab/scale.exe", "/tab/scale.csv?gallery=/etc"):
        assert public.client.get(wrong).status_code == 400


def test_who_goes_away_leaves_what_was_measured(public: Served) -> None:
    body = {**PICTURES, "embedder": "conse-lite2", "seconds": 10}
    with held(Running) as steps, leaving() as left:
        with public.client.stream("POST", "/tab/tradeoffs/measure", json=body) as lines:
            assert any("plot" in json.loads(line) for line in lines.iter_lines())
        assert left.wait(LONGEST)  # and not only when its ten seconds are over
    with turn.turn():
        assert steps.begun <= 2  # with the one that ran meanwhile it ended
        _, drawn = sent(public, "/tab/tradeoffs", body)
    assert "settings as a table" in drawn[0]["more"]


def test_quality_goes_on_where_it_was_left(public: Served) -> None:
    body = {"gallery": "stamps", "panels": ["efficientnet-lite2@exact"], "seconds": 10}
    said = ""
    while "All measured" not in said:  # a slice always measures one part at least
        _, lines = sent(public, "/tab/quality/measure", body)
        said = lines[-1]["say"]
        assert all(each.get("say") != "" for each in lines)  # also while nothing new has come
    assert "Worst queries of EfficientNet-Lite2" in lines[-1]["plot"]
    assert "found 0." in lines[-1]["table"]
    assert "Everything here is measured" in lines[-1]["head"]


def test_a_receipt_of_what_was_shown_replays(public: Served) -> None:
    page = public.page_of("?gallery=stamps&row=10&k=5&panel=efficientnet-lite2@faiss-hnsw")
    name = page.data[0].split('data-receipt="')[1].split('"')[0]
    made = public.client.get(f"/receipt/{name}").json()
    shown = [
        int(each.split('"')[0])
        for each in page.data[1].split('<button type="button" data-row="')[1:]
    ]
    assert made["panels"][0]["rows"] == shown[:5]
    assert made["link"].startswith("?gallery=stamps&row=10&k=5&panel=")
    old = read(json.dumps(made).encode())
    assert differences(old, replay(public.lab, old)) == []
