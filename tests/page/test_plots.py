"""What the tabs draw, without a browser."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from retrieval.indexes import INDEXES
from retrieval.lab import Lab
from retrieval.measure.rounds import Job, sweeps
from retrieval.measure.sweep import Point
from retrieval.measure.sweeps import Sweep
from retrieval.runtime.machine import machine
from retrieval.ui.curves import Curve, drawn
from retrieval.ui.export import as_csv, as_json
from retrieval.ui.marks import COLOURS, SHAPES, Mark
from retrieval.ui.scatter import Dot, Plane, Series, rate, scatter, ticks
from retrieval.ui.targets import every, table
from tests.bare import unmeasured

FEW = ("exact", "faiss-hnsw", "faiss-ivf")
SPECS = [INDEXES.spec(name) for name in FEW]


def point(recall: float, p50: float, **knobs: int) -> Point:
    return Point(knobs, recall, p50, 2 * p50, 3 * p50, 1000 / p50, 2000 / p50)


def job(lab: Lab) -> Job:
    return Job(lab.gallery("stamps"), lab.spec("conse-lite2"), SPECS, "picture")


def curves(lab: Lab) -> list[Curve]:
    return [Curve.of(spec, SPECS, sweeps(lab).find(job(lab).key(spec))) for spec in SPECS]


def stored(lab: Lab, where: str | None = None) -> list[Sweep]:
    """Two settings of HNSW and exact search, as if measured somewhere."""
    made = [
        Sweep(
            job(lab).key(spec),
            points,
            1_200_000,
            0.25,
            where or machine(),
            "2026-11-22T10:00:00+00:00",
        )
        for spec, points in (
            (SPECS[0], (point(1.0, 0.2),)),
            (SPECS[1], (point(0.8, 0.01, efSearch=16), point(0.97, 0.05, efSearch=64))),
        )
    ]
    for each in made:
        sweeps(lab).save(each)
    return made


# --- marks and axes -------------------------------------------------------------------------------


def test_marks_differ_in_shape_and_in_colour() -> None:
    marks = [Mark(place) for place in range(len(COLOURS) * len(SHAPES))]
    assert len({each.draw(8, 8) for each in marks}) == len(marks)
    for one, other in zip(marks, marks[1:], strict=False):
        assert one.colour != other.colour
        assert one.draw(8, 8).replace(one.colour, "") != other.draw(8, 8).replace(other.colour, "")
    assert 'fill="none"' in Mark(0).draw(8, 8, hollow=True)


@pytest.mark.parametrize(
    ("left", "right", "most", "found"),
    [
        (-2.1, -0.9, 9, [0.01, 0.02, 0.05, 0.1]),
        (-2, 2, 6, [0.01, 0.1, 1, 10, 100]),
        (0.05, 0.6, 9, [2]),
    ],
)
def test_ticks_are_round(left: float, right: float, most: int, found: list[float]) -> None:
    assert ticks(left, right, most) == pytest.approx(found)


@pytest.mark.parametrize("width", [1, 390, 1440, 10**6])
def test_every_dot_stands_inside(width: int) -> None:
    dots = [Dot(x, y, "", "") for x, y in ((1e-9, 0.0), (1e6, 1.0), (0.0, 0.5))]
    plane = Plane.of(dots, width)
    for dot in dots:
        assert 0 <= plane.x(dot.x) <= plane.width
        assert 0 <= plane.y(dot.y) <= plane.height
    assert plane.y(1.0) < plane.y(0.5) and plane.x(1.0) < plane.x(10.0)


def test_one_dot_is_a_plot() -> None:
    svg = scatter([Series("One", Mark(0), (Dot(1.0, 1.0, "a", "b", True, True),))], [], 0.95, 400)
    assert ElementTree.fromstring(svg).find("title") is not None
    assert scatter([], [], 0.95, 400) == ""


def test_a_plot_is_sound_and_escapes() -> None:
    bad = '<script>"&'
    first = Dot(0.01, 0.7, f"efSearch 4 {bad}", f"a@b?{bad}", usual=True, front=True)
    dots = (first, Dot(0.1, 0.9, "x", "y", front=True), Dot(0.2, 0.8, "x", "y"))
    svg = scatter([Series(bad, Mark(3), dots)], dots[:2], 0.95, 700)
    tree = ElementTree.fromstring(svg)
    found = [each for each in tree.iter() if each.get("role") == "button"]
    assert [each.get("data-apply") for each in found].count(f"a@b?{bad}") == 1
    assert sorted(each.get("tabindex", "") for each in found) == ["-1", "-1", "0"]
    assert [each.get("class") for each in found].count("dot behind") == 1
    assert svg.count('class="usual"') == 1
    assert svg.count('class="front"') == 1
    assert svg.count('class="target"') == 1
    assert "3 settings of 1 indexes" in svg


# --- what is stored -------------------------------------------------------------------------------


def test_what_is_stored_is_drawn_with_its_machine(tmp_path: Path) -> None:
    lab = unmeasured(tmp_path)
    stored(lab)
    html = drawn(job(lab), curves(lab), 0.95, 800, ["it <b>broke"])
    assert f"Measured on {machine()}, 2026-11-22, with 200 pictures of the gallery." in html
    assert "it &lt;b&gt;broke" in html
    assert "nother machine" not in html
    assert 'data-apply="conse-lite2@faiss-hnsw?efSearch=64"' in html
    assert 'data-apply="conse-lite2@exact"' in html
    assert "tab/tradeoffs.csv?gallery=stamps&amp;embedder=conse-lite2&amp;queries=picture" in html


def test_another_machines_figures_are_marked(tmp_path: Path) -> None:
    lab = unmeasured(tmp_path)
    stored(lab, "Abacus <1>, 1 core")
    html = drawn(job(lab), curves(lab), 0.95, 800, [])
    assert "Another machine's</b> (hollow marks): Measured on Abacus &lt;1&gt;, 1 core" in html
    assert "Exact (NumPy), FAISS HNSW" in html
    assert "another machine</span>" in table(job(lab), curves(lab), 0.95)
    first = curves(lab)[1].with_point(point(0.9, 0.02, efSearch=32))
    assert first.here and [each.knobs for each in first.points] == [{"efSearch": 32}]


def test_the_front_is_of_one_machine(tmp_path: Path) -> None:
    lab = unmeasured(tmp_path)
    _, hnsw = stored(lab)
    sweeps(lab).save(replace(hnsw, machine="Abacus, 1 core"))
    html = drawn(job(lab), curves(lab), 0.95, 800, [])
    front = re.search(r'class="front" d="([^"]+)"', html)
    assert front is not None and front[1].count("V") == 0  # exact search alone


def test_the_answer_stands_over_the_plot(tmp_path: Path) -> None:
    lab = unmeasured(tmp_path)
    _, hnsw = stored(lab)
    fast = "<b>FAISS HNSW</b> (efSearch 64), <b>0.050 ms</b> a query; exact search takes 0.20 ms."
    assert f"Fastest at recall 0.95: {fast}" in drawn(job(lab), curves(lab), 0.95, 800, [])
    alone = "Fastest at recall 0.99: <b>Exact (NumPy)</b>, <b>0.20 ms</b> a query."
    assert alone in drawn(job(lab), curves(lab), 0.99, 800, [])
    together = drawn(job(lab), curves(lab), 0.95, 800, [], "together")
    assert "<b>0.025 ms</b> a query; exact search takes 0.10 ms." in together
    sweeps(lab).save(replace(hnsw, machine="Abacus, 1 core"))
    assert "<b>Exact (NumPy)</b>, <b>0.20 ms</b>" in drawn(job(lab), curves(lab), 0.9, 800, [])


def test_what_no_setting_reaches_is_said(tmp_path: Path) -> None:
    lab = unmeasured(tmp_path)
    stored(lab)
    html = drawn(job(lab), curves(lab)[1:], 0.98, 800, [])
    assert "No index reaches recall 0.98 with any setting that was measured." in html


@pytest.mark.parametrize(
    ("ms", "said"), [(0.02, "50 k"), (0.0005, "2 M"), (3, "333"), (2000, "0.5")]
)
def test_milliseconds_as_queries_a_second(ms: float, said: str) -> None:
    assert rate(ms) == said
    one = Series("One", Mark(0), (Dot(0.02, 1.0, "a", "b", True, True),))
    assert ">50 k</text>" in scatter([one], [], 0.95, 800)


def test_nothing_measured_says_what_to_do(tmp_path: Path) -> None:
    lab = unmeasured(tmp_path)
    assert "Nothing was measured of ConSE-Lite2 over" in drawn(job(lab), curves(lab), 0.9, 800, [])
    assert table(job(lab), curves(lab), 0.9) == every(curves(lab)) == ""


def test_the_table_names_what_reaches_the_target(tmp_path: Path) -> None:
    lab = unmeasured(tmp_path)
    stored(lab)
    html = table(job(lab), curves(lab), 0.95)
    assert html.index("FAISS HNSW") < html.index("Exact (NumPy)")
    assert ">efSearch 64</button>" in html and "<b>0.050 ms</b>" in html
    assert "1.2 MB" in html and "0.2 s" in html and "20,000/s" in html
    assert '<td data-name="p99">0.15 ms</td>' in html and "p99 0.15 ms" in drawn(
        job(lab), curves(lab), 0.95, 800, []
    )
    high = table(job(lab), curves(lab), 0.98)
    assert "none reaches 0.98; the best of 2 settings has 0.970" in high
    assert "All 3 settings as a table" in every(curves(lab))


def test_figures_to_take_away_carry_their_licences(tmp_path: Path) -> None:
    lab = unmeasured(tmp_path)
    stored(lab)
    lines = list(csv.DictReader(io.StringIO(as_csv(job(lab), curves(lab)))))
    assert [each["knobs"] for each in lines] == ["", "efSearch=16", "efSearch=64"]
    assert lines[0]["gallery_licence"].startswith("GPL-2.0-or-later (on conditions), https://")
    assert lines[0]["weights_licence"].startswith("Apache-2.0, https://")
    whole = as_json(job(lab), curves(lab))
    assert whole["licences"]["weights"].startswith("Apache-2.0")
    assert whole["sweeps"][1]["points"][1]["recall"] == 0.97
    assert whole["sweeps"][0]["machine"] == machine()
