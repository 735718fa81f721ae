"""The command ``choose``."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from retrieval.cli import main
from retrieval.measure import drawn, scale


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "SIZES", (200, 400, 785))
    monkeypatch.setattr(drawn, "NEARS", (8,))
    monkeypatch.setattr(drawn, "STEPS", (0.8,))


def told(capsys: pytest.CaptureFixture[str], *more: str) -> str:
    assert main(["choose", "--gallery", "stamps", *more]) == 0
    return capsys.readouterr().out


@pytest.mark.usefixtures("unshipped")
def test_it_answers_in_words(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = told(capsys, "--cache", str(tmp_path), "--reads", "image")
    assert out.startswith("Recommended: DINO")
    for part in ("Next: ", "When to pick something else", "[rule]", "[arithmetic]", "[against]"):
        assert part in out
    assert "not measured on this machine" in out
    assert "--row 0" in out


def test_what_it_measured_has_its_date_and_receipt(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, small: None
) -> None:
    more = ("--cache", str(tmp_path), "--runs", "space", "--reads", "image", "--json")
    answer = json.loads(told(capsys, *more, "--measure", "600"))
    exact = answer["exact_enough_up_to"]
    assert exact["low"] <= exact["value"] <= exact["high"]
    assert len(exact["receipt"]) == 12
    kinds = {each["kind"] for each in answer["recommended"]["reasons"]}
    assert "measured here" in kinds
    measured = [each for each in answer["recommended"]["reasons"] if each["receipt"]]
    assert all(each["at"].startswith("20") for each in measured)
    assert answer["rules"] == ["image", "general", answer["size"]]


def test_it_answers_as_csv(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = told(capsys, "--cache", str(tmp_path), "--csv", "--tenants", "yes")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert {row["stack"] for row in rows} == {"recommended", "runner_up"}
    assert {row["part"] for row in rows} == {"embedder", "index", "reasons", "costs", "against"}
    assert next(row["text"] for row in rows if row["part"] == "index") == "Qdrant"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["--now", "0"], "now (pictures) is 0"),
        (["--later", "1e15"], "must be from 1 to 1,000,000,000,000"),
        (["--later", "nan"], "later (pictures) is nan"),
        (["--ms", "-1"], "ms is -1"),
        (["--ram", "0"], "memory (GB) is 0"),
        (["--measure", "0"], "--measure is 0"),
        (["--measure", "nan"], "--measure is nan"),
        (["--gallery", "none"], "no gallery is called"),
    ],
)
def test_nonsense_is_one_sentence(
    capsys: pytest.CaptureFixture[str], more: list[str], why: str
) -> None:
    assert main(["choose", "--gallery", "stamps", *more]) == 2
    said = capsys.readouterr().err
    assert why in said
    assert said.count("\n") == 1
