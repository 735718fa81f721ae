"""Knobs that a stored sweep shows to do nothing, and what their badge says."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from retrieval.indexes import INDEXES
from retrieval.lab import Lab
from retrieval.measure.idle import idle
from retrieval.measure.knobs import SAME_RECALL, SAME_WORK
from retrieval.measure.rounds import Job, sweeps
from retrieval.measure.sweep import Kind, Point
from retrieval.measure.sweeps import Sweep, read
from retrieval.runtime.machine import machine
from retrieval.types import Spec
from retrieval.ui.idle import badges
from tests.bare import unmeasured

HNSW = INDEXES.spec("faiss-hnsw")
IVFPQ = INDEXES.spec("faiss-ivfpq")
SAID = "efSearch does nothing here"


def point(recall: float, p50: float, **knobs: int) -> Point:
    return Point(knobs, recall, p50, 2 * p50, 3 * p50, 1000 / p50, 2000 / p50)


def job(lab: Lab, index: Spec = HNSW, kind: Kind = "picture") -> Job:
    return Job(lab.catalog.open("stamps"), lab.spec("conse-lite2"), (index,), kind)


def sweep(points: list[Point], lab: Lab, index: Spec = HNSW, kind: Kind = "picture") -> Sweep:
    """What was measured of an index, as if here."""
    key, at = job(lab, index, kind).key(index), "2026-11-22T10:00:00+00:00"
    return Sweep(key, tuple(points), 1_200_000, 0.25, machine(), at)


def still(high: int = 512) -> list[Point]:
    """A knob that changes nothing."""
    return [
        point(0.901, 0.21, efSearch=high),
        point(0.9, 0.2, efSearch=1),
        point(0.9, 0.3, efSearch=16),
    ]


def honest() -> list[Point]:
    """One that does what it says."""
    return [
        point(0.6, 0.02, efSearch=1),
        point(0.9, 0.05, efSearch=16),
        point(1, 0.3, efSearch=512),
    ]


def over(*points: tuple[int, float, float]) -> list[Point]:
    return [point(recall, p50, efSearch=value) for value, recall, p50 in points]


@pytest.mark.parametrize(
    ("points", "found"),
    [
        (still(), True),
        (honest(), False),
        (over((1, 0.9, 0.2), (512, 0.9, 0.2)), True),
        (over((1, 0.9, 0.2), (512, 0.9 + SAME_RECALL + 1e-6, 0.2)), False),
        (over((1, 0.9, 0.2), (512, 0.9, 0.2 * SAME_WORK + 1e-6)), False),
        (over((1, 0.9, 0.2 * SAME_WORK + 1e-6), (512, 0.9, 0.2)), False),  # slower below
        (over((1, 0.9, 0.2), (16, 0.95, 0.2), (512, 0.9, 0.2)), False),  # it rises and falls
        (over((16, 0.9, 0.2)), False),
        (over((1, 0.9, 0.2)), False),
        (over((1, 0.9, 0.2), (2, 0.9, 0.2), (16, 0.9, 0.2)), False),  # half of its range
        (over((16, 0.9, 0.2), (512, 0.9, 0.2)), False),
        ([], False),
    ],
)
def test_a_knob_is_idle_where_neither_recall_nor_time_changes(
    points: list[Point], found: bool, tmp_path: Path
) -> None:
    lab = unmeasured(tmp_path)
    assert [each.knob for each in idle(HNSW, sweep(points, lab))] == ["efSearch"] * found


def test_each_knob_is_looked_at_with_the_others_at_their_defaults(tmp_path: Path) -> None:
    lab = unmeasured(tmp_path)
    nprobe, factor = (each for each in IVFPQ.knobs if each.when == "query")
    usual = {nprobe.name: nprobe.default, factor.name: factor.default}
    moved = [
        point(0.5, 0.02, **usual | {nprobe.name: nprobe.low}),
        point(0.9, 0.1, **usual | {nprobe.name: nprobe.high}),
        point(0.7, 0.05, **usual | {factor.name: factor.low}),
        point(0.7, 0.05, **usual | {factor.name: factor.high}),
        point(0.1, 9.0, **{nprobe.name: nprobe.low, factor.name: factor.high}),
    ]
    (found,) = idle(IVFPQ, sweep(moved, lab, IVFPQ))
    assert found.knob == factor.name
    assert f"and {ms_of(found.high)}, the other settings at their defaults." in badges([found])
    assert "the other settings" not in badges(idle(HNSW, sweep(still(), lab)))
    swapped = [replace(each, recall=0.7, p50=0.05) for each in moved[:2]]
    assert len(idle(IVFPQ, sweep([*swapped, *moved[2:]], lab, IVFPQ))) == 2


def ms_of(point: Point) -> str:
    return f"{point.p50:.3f} ms"


def test_no_index_is_flagged_by_what_ships(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path)
    store, checked = sweeps(lab), 0
    for folder in store.folders():
        found = read(folder)
        spec = INDEXES.spec(found.key["index"])
        checked += any(knob.when == "query" for knob in spec.knobs)
        assert idle(spec, found) == (), folder
    assert checked > 90


def test_the_title_has_the_figures_the_day_and_the_machine(tmp_path: Path) -> None:
    lab = unmeasured(tmp_path)
    made = sweep(still(), lab)
    html = badges(idle(HNSW, made))
    assert re.findall(r">([^<]+)</span>", html) == [SAID]
    assert (
        unescape(html).count(
            "efSearch 1 and 512: recall@10 0.900 and 0.901, p50 0.20 ms and 0.21 ms. "
            f"Measured on {machine()}, 2026-11-22, with 200 pictures of the gallery."
        )
        == 1
    )
    away = badges(idle(HNSW, replace(made, machine='Abacus "<1>", 1 core')))
    assert "Another machine&#x27;s: measured on Abacus &quot;&lt;1&gt;&quot;, 1 core, 2026" in away
    assert badges(()) == ""
