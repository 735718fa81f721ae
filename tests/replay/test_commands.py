"""Receipts of every command: the same again, what differs, and those that were harmed."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from retrieval.cli import main
from retrieval.measure import tables

Written = dict[str, Any]
COMMANDS = {
    "evaluate": ["evaluate", "--embedder", "phash", "--language", "en"],
    "pairs": ["evaluate", "--pair", "phash", "dhash", "--by", "label"],
    "split": ["evaluate", "--panel", "phash@exact"],
    "calibrate": ["calibrate", "--embedder", "phash"],
    "sweep": ["sweep", "--embedder", "phash", "--index", "exact", "--count", "20", "--csv"],
    "scale": ["sweep", "--embedder", "conse-lite2", "--scale", "--index", "faiss-hnsw"],
    "duplicates": ["duplicates", "--embedder", "colours", "--radius", "4"],
    "choose": ["choose", "--runs", "cpu"],
}


@pytest.fixture(scope="module")
def made() -> dict[str, Written]:
    """What each command has written, once."""
    return {}


def written(
    name: str, made: dict[str, Written], cache: Path, capsys: pytest.CaptureFixture[str]
) -> Written:
    if name not in made:
        more = ["--gallery", "stamps", "--cache", str(cache), "--json"]
        assert main([*COMMANDS[name], *more]) == 0
        made[name] = json.loads(capsys.readouterr().out)
    given = copy.deepcopy(made[name])
    for each in given.get("detection", []):  # as if fewer pictures had been measured
        each["pictures"] = 2
    return given


def replay(given: Written, cache: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, Written]:
    path = cache / "receipt.json"
    path.write_text(json.dumps(given), "utf-8")
    code = main(["replay", str(path), "--cache", str(cache), "--json"])
    said = capsys.readouterr()
    return code, json.loads(said.out) if code == 0 else {"problem": said.err}


@pytest.mark.parametrize("name", [each for each in COMMANDS if each != "duplicates"])
def test_the_same_again(
    name: str, made: dict[str, Written], cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = written(name, made, cache, capsys)
    assert given["format"] == 1 and given["gallery_revision"] and given["versions"]["numpy"]
    assert datetime.fromisoformat(given["written"]).tzinfo is not None
    code, told = replay(given, cache, capsys)
    assert (code, told["differences"], told["same"]) == (0, [], True)
    assert told["count"] > 0
    timed = [f"{column}: " for column in tables.TIMED]
    assert [each for each in told["circumstances"] if not each.startswith(tuple(timed))] == []


@pytest.mark.parametrize(
    "more",
    [
        ["evaluate", "--panel", "phash@exact", "-k", "200"],
        ["sweep", "--embedder", "phash", "--index", "exact", "-k", "200", "--count", "20000"],
    ],
)
def test_whatever_a_command_takes_it_can_be_run_again(
    more: list[str], cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*more, "--gallery", "stamps", "--cache", str(cache), "--json"]) == 0
    given = json.loads(capsys.readouterr().out)
    assert replay(given, cache, capsys)[1]["same"] is True


def test_duplicates_are_looked_for_again(
    made: dict[str, Written], cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = written("duplicates", made, cache, capsys)
    _, told = replay(given, cache, capsys)  # the shares of 100 pictures are not those of 2
    assert told["differences"] and all(
        " was 0." in each or " was 1," in each or "more" in each for each in told["differences"]
    ), told["differences"]
    fresh = [row for row in told["rows"] if row["table"] == "detection"]
    given["detection"] = []
    assert replay(given, cache, capsys)[1]["same"] is True
    again_ = {**given, "rows": [*told["rows"]]}
    assert len(fresh) == 2 * len({row["name"].split(" ", 1)[1] for row in fresh})
    assert replay(again_, cache, capsys)[1]["same"] is True
    given["groups"][0]["pictures"][0]["row"] += 1
    assert "not there any more" in replay(given, cache, capsys)[1]["differences"][0]


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("evaluate", lambda it: it["measured"][0]["metrics"]["R@1"].update(mean=0.9), "was 0.9"),
        ("pairs", lambda it: it["labels"][0]["panels"]["phash@exact"].update(found=-1), "was -1"),
        ("calibrate", lambda it: it["fits"][0]["reliability"].update(base=0.5), "was 0.5, is"),
        ("sweep", lambda it: it["sweeps"][0]["points"][0].update(recall=0.1), "was 0.1, is 1"),
        ("sweep", lambda it: it["sweeps"][0].update(build={"M": 9}), "build was M=9, is"),
        ("scale", lambda it: it["scale"][0].update(recall=0.1), "recall was 0.1, is"),
        ("choose", lambda it: it["recommended"]["index"].update(title="X"), "text was X, is"),
        ("evaluate", lambda it: it["measured"][0].update(task="gone"), "not there any more"),
    ],
)
def test_what_differs_is_said(
    name: str,
    change: Callable[[Written], None],
    said: str,
    made: dict[str, Written],
    cache: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = written(name, made, cache, capsys)
    change(given)
    code, told = replay(given, cache, capsys)
    assert code == 0 and told["same"] is False
    assert said in "\n".join(told["differences"])


def test_a_sweep_of_more_than_usual_runs_again(
    tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--index", "faiss-binary-hnsw", "--count", "20000", "-k", "200"]
    sweep = ["sweep", "--gallery", "stamps", "--embedder", "phash", *words]
    assert main([*sweep, "--seconds", "60", "--cache", str(cache), "--json"]) == 0
    given = json.loads(capsys.readouterr().out)
    assert given["sweeps"][0]["build"]["M"]
    given["sweeps"][0]["points"] = given["sweeps"][0]["points"][:1]
    code, told = replay(given, cache, capsys)
    assert (code, told["same"], told["count"]) == (0, True, 1)


def test_what_may_be_why_is_said(
    made: dict[str, Written], cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = written("evaluate", made, cache, capsys)
    given |= {"gallery_revision": "older", "machine": "Abacus", "python": "2.7"}
    given["versions"]["numpy"] = "0.1"
    given["keys"]["phash"]["preprocessing"] = "another"
    told = "\n".join(replay(given, cache, capsys)[1]["circumstances"])
    for part in ("another revision", "Abacus then", "2.7 then", "numpy: 0.1", "was 'another'"):
        assert part in told
    path = cache / "receipt.json"
    assert main(["replay", str(path), "--cache", str(cache)]) == 0
    assert "since then:\n  machine: Abacus then" in capsys.readouterr().out


HARMS: list[tuple[str, Callable[[Written], object]]] = [
    ("evaluate", lambda it: it.update(kind="rm -rf")),
    ("evaluate", lambda it: it.update(kind=["evaluate"])),
    ("evaluate", lambda it: it.pop("measured")),
    ("evaluate", lambda it: it.update(measured=[])),
    ("evaluate", lambda it: it.update(measured=5)),
    ("evaluate", lambda it: it.update(rows=[5])),
    ("evaluate", lambda it: it.update(rows=[{}] * 30_000)),
    ("evaluate", lambda it: it.pop("keys")),
    ("evaluate", lambda it: it.update(keys=5)),
    ("evaluate", lambda it: it.update(versions=None)),
    ("evaluate", lambda it: it.update(gallery="../../etc/passwd")),
    ("evaluate", lambda it: it["options"].update(embedder="phash")),
    ("evaluate", lambda it: it["options"].update(embedder=["../../etc/passwd"])),
    ("evaluate", lambda it: it["options"].update(embedder=["phash"] * 1000)),
    ("evaluate", lambda it: it["options"].update(panel=["phash@../../x"], pair=None)),
    ("pairs", lambda it: it["options"].update(pair=[1, 2])),
    ("split", lambda it: it["options"].update(k=10**30)),
    ("sweep", lambda it: it["options"].update(count=10**12)),
    ("sweep", lambda it: it["options"].update(count=True)),
    ("sweep", lambda it: it["options"].update(k=-1)),
    ("sweep", lambda it: it["sweeps"][0].update(index="../x")),
    ("sweep", lambda it: it["sweeps"][0].update(queries="sound")),
    ("sweep", lambda it: it["sweeps"][0]["points"][0].update(knobs={"nprobe": 10**9})),
    ("sweep", lambda it: it["sweeps"][0]["points"][0].update(knobs="a=b=c")),
    ("sweep", lambda it: it["sweeps"][0]["points"][0].update(knobs={"a": float("inf")})),
    ("scale", lambda it: it["scale"][0].update(count=10**15)),
    ("scale", lambda it: it["scale"][0].update(count=-5)),
    ("scale", lambda it: it["scale"][0].update(knobs={"efSearch": 10**9})),
    ("scale", lambda it: it["keys"].update(other={})),
    ("duplicates", lambda it: it["options"].update(radius="8")),
    ("duplicates", lambda it: it["options"].update(radius=10**9)),
    ("duplicates", lambda it: it["options"].update(threshold=float("nan"))),
    ("duplicates", lambda it: it["options"].update(hash="../x")),
    ("duplicates", lambda it: it["detection"][0].update(pictures=10**12)),
    ("choose", lambda it: it["options"].update(need=[1])),
    ("choose", lambda it: it["options"]["need"].update(now=10**400)),
    ("choose", lambda it: it["options"]["need"].update(reads="smell")),
]


@pytest.mark.parametrize(("name", "harm"), HARMS)
def test_a_harmed_receipt_is_one_sentence(
    name: str,
    harm: Callable[[Written], object],
    made: dict[str, Written],
    cache: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = written(name, made, cache, capsys)
    harm(given)
    code, told = replay(given, cache, capsys)
    assert code == 2
    assert told["problem"].startswith("parallax: ") and told["problem"].count("\n") == 1
    assert "Traceback" not in told["problem"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "5", '{"format": 2, "kind": "sweep"}', "[" * 99_999]
)
def test_what_is_no_receipt(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(text, "utf-8")
    assert main(["replay", str(path), "--cache", str(tmp_path)]) == 2


def test_nothing_beside_the_cache_is_written(
    made: dict[str, Written], cache: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    given = written("evaluate", made, cache, capsys)
    given["options"] |= {"cache": str(tmp_path / "in"), "receipt": str(tmp_path / "out.json")}
    assert replay(given, cache, capsys)[1]["same"] is True
    assert list(tmp_path.iterdir()) == []
