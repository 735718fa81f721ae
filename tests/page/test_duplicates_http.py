"""The routes of the tab of duplicates, asked without a browser by strangers of a public lab."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from retrieval.duplicates import detection
from retrieval.embedders import EMBEDDERS
from retrieval.indexes import INDEXES
from retrieval.lab import Lab
from retrieval.ui import launch, turn
from retrieval.ui.answers import Answers
from retrieval.ui.menu import Menu
from tests.held import LONGEST, held, leaving
from tests.served import QUIET, Served, sentence

pytestmark = [pytest.mark.server, QUIET]
NAMES = (
    "captions",
    "colours",
    "conse-lite2",
    "efficientnet-lite2",
    "openclip-vit-b-32",
    "phash",
    "whash",
)
PATH = "/tab/duplicates"
EVERY = (PATH, f"{PATH}/picture", f"{PATH}/measure")
JSON = {"content-type": "application/json"}
QUICK = {"gallery": "stamps", "hash": "phash", "near": "colours"}
"""None of them needs a network."""


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    lab = Lab(cache=tmp_path_factory.mktemp("cache"), public=True)
    menu = Menu(lab, [EMBEDDERS.spec(name) for name in NAMES], [INDEXES.spec("exact")])
    page = launch.start(Answers(lab, menu), "127.0.0.1", quiet=True)
    try:
        with httpx.Client(base_url=str(page.local_url), timeout=60) as client:
            yield Served(lab, page, client)
    finally:
        page.close()


def sent(public: Served, path: str, body: object) -> list[dict[str, Any]]:
    """Each line of what came back."""
    got = public.client.post(path, content=json.dumps(body), headers=JSON)
    return [json.loads(line) for line in got.text.splitlines()]


def refusal(public: Served, path: str, body: object) -> str:
    """Why not: the refusal, or the problem that stands where the groups would."""
    last = sent(public, path, body)[-1]
    if "problem" in last:
        return sentence(last["problem"])
    assert 'class="problem"' in last["plot"], last["plot"][:200]
    assert "data-radius" in last["head"]  # so that one can choose otherwise
    return sentence(last["plot"].split("<p>")[1].split("</p>")[0].replace("&#x27;", "'"))


@pytest.mark.parametrize("path", EVERY)
@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"gallery": "/etc"}, "no gallery is called '/etc'"),
        ({"gallery": 5}, "gallery must be a text"),
        ({"hash": "/etc/passwd"}, "a public lab loads none"),
        ({"near": "hf-hub:timm/ViT-B-16-SigLIP"}, "a public lab loads none"),
        ({"near": ["colours"]}, "near must be a text"),
        ({"near": "captions"}, "hash of pictures is compared with an embedding"),
        ({"near": "phash"}, "hash of pictures is compared with an embedding"),
        ({"hash": "colours"}, "hash of pictures is compared with an embedding"),
        ({"near": "openclip-vit-b-32"}, "has no vectors of Tux Paint stamps here"),
        ({"radius": 65}, "radius is 65"),
        ({"radius": -1}, "radius is -1"),
        ({"radius": 2.5}, "must be a whole number from 0 to 64 bits"),
        ({"radius": "8"}, "radius must be a number"),
        ({"radius": 64}, "choose a stricter threshold"),
        ({"threshold": 1.01}, "threshold is 1.01"),
        ({"threshold": float("nan")}, "threshold is nan"),
        ({"threshold": "x"}, "threshold must be a number"),
        ({"threshold": -1}, "choose a stricter threshold"),
    ],
)
def test_what_is_refused(public: Served, path: str, more: dict[str, object], why: str) -> None:
    if more == {"threshold": -1} and path != PATH:
        more = {"threshold": -2}  # only the groups look for all pairs
        why = "threshold is -2"
    assert why.lower() in refusal(public, path, {**QUICK, **more}).lower()


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"picture": -1}, "picture is -1; it must be from 0 to 784"),
        ({"picture": 785}, "picture is 785"),
        ({"picture": "1"}, "picture must be a number"),
        ({"file": {"path": "/etc/passwd"}}, "the picture is no longer here"),
        ({"file": "https://example.org/a.png"}, "links are not followed"),
        ({"file": base64.b64encode(b"no picture").decode()}, "no picture that can be read"),
    ],
)
def test_pictures_that_are_refused(public: Served, more: dict[str, object], why: str) -> None:
    assert why in refusal(public, f"{PATH}/picture", {**QUICK, **more})


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"seconds": 60}, "a public lab measures 10 at a time"),
        ({"seconds": 0}, "seconds is 0; it must be from 1 to 3600"),
        ({"pictures": 0}, "pictures is 0"),
        ({"pictures": 10**9}, "pictures is 1000000000"),
    ],
)
def test_measurings_that_are_refused(public: Served, more: dict[str, object], why: str) -> None:
    assert why in refusal(public, f"{PATH}/measure", {**QUICK, **more})


def test_one_measures_at_a_time(public: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "PATIENCE", 0.0)
    with turn.turn():
        assert "something else is being measured" in refusal(public, f"{PATH}/measure", QUICK)


@pytest.mark.parametrize("more", [{"show": "every"}, {"count": 0}, {"show": 5}])
def test_what_the_groups_refuse(public: Served, more: dict[str, object]) -> None:
    assert next(iter(more)) in refusal(public, PATH, {**QUICK, **more})


def test_a_public_lab_embeds_no_gallery(public: Served) -> None:
    before = list(public.lab.store.folders())
    assert "no vectors" in refusal(public, PATH, {**QUICK, "near": "openclip-vit-b-32"})
    assert list(public.lab.store.folders()) == before


def test_the_groups_and_their_kinds(public: Served) -> None:
    body = {**QUICK, "near": "efficientnet-lite2", "radius": 8}
    drawn = sent(public, PATH, body)[0]
    assert "pHash within 8 bits" in drawn["plot"] and "hash only" in drawn["plot"]
    assert "as many pairs" in drawn["plot"]
    assert 'data-row="' not in drawn["plot"]
    alone = sent(public, PATH, {**body, "show": "second", "count": 500})[0]["plot"]
    assert "● hash only" not in alone and "◆ embedding only" in alone
    assert 'max="10" value="10"' in drawn["tools"]
    exact = sent(public, PATH, {**body, "radius": 0, "threshold": 1})[0]["plot"]
    assert "EfficientNet-Lite2 from 1.0000" in exact and "as many pairs" not in exact


def test_a_row_and_an_upload_are_distorted(public: Served) -> None:
    row = sent(public, f"{PATH}/picture", {**QUICK, "picture": 10})[0]
    assert row["live"].count("<svg") >= 6 and row["live"].count("<image") == 26
    assert row["more"] == ""  # nobody has picked pairs of the stamps
    data = base64.b64encode(public.lab.gallery("stamps").encoded(10)).decode()
    assert len(data) < 15_000  # what a tab may send; a browser sends the path of an upload
    own = sent(public, f"{PATH}/picture", {**QUICK, "file": data})[0]
    assert "Your picture, distorted" in own["live"]


def test_pairs_that_were_picked_rate_every_way(public: Served) -> None:
    drawn = sent(public, f"{PATH}/picture", {**QUICK, "gallery": "clipart", "picture": 1})[0]
    assert "50 near-duplicates and 50 look-alikes" in drawn["more"]
    for title in ("pHash", "wHash", "Colour histogram", "ConSE-Lite2"):
        assert title in drawn["more"]


def test_a_measuring_streams_and_stays(public: Served) -> None:
    body = {**QUICK, "hash": "whash", "pictures": 104, "seconds": 10}
    said, lines = "", list[dict[str, Any]]()
    while "colours: 104 of 104" not in said:  # one slice, or more
        lines = sent(public, f"{PATH}/measure", body)
        said = lines[-1]["say"]
        assert "What was measured is kept" in said, lines[-1]
    assert "<svg" in lines[-1]["table"]
    found = sent(public, PATH, body)[0]["table"]
    assert found == lines[-1]["table"]
    again = public.client.get(
        f"{PATH}.csv", params={**QUICK, "hash": "whash", "table": "detection"}
    )
    assert again.headers["content-type"].startswith("text/csv")
    table = list(csv.DictReader(io.StringIO(again.text)))
    assert {each["embedder"] for each in table} >= {"whash"}
    assert all(0 <= float(each["low"]) <= float(each["high"]) <= 1 for each in table)


def test_who_goes_away_leaves_what_was_measured(public: Served) -> None:
    body = {**QUICK, "pictures": 785, "seconds": 10}
    with held(detection, "_stacked") as steps, leaving() as left:
        with public.client.stream("POST", f"{PATH}/measure", json=body) as lines:
            assert any(" of 785 " in json.loads(line)["say"] for line in lines.iter_lines())
        assert left.wait(LONGEST)  # and not only when its ten seconds are over
    with turn.turn():
        assert steps.begun <= 2  # with the one that ran meanwhile it ended
        assert list((Path(public.lab.cache) / "detection").rglob("own.npy"))


def test_figures_are_given(public: Served) -> None:
    whole = public.client.get(f"{PATH}.json", params={**QUICK, "radius": "6"}).json()
    assert whole["hash"]["threshold"] == 6 and whole["embedding"]["equal_pairs"]
    assert whole["licence"] and whole["gallery_revision"]
    got = public.client.get(f"{PATH}.csv", params={**QUICK, "radius": "6"})
    lines = list(csv.DictReader(io.StringIO(got.text)))
    assert len(lines) == sum(len(each["pictures"]) for each in whole["groups"])
    for bad in ({"radius": "nan"}, {"radius": "x"}, {"threshold": "2"}, {"table": "/etc"}):
        refused = public.client.get(f"{PATH}.csv", params={**QUICK, **bad})
        assert refused.status_code == 400
        sentence(refused.json()["problem"])
    assert public.client.get(f"{PATH}.xml", params=QUICK).status_code == 400
