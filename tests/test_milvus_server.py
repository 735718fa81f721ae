"""Milvus by address: what is asked of it for each of its indexes, and what it would refuse."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval.cli import main
from retrieval.errors import LabError, Refused
from retrieval.indexes import INDEXES, remote_fill
from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.types import Metric
from retrieval.where import Allowed, Columns, Where
from tests.fakemilvus import Milvus, slip
from tests.vectors import built, drawn, made

pytestmark = pytest.mark.server
KINDS = {
    "milvus-server": "HNSW",
    "milvus-server-ivf-flat": "IVF_FLAT",
    "milvus-server-ivf-sq8": "IVF_SQ8",
    "milvus-server-flat": "FLAT",
}
LISTS = [name for name in KINDS if "ivf" in name]
each = pytest.mark.parametrize("name", KINDS)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Milvus]:
    monkeypatch.setattr(remote_fill, "PAUSE", 0.01)
    monkeypatch.setenv("PARALLAX_CACHE", str(tmp_path / "cache"))
    started = Milvus()
    monkeypatch.setenv("PARALLAX_MILVUS", started.address)
    yield started
    started.close()


def specs(server: Milvus) -> list[Any]:
    """How the vectors of each collection are indexed."""
    database = server._database
    names = database.list_collections()
    return [database.get_collection(name)._index_specs["vector"] for name in names]


def test_these_are_all() -> None:
    found = [each for each in INDEXES.specs() if each.param("scheme") == "milvus"]
    assert {each.name: each.param("kind") for each in found} == KINDS
    embedded = [
        each for each in INDEXES.specs() if each.target == "retrieval.indexes.milvus:Milvus"
    ]
    assert {each.param("kind"): each.knobs for each in embedded} == {
        each.param("kind"): each.knobs for each in found
    }


@each
def test_nothing_is_left_to_the_server(name: str, server: Milvus) -> None:
    index = made(name, Metric.COSINE)
    index.build(drawn(Metric.COSINE, 3000), {"label": ["owl"] * 3000})
    (told,) = specs(server)
    assert (told.index_type, told.metric_type) == (KINDS[name], "IP")
    wanted = {knob.name: knob.default for knob in index.spec.knobs if knob.when == "build"}
    assert dict(told.build_params) == wanted


@pytest.mark.parametrize("name", LISTS)
def test_lists_are_those_of_faiss_and_no_more_than_can_be_trained(
    name: str, server: Milvus
) -> None:
    built(name, Metric.COSINE, drawn(Metric.COSINE, 400), nlist=1024)
    (told,) = specs(server)
    assert dict(told.build_params) == {"nlist": 10}
    (file,) = server._folder.rglob("indexes/*.idx")
    held = importlib.import_module("faiss").read_index(str(file))
    kind = "IndexIVFFlat" if name.endswith("flat") else "IndexIVFScalarQuantizer"
    assert (type(held).__name__, held.nlist, held.ntotal) == (kind, 10, 400)


@pytest.mark.parametrize("name", LISTS)
def test_another_number_of_lists_is_another_collection(name: str, server: Milvus) -> None:
    vectors = drawn(Metric.COSINE, 400)
    for nlist in (2, 8, 8):
        built(name, Metric.COSINE, vectors, nlist=nlist)
    assert sorted(told.build_params["nlist"] for told in specs(server)) == [2, 8]


def test_each_kind_is_a_collection_of_its_own(server: Milvus) -> None:
    vectors = drawn(Metric.COSINE, 100)
    for name in KINDS:
        assert built(name, Metric.COSINE, vectors).search(vectors[9:10], 1)[0].tolist() == [[9]]
    assert sorted(told.index_type for told in specs(server)) == sorted(KINDS.values())


@each
def test_a_search_is_told_no_more_than_a_server_takes(
    name: str, server: Milvus, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = drawn(Metric.COSINE, 400)
    index: Any = built(name, Metric.COSINE, vectors)
    for low in (True, False):
        index.tune(
            **{k.name: k.low if low else k.high for k in index.spec.knobs if k.when == "query"}
        )
        assert (index.search(vectors[:2], 100)[0][:, 0] == [0, 1]).all()
    wrong = {"ef": 99, "nprobe": 11}
    monkeypatch.setattr(type(index), "_tuned", lambda *_: wrong)
    if name == "milvus-server-flat":
        assert index.search(vectors[:1], 100)[0][0, 0] == 0
        return
    said = r"ef\(99\) should be larger than k\(100\)|'nprobe' \(11\)"
    with pytest.raises(LabError, match=said):
        index.search(vectors[:1], 100)


@pytest.mark.parametrize(
    ("name", "knob", "value", "said"),
    [
        ("milvus-server-ivf-flat", "nlist", 0, r"refuses .400.: nlist out of range: \[1, 65536\]"),
        ("milvus-server-ivf-sq8", "nlist", 65_537, r"nlist out of range: \[1, 65536\]"),
        ("milvus-server", "M", 1, r"M out of range: \[2, 2048\]"),
    ],
)
def test_a_refused_definition_is_a_sentence(
    name: str, knob: str, value: int, said: str, server: Milvus, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = made(name, Metric.COSINE)
    params = {"efConstruction": 8, knob: value}
    kind = {"index_type": KINDS[name], "metric_type": "IP", "params": params}
    monkeypatch.setattr("retrieval.indexes.milvus.definition", lambda *_: kind)
    with pytest.raises(LabError, match=said):
        index.build(drawn(Metric.COSINE, 50))
    assert (index.search(drawn(Metric.COSINE, 1), 1)[0] == -1).all()


def test_a_collection_that_was_left_without_an_index_gets_one(
    server: Milvus, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = drawn(Metric.COSINE, 50)
    index: Any = made("milvus-server-flat", Metric.COSINE)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pymilvus.MilvusClient.create_index", killed)
        with pytest.raises(KeyboardInterrupt):
            index.build(vectors)
    assert server._database.list_collections()
    index.build(vectors)
    assert specs(server)[0].index_type == "FLAT"
    assert index.search(vectors[9:10], 1)[0].tolist() == [[9]]


def test_what_a_server_would_refuse() -> None:
    assert slip("IVF_FLATT", {}) == "invalid index type: IVF_FLATT"
    assert "nlist out of range" in slip("IVF_SQ8", {})  # as servers before 2.5 say, untold
    assert slip("IVF_SQ8", {"nlist": 1}) == slip("FLAT", {}) == ""


@pytest.mark.parametrize("name", [*LISTS, "milvus-server-flat"])
def test_a_filter_is_the_server_s_work(
    name: str, server: Milvus, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = drawn(Metric.COSINE, 3000)
    columns: Columns = {"part": np.arange(3000) % 10}
    index: Any = made(name, Metric.COSINE)
    index.build(vectors, columns)
    monkeypatch.setattr(index, "_exactly", lambda *_: pytest.fail("the server was not asked"))
    where = Allowed.of(Where.parse("part=3"), columns)
    found = index.filtered(vectors[3:300:10], 10, where)
    assert where.mask[found.rows].all() and (found.rows[:, 0] == np.arange(3, 300, 10)).all()
    assert found.how == ("60 lists instead of 6" if name in LISTS else "")


@pytest.mark.parametrize("name", KINDS)
def test_load_fills_the_one_that_is_named(
    name: str,
    server: Milvus,
    lab: Lab,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("retrieval.cli.lab", lambda options: lab)
    asked = ["load", "--gallery", "colours", "--embedder", "colour", "--index", name]
    assert main([*asked, "--to", server.address.replace("http", "milvus", 1), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["rows"], told["index"], told["variable"]) == (40, name, "PARALLAX_MILVUS")
    (held,) = specs(server)
    assert held.index_type == KINDS[name]
    before = len(server.asked)
    (result,) = lab.compare("colours", [Panel("colour", name)], Query(row=3), 5)
    assert not result.problem and result.hits[0].score > 0.999  # codes do not tell shades apart
    assert "Search" in server.asked[before:] and "Upsert" not in server.asked[before:]


@each
def test_a_public_lab_asks_none(name: str, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARALLAX_MILVUS", "http://127.0.0.1:1")
    lab.public = True
    assert lab.states()[name].kind == "unreachable"
    with pytest.raises(Refused, match=f"{name} is a server of the host's"):
        lab.index(lab.gallery("colours"), Panel("colour", name))
