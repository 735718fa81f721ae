"""``python -m retrieval duplicates``."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from retrieval.cli import main

QUICK = ("duplicates", "--embedder", "colours")


def answer(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, Any]:
    assert main([*QUICK, *argv, "--json"]) == 0
    given: dict[str, Any] = json.loads(capsys.readouterr().out)
    return given


def test_groups_of_both_ways(capsys: pytest.CaptureFixture[str]) -> None:
    given = answer(capsys, "--radius", "8")
    assert given["hash"]["pairs"] == 22
    assert given["embedding"]["pairs"] <= 22 and given["embedding"]["equal_pairs"]
    kinds = {each["found_by"] for each in given["groups"]}
    assert kinds <= {"both", "hash only", "embedding only"}
    assert len(given["groups"]) >= given["hash"]["groups"]
    assert all(len(each["pictures"]) > 1 for each in given["groups"])


def test_measuring_first(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    given = answer(capsys, "--measure", "104", "--cache", str(tmp_path))
    rates = [each for each in given["detection"] if each["embedder"] == "phash"]
    assert len(rates) == 26
    assert {each["pictures"] for each in rates} == {104}
    jpeg = [each["detected"] for each in rates if each["distortion"] == "jpeg"]
    assert jpeg[0] > 0.9  # a hash hardly sees JPEG


def test_pairs_that_were_picked(capsys: pytest.CaptureFixture[str]) -> None:
    given = answer(capsys, "--gallery", "clipart")
    assert [each["embedder"] for each in given["truth"]] == ["phash", "colours"]
    assert all(each["auc_low"] < each["auc"] < each["auc_high"] for each in given["truth"])


def test_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*QUICK, "--gallery", "clipart"]) == 0
    said = capsys.readouterr().out
    for part in ("near-duplicates", "hash only", "the first 12 groups", "picked by looking", "AUC"):
        assert part in said
    assert main([*QUICK, "--csv", "groups"]) == 0
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {"gallery", "group", "row", "found_by", "source", "caption"} == set(lines[0])
    assert main([*QUICK, "--csv", "truth"]) == 0
    assert capsys.readouterr().out.strip() == "truth"  # nobody has picked pairs of the stamps


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (("--radius", "65"), "radius is 65"),
        (("--radius", "nan"), "radius is nan"),
        (("--radius", "64"), "stricter threshold"),
        (("--threshold", "1.5"), "threshold is 1.5"),
        (("--threshold", "nan"), "threshold is nan"),
        (("--threshold", "-1"), "stricter threshold"),
        (("--hash", "colours"), "cannot stand here"),
        (("--hash", "phas"), "no embedder is called 'phas'"),
        (("--measure", "0"), "at least 1"),
        (("--measure", "4", "--seconds", "0"), "--seconds is 0"),
        (("--measure", "4", "--seconds", "nan"), "--seconds is nan"),
    ],
)
def test_what_is_refused(
    capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], why: str
) -> None:
    assert main([*QUICK, *argv]) == 2
    said = capsys.readouterr().err
    assert why in said and said.count("\n") == 1
