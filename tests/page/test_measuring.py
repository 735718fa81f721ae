"""What the tabs measure and keep, without a browser."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from retrieval.errors import BadQuery, LabError, NotReady, Refused
from retrieval.lab import Lab
from retrieval.measure.metrics import NAMES
from retrieval.measure.quality import Task
from retrieval.measure.rounds import Running, rounds
from retrieval.measure.sweep import asked, grid
from retrieval.measure.sweeps import merged
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.types import Result
from retrieval.ui import fields, turn
from retrieval.ui.address import Address
from retrieval.ui.kept import MOST, Kept
from retrieval.ui.ratings import Rating
from retrieval.ui.splits import splits
from retrieval.ui.tables import rated
from tests.bare import unmeasured
from tests.fake_lab import FakeGallery, FakeLab, menu
from tests.held import ENOUGH
from tests.page.test_plots import FEW, SPECS, curves, job, point, stored

# --- rounds ---------------------------------------------------------------------------------------


def test_rounds_begin_with_every_default_and_end_where_they_are_left(tmp_path: Path) -> None:
    lab = unmeasured(tmp_path)
    steps = rounds(lab, job(lab), ENOUGH)
    first = [next(steps) for _ in SPECS]
    assert [each.index for each in first] == list(FEW)
    for spec, step in zip(SPECS, first, strict=True):
        usual = {each.name: each.default for each in spec.knobs if each.when == "query"}
        assert step.point is not None and step.point.knobs == usual
    assert all(curve.sweep is None for curve in curves(lab))
    steps.close()
    assert [len(curve.points) for curve in curves(lab)] == [1, 1, 1]


def test_the_next_rounds_begin_with_what_is_missing(tmp_path: Path) -> None:
    lab = unmeasured(tmp_path)
    steps = rounds(lab, job(lab), ENOUGH)
    done = [next(steps) for _ in range(4)]
    steps.close()
    queries = asked(lab, lab.gallery("stamps"), "conse-lite2", "picture", 10, 200)
    order = Running(lab, job(lab), queries).order()
    assert len(order) == sum(len(grid(spec)) for spec in SPECS)
    measured = [(each.index, each.point.knobs) for each in done if each.point]
    assert order[-4:] == [each for each in order if each in measured]


def test_an_index_that_fails_costs_its_own_points_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = unmeasured(tmp_path)
    real = lab.index

    def broken(gallery: object, panel: Panel, *more: object) -> object:
        if panel.index == "faiss-hnsw":
            raise RuntimeError("it broke")
        return real(lab.gallery("stamps"), panel)

    monkeypatch.setattr(lab, "index", broken)
    steps = list(rounds(lab, job(lab), ENOUGH))
    assert [each.problem for each in steps if each.problem] == ["faiss-hnsw failed: it broke"]
    assert {each.index for each in steps if each.point} == {"exact", "faiss-ivf"}


def test_no_seconds_are_no_points(tmp_path: Path) -> None:
    lab = unmeasured(tmp_path)
    assert list(rounds(lab, job(lab), 0)) == []
    assert all(curve.sweep is None for curve in curves(lab))


def test_what_was_measured_before_stays_beside_the_new(tmp_path: Path) -> None:
    _, old = stored(unmeasured(tmp_path))
    again = point(0.81, 0.02, efSearch=16)
    new = replace(old, points=(again,), at="2026-11-23T10:00:00+00:00")
    assert [each.knobs["efSearch"] for each in merged(old, new).points] == [64, 16]
    assert merged(old, new).points[-1] is again
    assert merged(replace(old, machine="Abacus, 1 core"), new).points == (again,)
    assert merged(None, new) is new


# --- quality --------------------------------------------------------------------------------------


def rating(embedder: str, values: list[float], panel: Panel | None = None) -> Rating:
    rows = np.arange(len(values), dtype=np.int64)
    task = Task("caption to picture (en)", rows, tuple("abcd"[: len(values)]), rows)
    columns = 2 if panel else len(NAMES)
    return Rating(task, embedder, panel, [np.array([[each] * columns for each in values])])


def test_the_best_is_bold_and_the_worst_comes_first() -> None:
    good, bad = rating("conse-lite2", [1.0, 0.5, 0.25]), rating("captions", [0.5, 0.5, 0.1])
    half = rating("efficientnet-lite0", [1.0])
    half.task = good.task
    html = rated(FakeGallery(), "caption to picture (en)", [bad, half, good], menu(FakeLab()))
    assert html.index("ConSE Lite2") < html.index("Captions") < html.index("EfficientNet Lite0")
    assert html.count("<b>0.583</b>") == len(NAMES)
    assert "33% measured" in html
    worst = html[html.index("Worst queries of Captions") :]
    assert 'data-text="c" data-embedder="captions"' in worst
    assert "first right at rank 10" in worst
    assert "3 queries" in html and html.count('class="interval"') == 12


def test_an_interval_that_is_no_bootstraps_is_named() -> None:
    same, other = rating("conse-lite2", [1.0, 1.0, 1.0]), rating("captions", [0.5, 1.0, 0.1])
    html = rated(FakeGallery(), "a task", [same], menu(FakeLab()))
    assert "the exact one (Clopper and Pearson 1934)" in html and "0.292–1.000" in html
    assert "Clopper" not in rated(FakeGallery(), "a task", [other], menu(FakeLab()))


def test_exact_search_loses_nothing_and_has_no_interval() -> None:
    both = np.array([[1.0, 1.0], [0.0, 0.0], [1.0, 1.0]])
    exact = rating("conse-lite2", [1.0], Panel("conse-lite2", "exact"))
    graph = rating("conse-lite2", [1.0], Panel("conse-lite2", "faiss-hnsw"))
    exact.parts, graph.parts = [both], [both]
    exact.task = graph.task = rating("captions", [1.0, 0.5, 1.0]).task
    html = splits(FakeGallery(), {"a task": [exact, graph]}, menu(FakeLab()))
    assert html.count("index 0.000") == 2
    assert "<small>[-0.708, 0.708]</small>" in html and "[0.000, 0.000]" not in html


def test_a_problem_stands_in_its_row() -> None:
    broken = rating("conse-lite2", [1.0])
    broken.problem = "no <b>vectors"
    html = rated(FakeGallery(), "a task", [broken], menu(FakeLab()))
    assert "no &lt;b&gt;vectors" in html
    assert "Worst queries" not in html


def test_bars_split_the_error() -> None:
    panel = Panel("conse-lite2", "faiss-hnsw", (("efSearch", 4),))
    lossy = rating("conse-lite2", [1.0, 1.0, 1.0, 1.0], panel)
    lossy.parts = [np.array([[1, 0], [1, 1], [0, 0], [1, 1]], dtype=np.float64)]
    html = splits(FakeGallery(), {"a task": [lossy]}, menu(FakeLab()))
    assert "found 0.500 · model 0.250 · index 0.250" in html
    assert "efSearch 4" in html and 'class="part index" style="width:25.00%"' in html
    lucky = rating("conse-lite2", [1.0], panel)
    lucky.parts = [np.array([[0.0, 1.0]])]
    assert 'class="part index" style="width:0.00%"' in splits(
        FakeGallery(), {"t": [lucky]}, menu(FakeLab())
    )
    assert splits(FakeGallery(), {"a task": [rating("conse-lite2", [1.0])]}, menu(FakeLab())) == ""


# --- what is sent, whose turn it is, what is kept -------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "JSON object"),
        ({"a": 5}, "a must be a text"),
        ({"a": "x" * 501}, "at most 500"),
        ({"b": "x"}, "list of at most 2"),
        ({"b": ["x", 5]}, "list of at most 2"),
        ({"b": ["x"] * 3}, "list of at most 2"),
        ({"c": True}, "c must be a number"),
        ({"c": "1"}, "c must be a number"),
        ({"c": float("nan")}, "c is nan; it must be from 0 to 1"),
        ({"c": float("inf")}, "c is inf; it must be from 0 to 1"),
        ({"c": 10**400}, "c is 10000000000000000000; it must be"),
        ({"c": 2}, "c is 2; it must be from 0 to 1"),
    ],
)
def test_what_is_sent_is_checked(given: object, message: str) -> None:
    with pytest.raises(BadQuery, match=message):
        sent = fields.mapping(given)
        fields.text(sent, "a")
        fields.texts(sent, "b", 2)
        fields.number(sent, "c", 0, 1, 0.5)


def test_one_measures_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "PATIENCE", 0.0)
    with turn.turn(), pytest.raises(NotReady, match="something else is being measured"):
        with turn.turn():
            raise AssertionError("two measure")
    with turn.turn():
        pass


def test_strangers_have_slices() -> None:
    public, own = cast(Lab, FakeLab(public=True)), cast(Lab, FakeLab())
    assert turn.budget(public, turn.SLICE) == turn.SLICE
    assert turn.budget(own, 600) == 600
    with pytest.raises(Refused, match="11 seconds are asked; a public lab measures 10 at a time"):
        turn.budget(public, 11)


def test_the_latest_results_are_kept() -> None:
    kept = Kept(cast(Lab, FakeLab()))
    address = Address("stamps", (Panel("conse-lite2", "exact"),), text="a bird")
    result = [Result(0, "conse-lite2", "exact")]
    gallery = FakeGallery()
    names = [kept.add(address, gallery, Query("a"), result) for _ in range(MOST + 1)]
    assert len(set(names)) == MOST + 1
    with pytest.raises(BadQuery, match="no longer kept; search again"):
        kept.receipt(names[0])


def test_a_cache_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    lab = unmeasured(tmp_path)
    steps = rounds(lab, job(lab), ENOUGH)
    assert next(steps).point is not None
    (tmp_path / "sweeps").write_text("no folder")
    with pytest.raises(LabError, match="cannot write .*sweeps.*free some space or set PARALLAX"):
        steps.close()
