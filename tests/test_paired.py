"""Captions against pictures for the same indexes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from retrieval.cli import main
from retrieval.measure.paired import pairs
from retrieval.measure.sweep import Kind, Point
from retrieval.measure.sweeps import Sweep


def point(recall: float, p50: float, ef: int) -> Point:
    return Point({"efSearch": ef}, recall, p50, p50, p50, 1.0, 1.0)


def swept(kind: Kind, *points: Point, index: str = "faiss-hnsw", machine: str = "here") -> Sweep:
    return Sweep({"index": index, "queries": kind}, points, 1, 1.0, machine, "now")


PICTURE = swept("picture", point(0.97, 0.02, 16), point(0.99, 0.04, 64))
TEXT = swept("text", point(0.6, 0.03, 16), point(0.96, 0.1, 64), point(0.99, 0.5, 512))


def test_a_pair_is_of_one_index_on_one_machine() -> None:
    (pair,) = pairs([PICTURE, TEXT, swept("text", index="exact")])
    assert pair.index == "faiss-hnsw"
    assert pairs([PICTURE, swept("text", point(0.6, 0.03, 16), machine="Abacus")]) == []
    assert pairs([]) == []


def test_the_same_settings_stand_side_by_side() -> None:
    (pair,) = pairs([TEXT, PICTURE])
    assert [one.knobs == other.knobs for one, other in pair.settings()] == [True, True]
    both = pair.default()
    assert both is not None and (both[0].recall, both[1].recall) == (0.97, 0.6)


def test_what_captions_cost_more() -> None:
    (pair,) = pairs([TEXT, PICTURE])
    assert pair.times(0.95) == pytest.approx(0.1 / 0.02)
    assert pair.times(0.995) is None
    told = pair.told(0.98)
    assert told["cheapest"]["text"]["knobs"] == {"efSearch": 512}
    assert told["default"]["picture"]["recall"] == 0.97
    json.dumps(told)


def test_without_the_default_there_is_none() -> None:
    (pair,) = pairs([swept("picture", point(0.9, 1, 4)), swept("text", point(0.9, 1, 8))])
    assert pair.default() is None and pair.settings() == []
    assert pair.told(0.5)["default"] is None


def test_the_command(warm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--count", "20", "--index", "exact", "--index", "faiss-hnsw", "--cache", str(warm)]
    asked = ["sweep", "--gallery", "stamps", "--both", *few]
    assert main([*asked, "--json"]) == 0
    given = json.loads(capsys.readouterr().out)
    kinds = [(each["index"], each["queries"]) for each in given["sweeps"]]
    assert kinds == [
        (name, kind) for kind in ("text", "picture") for name in ("exact", "faiss-hnsw")
    ]
    pair = {each["index"]: each for each in given["pairs"]}
    assert pair["exact"]["default"]["text"]["recall"] == 1.0
    assert pair["faiss-hnsw"]["default"]["text"]["recall"] < 1.0
    assert main(asked) == 0
    assert "Captions against pictures" in capsys.readouterr().out


def test_the_command_says_who_reads_no_text(warm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["sweep", "--gallery", "stamps", "--both", "--embedder", "efficientnet-lite0"]
    assert main([*asked, "--index", "exact", "--cache", str(warm)]) == 2
    assert "reads pictures only" in capsys.readouterr().err
