"""Codes by a Qdrant server: which it is asked for, that it makes them, and what others change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval.cli import main
from retrieval.errors import Damaged, LabError, Refused
from retrieval.indexes import INDEXES
from retrieval.indexes.qdrant_server import library
from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.types import Metric
from retrieval.where import Allowed, Columns, Where
from tests.vectors import built, drawn, made

pytestmark = pytest.mark.server
CODES: dict[str, dict[str, Any]] = {
    "qdrant-server-sq8": {"scalar": {"type": "int8", "always_ram": True}},
    "qdrant-server-pq": {"product": {"compression": "x16", "always_ram": True}},
    "qdrant-server-binary": {"binary": {"always_ram": True}},
}
each = pytest.mark.parametrize("name", CODES)
one = pytest.mark.parametrize("name", ["qdrant-server-pq"])
CHANGED: list[Any] = [
    ("qdrant-server-sq8", None),
    ("qdrant-server-sq8", {"scalar": {"type": "int8", "quantile": 0.9}}),
    ("qdrant-server-pq", {"product": {"compression": "x64", "always_ram": True}}),
    ("qdrant-server-binary", {"binary": {"encoding": "two_bits"}}),
]
"""Codes that are not an index's at its defaults."""
REFUSED: list[Any] = [
    ({"scalar": {"type": "int4"}}, 400, "any variant of untagged enum QuantizationConfig"),
    ({"product": {"compression": "x5"}}, 400, "any variant of untagged enum QuantizationConfig"),
    ({"ternary": {}}, 400, "any variant of untagged enum QuantizationConfig"),
    ({"scalar": {"type": "int8", "quantile": 0.2}}, 422, "quantile: value 0.2 invalid"),
]
"""What Qdrant itself does not take."""


def held(server: Any) -> dict[str, Any]:
    """What the only collection was made as."""
    (found,) = server.held.values()
    config: dict[str, Any] = found.config
    return config


def hearing(server: Any) -> list[Any]:
    """What is asked of a server from now on: the bodies."""
    heard, plain = list[Any](), server.answer

    def answer(method: str, path: list[str], query: Any, body: Any) -> Any:
        heard.append(body)
        return plain(method, path, query, body)

    server.answer = answer
    return heard


def test_every_kind_of_codes_is_registered() -> None:
    asked = [spec.name for spec in INDEXES.specs() if spec.param("scheme") == "qdrant"]
    assert asked == ["qdrant-server", *CODES]


@each
def test_the_server_is_asked_for_codes_and_to_score_again(name: str, server: Any) -> None:
    vectors = drawn(Metric.COSINE, 400)
    index = built(name, Metric.COSINE, vectors, oversampling=7, hnsw_ef=33)
    assert held(server)["quantization_config"] == CODES[name]
    heard = hearing(server)
    assert index.search(vectors[:2], 5)[0][:, 0].tolist() == [0, 1]
    index.tune(oversampling=2)
    index.search(vectors[:1], 5)
    asked = [search["params"] for body in heard for search in body["searches"]]
    again = [each["quantization"] for each in asked]
    assert [each["oversampling"] for each in again] == [7, 7, 2]
    assert all(each["rescore"] is True and not each.get("ignore") for each in again)
    assert all(each["hnsw_ef"] == 33 and not each.get("exact") for each in asked)


@each
def test_codes_alone_find_less_than_what_is_scored_again(
    name: str, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = drawn(Metric.COSINE, 1200)
    index: Any = built(name, Metric.COSINE, vectors)
    plain = built("qdrant-server", Metric.COSINE, vectors, hnsw_ef=512)
    truth = plain.search(vectors[:100], 10)
    models = library().models

    def params(**again: Any) -> Any:
        return models.SearchParams(
            hnsw_ef=512, quantization=models.QuantizationSearchParams(**again)
        )

    def right(asked: Any) -> float:
        monkeypatch.setattr(index, "_params", lambda: asked)
        rows = index.search(vectors[:100], 10)[0]
        return float((rows[:, :, None] == truth[0][:, None]).any(axis=1).mean())

    codes = right(params(rescore=False))
    again = right(params(rescore=True, oversampling=16.0))
    assert codes + 0.02 < again > 0.95 and right(params(ignore=True)) > 0.99


@each
def test_a_filter_is_pushed_down_beside_them(name: str, server: Any) -> None:
    vectors = drawn(Metric.COSINE, 600)
    columns: Columns = {"label": ["owl", "crow", "jay"] * 200, "part": np.arange(600)}
    index = made(name, Metric.COSINE, oversampling=16)
    index.build(vectors, columns)
    heard = hearing(server)
    for text, key in (("label=owl", "label"), ("part>=300", "part")):
        where = Allowed.of(Where.parse(text), columns)
        rows = index.filtered(vectors[:4], 5, where).rows
        assert (
            where.mask[rows].all() and heard[-1]["searches"][0]["filter"]["must"][0]["key"] == key
        )
        assert heard[-1]["searches"][0]["params"]["quantization"]["rescore"] is True


@pytest.mark.parametrize(("name", "changed"), CHANGED)
def test_other_codes_are_damage_and_made_again(
    name: str, changed: Any, server: Any, tmp_path: Path
) -> None:
    vectors = drawn(Metric.COSINE, 50)
    built(name, Metric.COSINE, vectors).save(tmp_path)
    made(name, Metric.COSINE).load(tmp_path, vectors)
    held(server)["quantization_config"] = changed
    with pytest.raises(Damaged, match="does not hold the collection .*build the index again"):
        made(name, Metric.COSINE).load(tmp_path, vectors)
    built(name, Metric.COSINE, vectors)
    assert held(server)["quantization_config"] == CODES[name]


@one
def test_codes_kept_elsewhere_are_the_same(name: str, server: Any, tmp_path: Path) -> None:
    vectors = drawn(Metric.COSINE, 50)
    built(name, Metric.COSINE, vectors).save(tmp_path)
    (settings,) = held(server)["quantization_config"].values()
    settings["always_ram"] = False
    made(name, Metric.COSINE).load(tmp_path, vectors)


@each
def test_half_a_load_with_other_codes_is_begun_anew(name: str, server: Any) -> None:
    vectors, index = drawn(Metric.COSINE, 300), made(name, Metric.COSINE)
    index.build(vectors)
    (found,) = server.held.values()
    found.aliases.clear()
    found.config["quantization_config"] = None
    begun = list[int]()
    again: Any = made(name, Metric.COSINE)
    again.told = lambda what, done, total: begun.append(done)
    again.build(vectors)
    assert begun[0] == 0 and held(server)["quantization_config"] == CODES[name]
    assert again.search(vectors[299:], 1)[0].tolist() == [[299]]


@each
def test_a_server_that_makes_no_codes_is_said(name: str, server: Any) -> None:
    plain = server.answer

    def old(method: str, path: list[str], query: Any, body: Any) -> Any:
        if method == "PUT" and len(path) == 2:
            body.pop("quantization_config")  # what it does not know it passes over
        return plain(method, path, query, body)

    server.answer = old
    index: Any = made(name, Metric.COSINE)
    with pytest.raises(LabError, match=f"does not make the codes of {name}; take qdrant-server"):
        index.build(drawn(Metric.COSINE, 30))
    assert not any(found.aliases for found in server.held.values())
    assert (index.search(drawn(Metric.COSINE, 1), 3)[0] == -1).all()


@one
def test_another_compression_is_another_collection(name: str, server: Any) -> None:
    vectors = drawn(Metric.COSINE, 60)
    for by in (8, 32):
        built(name, Metric.COSINE, vectors, compression=by)
    kept = [found.config["quantization_config"]["product"] for found in server.held.values()]
    assert [each["compression"] for each in kept] == ["x8", "x32"]


@one
@pytest.mark.parametrize(("codes", "status", "words"), REFUSED)
def test_codes_that_qdrant_refuses_are_refused(
    name: str, codes: Any, status: int, words: str, server: Any
) -> None:
    body = {
        "vectors": {"size": 4, "distance": "Dot"},
        "hnsw_config": {"m": 8, "ef_construct": 8},
        "quantization_config": codes,
    }
    answered, told = server.answer("PUT", ["collections", "bad"], {}, body)
    assert answered == status and words in told["status"]["error"] and not server.held


@one
def test_what_it_refuses_of_a_search_is_a_sentence(name: str, server: Any) -> None:
    vectors = drawn(Metric.COSINE, 20)
    index: Any = built(name, Metric.COSINE, vectors)
    models = library().models
    half = models.QuantizationSearchParams(rescore=True, oversampling=0.5)  # the knob begins at 1
    index._params = lambda: models.SearchParams(hnsw_ef=8, quantization=half)
    with pytest.raises(LabError, match="oversampling: value 0.5 invalid, must be 1.0 or larger"):
        index.search(vectors[:1], 3)


@each
def test_load_fills_it_and_panels_use_it(
    name: str,
    server: Any,
    lab: Lab,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("retrieval.cli.lab", lambda options: lab)
    to = ["--to", server.address.replace("http", "qdrant", 1), "--index", name]
    assert main(["load", "--gallery", "colours", "--embedder", "colour", *to, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["index"] == name
    assert held(server)["quantization_config"] == CODES[name]
    panels = [Panel("colour", name, (("oversampling", 16),))]
    (result,) = lab.compare("colours", panels, Query(row=3), 5)
    assert not result.problem and result.hits[0].row == 3


@each
def test_a_public_lab_asks_none(name: str, server: Any, lab: Lab) -> None:
    lab.public = True
    assert lab.states()[name].kind == "unreachable" and not server.asked
    with pytest.raises(Refused, match=f"{name} is a server of the host's"):
        lab.index(lab.gallery("colours"), Panel("colour", name))
    assert not server.asked
