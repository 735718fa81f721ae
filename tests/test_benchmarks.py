"""Every benchmark is listed and prints one kind of line; no test here looks at a clock."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_type_hints

import pytest

from benchmarks import __main__ as runner
from benchmarks import beyond, overhead, scaling
from benchmarks.exact import made
from benchmarks.report import COLUMNS, Figure, Target, interleaved, rates, table
from retrieval.errors import BadVectors
from retrieval.runtime import machine
from retrieval.types import Metric
from tests.vectors import drawn

ROOT = Path(__file__).parents[1]
ALL = {"embed", "exact", "filters", "overhead", "page", "panel", "start"}


@pytest.fixture(autouse=True)
def this_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(runner.FOREIGN, raising=False)


def test_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.run(["--list"]) == 0
    assert ALL <= set(capsys.readouterr().out.split())


@pytest.mark.parametrize("name", runner.names())
def test_each_gives_figures_and_says_what_it_is(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    module = importlib.import_module(f"benchmarks.{name}")
    assert get_type_hints(module.figures)["return"] == Iterator[Figure]
    with pytest.raises(SystemExit, match="0"):
        runner.run([name, "--help"])
    assert "--runs" in capsys.readouterr().out


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.run(["speed"]) == 2
    said = f"no benchmark is called 'speed'; there are: {', '.join(runner.names())}"
    assert said in capsys.readouterr().out


def test_another_processors_arithmetic_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "exact"],
        cwd=ROOT,
        env={**os.environ, runner.FOREIGN: "Haswell"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "env -u OPENBLAS_CORETYPE python -m benchmarks" in done.stdout


def test_a_ratio_is_of_medians_and_its_spread_of_runs() -> None:
    figure = Figure("x", "ms", [1.0, 2.0, 9.0], [2.0, 4.0, 2.0], Target("<=", 1.0))
    assert figure.ratio == 1.0
    assert figure.spread == pytest.approx((0.5, 3.7))
    assert figure.met is True
    assert len(figure.cells()) == len(COLUMNS)


@pytest.mark.parametrize(
    ("target", "met", "said"),
    [
        (Target("<=", 1.05, plus=10), True, "<= 1.05x + 10 us"),
        (Target("<=", 1.05), False, "<= 1.05x"),
        (Target("<=", 0, plus=30), True, "<= 30 us"),
        (Target(">=", 1.2), True, ">= 1.2x"),
        (Target(">=", 1.3), False, ">= 1.3x"),
    ],
)
def test_a_target_is_met_or_not(target: Target, met: bool, said: str) -> None:
    figure = Figure("x", "us", [25.0], [20.0], target)
    assert figure.met is met
    assert figure.cells()[-2:] == [said, "yes" if met else "NO"]


def test_a_missed_target_is_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    kept = Figure("kept", "ms", [1.0], [1.0], Target("<=", 1))
    missed = Figure("missed", "ms", [2.0], [1.0], Target("<=", 1))
    assert table("Two", [kept]) == 0
    assert table("Two", [missed, kept], gallery="stamps") == 1
    out = capsys.readouterr().out
    assert "numpy" in out and "gallery: stamps" in out
    assert [line.split()[-1] for line in out.splitlines() if line.startswith("  missed")] == ["NO"]


def test_sides_are_measured_in_turn() -> None:
    calls: list[str] = []
    sides = {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}
    times = interleaved(sides, 3)
    assert "".join(calls) == "ab" + "ab" + "ba" + "ab"
    assert [len(each) for each in times.values()] == [3, 3]


def test_rates_are_the_other_way_round() -> None:
    assert rates([0.5, 2.0], 4) == [8.0, 2.0]


def test_a_small_one_prints_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert overhead.main(["--runs", "5", "--size", "300", "16"]) in (0, 1)
    lines = capsys.readouterr().out.splitlines()
    (line,) = [each for each in lines if each.startswith("  300 x 16, k 10")]
    assert line.split()[-1] in ("yes", "NO")
    assert "<= 1.05x + 10 us" in line


def drawn_figures(count: int, seconds: float) -> list[Figure]:
    stored = drawn(Metric.COSINE, 200)
    names = {"faiss-ivf": "IVF{nlist},Flat", "faiss-sq8": "SQ8"}
    return list(beyond.figures("clusters", stored, count, names, 2, seconds))


def test_drawn_vectors_have_their_lines() -> None:
    lines = drawn_figures(3000, 60)
    told = [line.what for line in lines]
    assert told[0] == "clusters: 3,000 drawn x 64: exact, one query"
    assert "drawn rows beside real ones: first" in lines[0].note
    assert [each for each in told if "64 queries" in each] and "building faiss-ivf" in told[-2]
    assert all(line.ours and line.theirs for line in lines)
    assert [line.met for line in lines if "FAISS default" in line.what] == [None] * 3


def test_what_has_no_room_or_takes_long_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    left = drawn_figures(2000, 1e-6)[-2]
    assert "left out: about" in left.note and left.met is None
    assert left.cells() == ["left out", *[""] * (len(COLUMNS) - 1)]  # and not 0 s
    monkeypatch.setattr(machine, "memory", lambda: 10_000_000)
    with pytest.raises(BadVectors, match="a copy take 0.1 GB of 0.0 GB; draw from 1,000 to 14,"):
        drawn_figures(100_000, 60)


def test_scaling_says_size_recall_and_how_long_building_took() -> None:
    vectors, queries = drawn(Metric.COSINE, 300), drawn(Metric.COSINE, 5, seed=1)
    with made("exact", vectors) as exact:
        truth = exact.search(queries, scaling.K)[1]
        line = scaling.figure("faiss-flat", exact, vectors, queries, truth)
    assert line.what == "faiss-flat, 300 rows" and len(line.ours) == len(line.theirs) == 5
    size, recalled, took = line.note.split(", ")
    assert (size, recalled) == ("256 bytes a row", "recall@10 1.000")
    assert took.startswith("built in ") and took.endswith(" s")
