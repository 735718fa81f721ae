"""Filters through the pipeline: the lab, receipts, the command line and the API."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from retrieval.cli import main
from retrieval.errors import BadQuery
from retrieval.galleries.base import Gallery
from retrieval.indexes import INDEXES
from retrieval.lab import Lab
from retrieval.measure import receipts
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.store import columns_key, index_key, vectors_key
from retrieval.types import Result
from retrieval.ui.filters import control
from retrieval.where import Where
from tests.fakes import Colours
from tests.served import QUIET, Served, sentence, served

EXACT, HNSW = Panel("colour", "exact"), Panel("colour", "faiss-hnsw")


def answered(lab: Lab, panels: list[Panel], where: str, k: int = 5) -> list[Result]:
    query = Query(text="red", where=Where.parse(where))
    return sorted(lab.compare("colours", panels, query, k), key=lambda result: result.position)


def test_only_allowed_rows_answer_and_recall_is_against_them(lab: Lab) -> None:
    exact, hnsw = answered(lab, [EXACT, HNSW], "label=cold")
    assert {hit.label for hit in (*exact.hits, *hnsw.hits)} == {"cold"}
    assert exact.recall == hnsw.recall == 1 and exact.allowed == hnsw.allowed == 24
    assert exact.how == "" and hnsw.how == "exact over the 24 allowed"
    assert [hit.row for hit in exact.hits] == [hit.row for hit in hnsw.hits]


def test_fewer_than_k_are_all_of_them(lab: Lab) -> None:
    (result,) = answered(lab, [HNSW], "caption=red", k=20)
    assert len(result.hits) == result.allowed == 8 and result.recall == 1 and not result.missed


def test_where_nothing_is_allowed_there_is_no_problem(lab: Lab) -> None:
    (result,) = answered(lab, [HNSW], "label=nobody")
    assert (result.problem, result.hits, result.allowed, result.recall) == ("", (), 0, 1.0)


def test_a_filter_that_does_not_fit_is_refused_before_any_panel(lab: Lab) -> None:
    with pytest.raises(BadQuery, match="no column 'colour' .* caption, label, part, source"):
        answered(lab, [EXACT], "colour=red")
    with pytest.raises(BadQuery, match="label holds words"):
        answered(lab, [EXACT], "label<3")


def test_a_filtered_search_is_cold_once_and_looked_up_once(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert answered(lab, [HNSW], "label=cold")[0].cold == ("embed", "search")
    monkeypatch.setattr(Where, "allows", lambda *_: pytest.fail("it was looked up already"))
    assert answered(lab, [HNSW], "label=cold")[0].cold == ()


def test_a_row_that_is_asked_with_need_not_be_allowed(lab: Lab) -> None:
    query = Query(row=0, where=Where.parse("label=cold"))
    (result,) = lab.compare("colours", [EXACT], query, 3)
    assert {hit.label for hit in result.hits} == {"cold"}


@pytest.mark.parametrize(
    "name", [each.name for each in INDEXES.specs() if each.filters == "columns"]
)
def test_what_keeps_columns_is_found_by_them_too(name: str) -> None:
    spec = INDEXES.spec(name)
    plain = vectors_key(Colours(5), spec)
    assert columns_key(Colours(5), spec) == {"columns": "caption label part source"}
    spoken = Colours(5)
    spoken.words = "other captions"
    assert columns_key(spoken, spec) != columns_key(Colours(5), spec)
    assert index_key(plain | columns_key(spoken, spec), spec, {}) != index_key(plain, spec, {})


def test_what_keeps_no_columns_has_the_key_that_it_had() -> None:
    for spec in INDEXES.specs():
        if spec.filters != "columns":
            assert columns_key(Colours(5), spec) == {}


def test_a_shipped_gallery_has_its_columns(tmp_path: Path) -> None:
    stamps: Gallery = Lab(cache=tmp_path).gallery("stamps")
    assert set(stamps.columns) == {"caption", "label", "labels", "licence", "part", "source"}
    assert all(len(column) == len(stamps) for column in stamps.columns.values())
    assert isinstance(stamps.columns["part"], np.ndarray)


@pytest.fixture
def shipped(tmp_path: Path) -> Lab:
    return Lab(cache=tmp_path)


def test_a_receipt_keeps_the_filter_and_replays(shipped: Lab) -> None:
    gallery, panels = shipped.gallery("stamps"), [Panel.parse("phash@faiss-binary-hnsw")]
    query = Query(row=3, where=Where.parse("label=animals/birds|food/fruit"))
    results = list(shipped.compare("stamps", panels, query, 5))
    made = receipts.receipt(shipped, gallery, panels, query, 5, results)
    assert made["query"] == {"row": 3, "where": "label=animals/birds|food/fruit"}
    assert made["panels"][0]["allowed"] == 61 and "exact over the 61" in made["panels"][0]["how"]
    old = receipts.read(json.dumps(made).encode())
    assert receipts.differences(old, receipts.replay(shipped, old)) == []
    old["query"]["where"] = 7
    with pytest.raises(BadQuery, match="a filter is written"):
        receipts.replay(shipped, old)


def test_a_query_without_a_filter_has_the_receipt_that_it_had(shipped: Lab) -> None:
    assert receipts.told(Query(row=3)) == {"row": 3}
    assert dataclasses.replace(Query(row=3)).where is None


def test_the_command_line_says_how_many_and_how(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["search", "--row", "3", "--gallery", "stamps", "--cache", str(tmp_path)]
    asked += ["--panel", "phash@faiss-binary-flat", "-k", "4"]
    assert main([*asked, "--where", "part<10", "--json"]) == 0
    (panel,) = json.loads(capsys.readouterr().out)["panels"]
    assert panel["allowed"] == 8 and len(panel["hits"]) == 4 and panel["recall"] == 1
    assert main([*asked, "--where", "part<10"]) == 0
    assert "4 of 8 rows that the filter allows" in capsys.readouterr().out
    assert main([*asked, "--where", "'; --"]) == 2
    assert "a filter is written label=owl" in capsys.readouterr().err


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
        with served(Lab(cache=tmp_path_factory.mktemp("cache"))) as made:
            yield made


HOSTILE = ["label", "x" * 600, "part<ten", "a b=c", "; DROP TABLE=1", "label=\0", 7, ["a=b"], {}]


@QUIET
@pytest.mark.server
def test_the_api_filters_and_refuses_in_a_sentence(web: Served) -> None:
    panels = ["conse-lite2@exact", "conse-lite2@faiss-hnsw"]
    answer = web.call("a bird", None, panels, "stamps", 5, "label=food/fruit")
    assert answer.said == []
    for panel in answer.panels:
        assert {hit["label"] for hit in panel["hits"]} == {"food/fruit"}
        assert panel["allowed"] == 26 and panel["recall"] == 1
    for bad in HOSTILE:
        said = web.call("a bird", None, panels, "stamps", 5, bad).said
        assert len(said) == 1 and sentence(said[0]), (bad, said)
    assert web.call("a bird", None, panels, "stamps", 5, None).panels[0]["allowed"] is None
    assert web.call("a bird", None, panels, "stamps", 5, "").panels[0]["allowed"] is None


def test_all_labels_of_a_picture_are_filtered_by(shipped: Lab) -> None:
    clipart = shipped.gallery("clipart")
    query = Query(row=0, where=Where.parse("labels=signs_and_symbols/hazard"))
    (result,) = shipped.compare("clipart", [Panel.parse("dhash@faiss-binary-hnsw")], query, 20)
    several = clipart.columns["labels"]
    assert {hit.row for hit in result.hits} <= {
        row for row, has in enumerate(several) if "signs_and_symbols/hazard" in has
    }
    assert {hit.label for hit in result.hits} != {"signs_and_symbols/hazard"}  # by others as well
    assert result.recall == 1 and result.allowed == len(result.hits) == 4


def test_the_picker_lists_all_labels_where_pictures_have_several(shipped: Lab) -> None:
    drawn = control(shipped.gallery("clipart"), Where.parse("labels=animals"))
    assert '<option value="labels=animals" selected>animals · ' in drawn
    several = shipped.gallery("clipart").columns["labels"]
    assert f"animals · {sum('animals' in has for has in several):,}</option>" in drawn
    assert '<option value="label=food/fruit">' in control(shipped.gallery("stamps"), None)
