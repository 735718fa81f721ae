"""What a result came of, and the same again."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from retrieval.cli import main
from retrieval.errors import BadQuery, UnknownName
from retrieval.lab import Lab
from retrieval.measure import receipts
from retrieval.measure.receipts import Receipt
from retrieval.panel import Panel
from retrieval.query import Query

PANELS = [Panel.parse("conse-lite2@faiss-hnsw?efSearch=8"), Panel.parse("phash@exact")]


def written(lab: Lab, query: Query) -> Receipt:
    gallery = lab.gallery("stamps")
    results = list(lab.compare("stamps", PANELS, query, 5))
    made = receipts.receipt(lab, gallery, PANELS, query, 5, results)
    return receipts.read(json.dumps(made).encode())


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(cache=tmp_path)


def test_the_same_again(lab: Lab) -> None:
    old = written(lab, Query(row=3))
    new = receipts.replay(lab, old)
    assert receipts.differences(old, new) == []
    assert receipts.circumstances(old, new) == []
    assert old["panels"][0]["key"]["knobs"] == {"M": 16, "efConstruction": 40}
    assert len(old["panels"][0]["rows"]) == 5


def test_a_text_that_only_one_panel_reads(lab: Lab) -> None:
    old = written(lab, Query(text="a bird"))
    assert "reads pictures only" in old["panels"][1]["problem"]
    assert receipts.differences(old, receipts.replay(lab, old)) == []


def test_a_picture_is_told_by_its_hash_and_given_again(lab: Lab) -> None:
    data = lab.gallery("stamps").encoded(7)
    old = written(lab, Query(image=data, crop=(0, 0, 0.5, 1)))
    assert set(old["query"]) == {"image_sha256", "crop"}
    assert receipts.differences(old, receipts.replay(lab, old, data)) == []
    with pytest.raises(BadQuery, match="give it with --image"):
        receipts.replay(lab, old)
    with pytest.raises(BadQuery, match="not that of the receipt"):
        receipts.replay(lab, old, lab.gallery("stamps").encoded(8))


def test_what_differs_is_said(lab: Lab) -> None:
    old = written(lab, Query(row=3))
    new = receipts.replay(lab, old)
    was = copy.deepcopy(old)
    rows = was["panels"][0]["rows"]
    rows[1], rows[2] = rows[2], rows[1]
    was["panels"][1]["scores"][0] -= 0.25
    first, second = receipts.differences(was, new)
    assert first.endswith("rows differ from rank 2 on; 5 of 5 are still among them")
    assert second == "phash@exact: same rows, scores differ by up to 0.25000"


def test_what_may_be_why_is_said(lab: Lab) -> None:
    old = written(lab, Query(row=3))
    new = receipts.replay(lab, old)
    was = copy.deepcopy(old)
    was["machine"], was["versions"]["numpy"] = "Abacus", "0.1"
    was["gallery"]["revision"] = "older"
    was["panels"][0]["key"]["precision"] = "bfloat16"
    told = "\n".join(receipts.circumstances(was, new))
    for part in ("Abacus then", "numpy 0.1 then", "another revision", "precision was 'bfloat16'"):
        assert part in told


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"format": 2}',
        b'{"format": 1}',
        b'{"format": 1, "panels": 3}',
        b"[" * 100_000,
        b"\xff\xfe",
        b" " * 2_000_000,
    ],
)
def test_what_is_no_receipt_is_refused(data: bytes) -> None:
    with pytest.raises(BadQuery, match="this is no receipt of format 1"):
        receipts.read(data)


@pytest.mark.parametrize(
    "harm",
    [
        {"query": {"text": 5}},
        {"query": {"row": "3"}},
        {"query": {}},
        {"query": {"row": 3, "crop": [1]}},
        {"query": {"row": 10**8}},
        {"k": 10**9},
    ],
)
def test_a_receipt_that_was_changed_is_refused(lab: Lab, harm: dict[str, object]) -> None:
    with pytest.raises(BadQuery):
        receipts.replay(lab, {**written(lab, Query(row=3)), **harm})


@pytest.mark.parametrize(
    "harm",
    [
        {"k": float("inf")},
        {"panels": [{"rows": [float("inf")]}]},
        {"panels": [{"rows": [1, 2, 3]}]},
        {"panels": [{"scores": []}]},
        {"panels": [{"scores": [float("nan")] * 5}]},
    ],
)
def test_numbers_that_are_none_are_refused(lab: Lab, harm: dict[str, Any]) -> None:
    old: dict[str, Any] = written(lab, Query(row=3))
    for panel, other in zip(old["panels"], harm.pop("panels", ()), strict=False):
        panel.update(other)
    with pytest.raises(BadQuery, match="this is no receipt of format 1"):
        receipts.read(json.dumps({**old, **harm}).encode())


def test_a_gallery_that_is_not_here(lab: Lab) -> None:
    old = written(lab, Query(row=3))
    old["gallery"]["name"] = "elsewhere"
    with pytest.raises(UnknownName, match="no gallery is called 'elsewhere'"):
        receipts.replay(lab, old)


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "receipt.json"
    asked = ["--panel", "phash@exact", "--row", "3", "-k", "4", "--receipt", str(file)]
    assert main(["compare", *asked, "--cache", str(tmp_path)]) == 0
    capsys.readouterr()
    assert main(["replay", str(file), "--cache", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "the same 4 rows in the same order\n"
    assert main(["replay", str(file), "--cache", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["same"] is True
    assert main(["replay", str(tmp_path / "none.json")]) == 2
    assert "give the receipt's path" in capsys.readouterr().err
