"""What indexes cost beyond what was measured, and where exact search stops being enough."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from retrieval.cli import main
from retrieval.indexes import INDEXES
from retrieval.lab import Lab
from retrieval.measure import drawn, outlook, scale
from retrieval.measure.drawn import Drawer
from retrieval.measure.growth import grown
from retrieval.measure.notes import Note, Notes
from retrieval.measure.outlook import BEYOND, Outlook, limits, many, rows, said, works
from retrieval.measure.scale import Job, Left, Mark, measure, sizes, stored
from retrieval.measure.sweep import Point
from retrieval.runtime.machine import machine, memory
from tests.bare import unmeasured
from tests.held import ENOUGH

SIZES = (1_000, 10_000, 100_000, 1_000_000)
SMALL = (200, 400, 785, 1200)


def known(
    name: str, times: Sequence[float], where: str = "", recall: float = 1.0, width: int = 1536
) -> Outlook:
    """An index whose query takes so many milliseconds at each size."""
    marks = tuple(
        Mark(name, count, Point({}, recall, ms, ms, ms, 1.0, 1.0), width * count, count / 1e6, {})
        for count, ms in zip(SIZES, times, strict=False)
    )
    body = {"drawn": {"first": 1.0, "tenth": 1.0, "dimension": 1.0}}
    return Outlook(INDEXES.spec(name), Note({}, body, where or machine(), "2026-11-22"), marks)


EXACT = known("exact", (0.02, 0.2, 2.0, 20.0))
HNSW = known("faiss-hnsw", (0.05, 0.06, 0.07, 0.08))


# --- what is told ---------------------------------------------------------------------------------


def test_what_was_measured_is_not_told() -> None:
    figure = EXACT.at(10_000, "ms")
    assert figure == outlook.Figure(0.2, 0.2, 0.2, True)
    assert EXACT.at(20_000, "ms") is None  # between two sizes nothing is said
    assert EXACT.recall(10_000) == 1.0 and EXACT.recall(20_000) is None


def test_exact_search_grows_with_the_vectors() -> None:
    for count in BEYOND:
        figure = EXACT.at(count, "ms")
        assert figure is not None and not figure.measured
        assert figure.value == pytest.approx(2e-5 * count, rel=0.02)
        assert figure.low < figure.value < figure.high
        held = EXACT.at(count, "bytes")
        assert held is not None and held.value == pytest.approx(1536 * count, rel=0.01)


def test_a_graph_and_lists_are_told_by_all_their_forms() -> None:
    assert [works(INDEXES.spec(name)) for name in ("exact", "faiss-hnsw", "faiss-ivf")] == [
        "all",
        "graph",
        "lists",
    ]
    graph, lists = HNSW.growth("ms"), replace(HNSW, spec=INDEXES.spec("faiss-ivf")).growth("ms")
    assert graph and {line.form for line in graph.lines} == {"log n", "root n"}
    assert lists and {line.form for line in lists.lines} == {"root n", "n"}
    assert lists.at(1e9)[2] > graph.at(1e9)[2]  # lists may come to read all


def test_forms_that_are_given_are_kept_unless_they_are_far_off() -> None:
    values = [0.05, 0.06, 0.07, 0.08]
    kept, fitting = grown(SIZES, values, ("log n", "root n", "n")), grown(SIZES, values)
    assert kept and {line.form for line in kept.lines} == {"log n", "root n", "n"}
    assert fitting and [line.form for line in fitting.lines] == ["log n"]
    exhaustive = grown(SIZES, [1e-4 * count for count in SIZES], ("n", "log n"))
    assert exhaustive and [line.form for line in exhaustive.lines] == ["n"]


def test_where_the_recall_is_lost_no_time_is_told() -> None:
    short = known("faiss-sq8", (0.02, 0.2, 2.0), recall=0.9)
    assert short.costs("ms") == [] and short.growth("ms") is None
    assert short.at(BEYOND[0], "ms") is None
    assert short.at(BEYOND[0], "bytes") is not None
    row = next(each for each in rows([short]) if each["count"] == 1_000)
    assert row["measured"] and row["ms"] == 0.02 and row["recall"] == 0.9


def test_two_sizes_tell_nothing_beyond() -> None:
    assert known("exact", (0.02, 0.2)).at(BEYOND[0], "ms") is None


def test_nothing_costs_less_where_there_is_more_of_it() -> None:
    wild = known("faiss-ivf", (0.07, 0.9, 0.06, 1.2))
    for count in BEYOND:
        figure = wild.at(count, "ms")
        assert figure is not None and 0.06 <= figure.low <= figure.value <= figure.high


# --- where exact stops being enough ---------------------------------------------------------------


def test_a_limit_is_where_the_milliseconds_are_passed() -> None:
    (within,) = limits([EXACT, HNSW], 5.0, 1e9)
    assert within.count[0] == pytest.approx(250_000, rel=0.02) and within.measured
    assert within.count[1] < within.count[0] < within.count[2]
    (beyond,) = limits([EXACT], 500.0, 1e9)
    assert beyond.count[0] == pytest.approx(25e6, rel=0.02) and not beyond.measured
    assert within.fits == pytest.approx(1e9 / 1536, rel=0.01)
    told = "; ".join(said(within, 1e9))
    assert "up to some 250 k vectors on this machine (95 % interval" in told
    assert "measured)" in told and "extrapolated)" in "; ".join(said(beyond, 1e9))


def test_a_limit_below_what_was_measured_is_not_told_as_measured() -> None:
    (below,) = limits([EXACT], 0.01, 1e9)
    assert below.count[0] == pytest.approx(500, rel=0.02) and not below.measured
    assert "extrapolated)" in said(below, 1e9)[0]


def test_who_is_faster_is_told_from_where() -> None:
    (limit,) = limits([EXACT, HNSW], 5.0, 1e9)
    assert limit.beaten == (10_000, "FAISS HNSW")
    partly = replace(HNSW, marks=HNSW.marks[:2])  # it was measured at two sizes only
    assert limits([EXACT, partly], 5.0, 1e9)[0].beaten == (10_000, "FAISS HNSW")
    slow = known("faiss-hnsw", (1, 2, 3, 30))
    assert limits([EXACT, slow], 5.0, 1e9)[0].beaten is None
    assert limits([HNSW], 5.0, 1e9) == []  # no exact search was measured


def test_machines_are_not_compared() -> None:
    away = known("faiss-hnsw", (0.001,) * 4, where="Abacus, 1 core")
    (limit,) = limits([EXACT, away], 5.0, 1e9)
    assert limit.beaten is None
    far = known("exact", (0.02, 0.2, 2.0, 20.0), where="Abacus, 1 core")
    assert "on another machine" in said(limits([far], 5.0, 1e9)[0], 1e9)[0]


def test_many_is_short() -> None:
    counts = (7, 999, 1000, 1234, 99_600, 610_000, 999_800, 1e6, 1.5e9, 25e10)
    assert [many(each) for each in counts] == [
        "7", "999", "1 k", "1.2 k", "100 k", "610 k", "1 M", "1 M", "1.5 B", "250 B",
    ]  # fmt: skip


# --- measured -------------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setattr(scale, "SIZES", SMALL)
    monkeypatch.setattr(drawn, "NEARS", (8,))
    monkeypatch.setattr(drawn, "STEPS", (0.8,))
    return unmeasured(tmp_path)


def job(lab: Lab) -> Job:
    specs = [INDEXES.spec(name) for name in ("exact", "faiss-hnsw")]
    return Job(lab.gallery("stamps"), lab.spec("conse-lite2"), specs)


def test_memory_bounds_the_sizes(here: Lab) -> None:
    room = 3 * 4 * 384 * 400
    assert sizes(384, room=room) == [200, 400]
    assert sizes(384, room=room - 1) == [200]
    assert sizes(384, room=0) == []
    assert sizes(384) == [each for each in SMALL if 12 * 384 * each <= memory() / 4]
    steps = list(measure(here, job(here), ENOUGH, room=room))
    assert {step.count for step in steps} == {200, 400}
    assert not [step for step in steps if isinstance(step, Left)]


def test_drawing_counts_as_time(here: Lab) -> None:
    running = scale.Running(here, job(here))
    running.drawing.ready()
    assert 0 < running._expected([], 5_000) < 5_000
    running.drawing.pace = 1.0
    drawn = 5_000 - len(here.gallery("stamps"))
    assert running._expected([], 5_000) == drawn
    assert running._expected([EXACT.marks[0]], 5_000) > drawn


def test_what_takes_long_to_draw_is_not_begun(here: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though its index is known to be fast, and nothing was drawn yet this time."""
    spec = job(here).indexes[0]
    mark = Mark(spec.name, SMALL[0], EXACT.marks[0].point, 1, 0.0, {})
    asked = Job(here.gallery("stamps"), here.spec("conse-lite2"), [spec])
    body = {"marks": [asdict(mark)], "drawn": {}}
    scale.notes(here).save(asked.key(spec.name), body)
    draw = Drawer.draw

    def slow(drawer: Drawer, count: int, seed: int = 0) -> Any:
        time.sleep(count / 10_000)
        return draw(drawer, count, seed)

    monkeypatch.setattr(Drawer, "draw", slow)
    monkeypatch.setattr(scale, "SIZES", (SMALL[0], 10**6))
    start = time.monotonic()
    steps = list(measure(here, asked, 60, room=1e11))
    assert time.monotonic() - start < 60  # drawing them would take a hundred seconds
    assert [
        (step.count, isinstance(step, Left) and "longer than" in step.problem) for step in steps
    ] == [(10**6, True)]


def test_what_ships_is_found_and_marked(here: Lab) -> None:
    list(measure(here, job(here), ENOUGH))
    other = Lab(data=here.data, cache=here.cache.parent / "other")
    assert stored(other, job(other)) == {}
    (here.cache / "scales").rename(here.data / "scales")
    found = outlook.outlooks(other, job(other))
    assert [each.spec.name for each in found] == ["exact", "faiss-hnsw"]
    for file in (here.data / "scales").rglob("note.json"):
        file.write_text(file.read_text().replace(machine(), "Abacus, 1 core"))
    assert stored(other, job(other)) == {}  # its manifest says that it was changed


def test_a_receipt_of_what_ships_is_found(tmp_path: Path) -> None:
    made = Notes(tmp_path / "shipped").save({"a": 1}, {"value": 1})
    notes = Notes(tmp_path / "cache", tmp_path / "shipped")
    assert notes.named(made.name) == notes.find({"a": 1}) == made
    newer = notes.save({"a": 1}, {"value": 2})
    assert notes.named(made.name) == newer
    assert len(list(notes.folders())) == 2


# --- the command ----------------------------------------------------------------------------------


def command(cache: Path, *more: str) -> list[str]:
    few = ("--index", "exact", "--index", "faiss-hnsw", "--seconds", "600", "--memory", "4MB")
    return ["sweep", "--scale", "--gallery", "stamps", *few, *more, "--cache", str(cache)]


@pytest.mark.usefixtures("unshipped")
def test_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scale, "SIZES", SMALL)
    assert main(command(tmp_path, "--json")) == 0
    given = json.loads(capsys.readouterr().out)
    assert given["target"] == 0.95 and set(given["drawn"]) == {"first", "tenth", "dimension"}
    counts = {row["count"]: row["measured"] for row in given["scale"] if row["index"] == "exact"}
    assert counts == {200: True, 400: True, 785: True, 10**8: False, 10**9: False}  # 4 MB
    told = next(row for row in given["scale"] if row["count"] == 10**9)
    assert told["ms_low"] <= told["ms"] <= told["ms_high"] and told["recall"] is None
    assert given["exact"][0]["count"]["low"] <= given["exact"][0]["count"]["value"]

    assert main(command(tmp_path, "--csv")) == 0
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(lines) == len(given["scale"])
    assert {each["measured"] for each in lines} == {"True", "False"}

    assert main(command(tmp_path)) == 0
    out = capsys.readouterr().out
    assert "~ is extrapolated" in out and "keeps to 20 ms a query" in out
    assert "[" in out or "too uncertain" in out  # it depends on how busy the machine is


@pytest.mark.usefixtures("unshipped")
def test_the_command_without_time_or_room(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(command(tmp_path)) == 2  # 1,000 vectors take more than 4 MB
    assert "nothing was measured; give more --memory" in capsys.readouterr().err
    monkeypatch.setattr(scale, "SIZES", SMALL)
    given = [each if each != "600" else "0" for each in command(tmp_path)]
    assert main(given) == 2
    assert "nothing was measured; give more --seconds" in capsys.readouterr().err


@pytest.mark.usefixtures("unshipped")
def test_the_command_where_nothing_can_be_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scale, "SIZES", SMALL)
    monkeypatch.setattr(drawn, "FEWEST", 10**6)
    assert main(command(tmp_path)) == 2
    said = capsys.readouterr().err
    assert "nothing was measured; " in said and "vectors are too few to draw around" in said
    assert "--seconds" not in said


@pytest.mark.parametrize("flag", [["-k", "5"], ["--count", "9"], ["--recall", "0.9"]])
def test_a_flag_that_scale_does_not_heed_is_refused(
    flag: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(tmp_path, *flag)) == 2
    assert f"--scale does not heed {flag[0]};" in capsys.readouterr().err


def test_bits_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(tmp_path, "--embedder", "phash")) == 2
    assert "makes bits; scale is measured for vectors only" in capsys.readouterr().err
