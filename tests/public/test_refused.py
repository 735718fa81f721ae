"""What a lab for strangers refuses, asked over raw HTTP."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from retrieval import manifest
from retrieval.embedders import EMBEDDERS
from retrieval.errors import Refused
from retrieval.indexes import INDEXES
from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.types import Knob, Spec
from retrieval.ui.menu import START
from tests.served import QUIET, Served, sentence

pytestmark = QUIET
EMBEDDER, INDEX = "no embedder is called", "no index is called"
MODEL = "is a model that somebody types and a public lab loads none"
OFF_DEFAULT = [
    (index, knob)
    for index in INDEXES.specs()
    for knob in index.knobs
    if knob.when == "build" and not index.param("address")  # a public lab asks no server at all
]


def panel(embedder: str, index: str = "exact") -> str:
    return f"{quote(embedder, safe='')}@{quote(index, safe='')}"


TYPED = [
    (panel("laion/CLIP-ViT-B-32-laion2B-s34B-b79K"), MODEL),
    (panel("hf-hub:timm/ViT-B-16-SigLIP"), MODEL),
    (panel("local-dir:/tmp"), MODEL),
    (panel("/etc/passwd"), MODEL),
    (panel("../../data/stamps"), MODEL),
    (panel("file:///etc/passwd"), MODEL),
    (panel("retrieval.embedders.hashes:Hash"), EMBEDDER),
    (panel("conse-lite2", "IVF64,Flat"), INDEX),
    (panel("conse-lite2", "HNSW32_SQ8"), INDEX),
    (panel("conse-lite2", "/tmp/stolen.faiss"), INDEX),
    (panel("conse-lite2", "retrieval.indexes.exact:Exact"), INDEX),
    ("openclip-vit-b-32@exact", "has no vectors of stamps here and a public lab embeds none"),
    ("openclip-local@exact", "has no vectors of stamps here and a public lab embeds none"),
]
"""Panels that a stranger may type, and what each is told."""


def off_default(knob: Knob) -> int:
    """Another value that the knob may have."""
    return knob.low if knob.low != knob.default else knob.high


def fitting(index: Spec) -> str:
    """An embedder whose vectors the index compares."""
    return next(each.name for each in EMBEDDERS.specs() if each.metric in index.metrics)


@pytest.mark.server
@pytest.mark.parametrize(("asked", "why"), TYPED)
def test_what_is_typed_is_not_loaded(
    public: Served, asked: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    load = EMBEDDERS.load

    def noted(spec: Spec) -> type[Any]:
        loaded.append(spec.name)
        return load(spec)

    monkeypatch.setattr(EMBEDDERS, "load", noted)
    monkeypatch.setattr("retrieval.hub.download", lambda *given: loaded.append("download"))
    by_api = public.call("a bird", None, [asked], "stamps", 3)
    failed, by_mcp = public.mcp(text="a bird", panels=[asked], k=3)
    pages = [
        public.stream([{"address": f"?q=a+bird&panel={quote(asked, safe='')}"}], number)
        for number in public.numbers("stream")
    ]
    assert why in sentence(by_api.said[0])
    assert not by_api.panels[0]["hits"]
    assert failed or why in sentence(json.loads(by_mcp)["panels"][0]["problem"])
    for page in pages:
        assert why.lower() in sentence(page.said[0]).lower()
    assert set(loaded) <= {"conse-lite2"}


@pytest.mark.server
@pytest.mark.parametrize(
    ("index", "knob"), OFF_DEFAULT, ids=[f"{index.name}-{knob.name}" for index, knob in OFF_DEFAULT]
)
def test_a_build_time_knob_builds_nothing(public: Served, index: Spec, knob: Knob) -> None:
    value = off_default(knob)
    asked = f"{fitting(index)}@{index.name}?{knob.name}={value}"
    answer = public.call("a bird", None, [asked], "stamps", 3)
    page = public.page_of(f"?row=1&panel={quote(asked, safe='')}")
    assert answer.panels[0]["hits"] == []
    assert f"{knob.name} would build another index".lower() in sentence(page.said[0]).lower()
    keys = [manifest.read(folder)["key"] for folder in public.lab.store.folders()]
    built = [key["knobs"] for key in keys if key.get("index") == index.name]
    assert value not in [knobs[knob.name] for knobs in built]


@pytest.mark.server
def test_the_hosts_folder_is_not_there(public: Served) -> None:
    answers = [
        public.call("a bird", None, list(START), "folder", 3),
        public.page_of("?gallery=folder&row=0"),
    ]
    for answer in answers:
        assert answer.kind == "error"
        assert "no gallery is called 'folder'" in sentence(answer.said[0])
    assert "folder" not in public.lab.catalog.names()
    assert public.client.get("/thumb/folder/0").status_code == 404


@pytest.mark.server
def test_galleries_of_the_hub_that_are_not_built_are_refused(public: Served) -> None:
    names = [each.name for each in public.lab.catalog.entries() if each.kind == "hub"]
    assert len(names) >= 8
    for name in names:
        answer = public.call("a bird", None, list(START), name, 3)
        assert answer.kind == "error"
        assert f"{name} is not built yet" in sentence(answer.said[0])
        assert public.client.get(f"/thumb/{name}/0").status_code == 404
    assert f"{names[0]} is not built yet" in sentence(
        public.page_of(f"?gallery={names[0]}&q=a").said[0]
    )
    assert not (public.lab.cache / "galleries").exists()


@pytest.mark.server
@pytest.mark.parametrize("k", [0, -1, 101, 1000, 10**9])
def test_k_is_bounded(public: Served, k: int) -> None:
    assert "from 1 to 100" in sentence(public.call("a", None, None, "stamps", k).said[0])
    failed, said = public.mcp(text="a", k=k)
    assert failed
    assert "from 1 to 100" in sentence(said)
    page = public.page_of(f"?q=a&k={k}")
    assert page.kind == "error"
    sentence(page.said[0])


@pytest.mark.server
@pytest.mark.parametrize("count", [5, 50])
def test_panels_are_counted(public: Served, count: int) -> None:
    several = ["phash@exact"] * count
    by_api = public.call("a", None, several, "stamps", 3)
    assert f"{count} panels are asked" in sentence(by_api.said[0])
    page = public.page_of("?row=1" + "".join(f"&panel={each}" for each in several))
    assert f"{count} panels are asked" in sentence(page.said[0])


@pytest.mark.server
def test_long_texts_are_refused(public: Served) -> None:
    long = "bird " * 200_000
    by_api = public.call(long, None, None, "stamps", 3)
    assert "1,000,000 characters; 2,000 are read" in sentence(by_api.said[0])
    assert "16,000 characters" in sentence(public.page_of(f"?q={long}").said[0])
    assert "EMBEDDER@INDEX" in sentence(public.call("a", None, [long], "stamps", 3).said[0])
    sentence(public.call("a", None, None, long, 3).said[0])
    public.alive()


@pytest.mark.server
@pytest.mark.parametrize("name", ["stream", "compare_search"])
def test_private_events_called_raw_answer_or_say_why(public: Served, name: str) -> None:
    """An answer with six parts of a page, one of the API, or a sentence: never a null."""
    whole: list[Any] = [None, True, 5, -1.5, "x", [], {}, [[]], {"address": 5}, {"address": None}]
    parts = [[each] for each in (*whole, {"address": "", "asked": {}}, {"address": "", "file": 5})]
    wide = [[each] * 5 for each in whole]
    number = public.numbers(name)[-1]
    for data in ([], *parts, *wide):
        answer = public.stream(data, number)
        if answer.kind == "error":
            sentence(answer.said[0])
        else:
            assert answer.kind == "complete"
            assert len(answer.data) == (6 if name == "stream" else 1)
    others: list[Any] = [5, "x", {}]
    for wrong in others:
        assert public.stream(wrong, number).kind == "422"
    public.alive()


@pytest.mark.server
def test_nothing_runs_beside_the_queue(public: Served) -> None:
    for name in ("compare_search", "stream", "stream_1"):
        got = public.client.post(f"/gradio_api/run/{name}", json={"data": [{}]})
        assert got.status_code == 404
        assert "queue" in got.json()["detail"]


def test_an_index_over_a_gallery_of_the_hub_is_not_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(cache=tmp_path, public=True)
    stamps = lab.gallery("stamps")
    asked = Panel("phash", "faiss-binary-hnsw")
    entry = replace(lab.catalog.entry("stamps"), kind="hub")
    with monkeypatch.context() as patch:
        patch.setattr(lab.catalog, "entry", lambda name: entry)
        with pytest.raises(Refused, match="faiss-binary-hnsw is not built for stamps and a public"):
            lab.index(stamps, asked)
    assert lab.index(stamps, asked).fresh
    again = Lab(cache=tmp_path, public=True)
    monkeypatch.setattr(again.catalog, "entry", lambda name: entry)
    assert not again.index(stamps, asked).fresh  # what the host has built is used


def test_weights_that_are_not_here_are_not_fetched_by_strangers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("PARALLAX_OPENCLIP_DIR", str(tmp_path))
    lab = Lab(cache=tmp_path, public=True)
    for name in ("openclip-vit-b-32", "openclip-local"):
        with pytest.raises(Refused, match=f"{name} is not for a public lab"):
            lab.embedder(name)
