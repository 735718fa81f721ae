"""Scale and captions against pictures, as they are drawn, without a browser."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from retrieval.errors import BadQuery, LabError, Refused, Unsupported
from retrieval.indexes import INDEXES
from retrieval.lab import Lab
from retrieval.measure import drawn, scale
from retrieval.measure.paired import pairs
from retrieval.measure.rounds import Job, sweeps
from retrieval.measure.sweep import Point, cheapest, cost, front
from retrieval.ui import beside, told
from retrieval.ui.marks import Mark
from retrieval.ui.scaled import ScaleTab
from retrieval.ui.scatter import AXES
from retrieval.ui.sizes import Row, plots, words
from retrieval.ui.tradeoffs import Tradeoffs
from tests.bare import unmeasured
from tests.held import ENOUGH
from tests.page.test_plots import curves, job, point, stored
from tests.page.test_tabs_http import few
from tests.test_outlook import EXACT, HNSW, SMALL, known
from tests.test_paired import PICTURE, TEXT

ASKED = {"gallery": "stamps", "embedder": "conse-lite2", "width": 1200}
ROWS = [Row(EXACT, Mark(0)), Row(HNSW, Mark(1))]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "SIZES", SMALL)
    monkeypatch.setattr(drawn, "NEARS", (8,))
    monkeypatch.setattr(drawn, "STEPS", (0.8,))


def svgs(html: str) -> list[Any]:
    return [ElementTree.fromstring(each) for each in re.findall(r"<svg.*?</svg>", html)]


# --- plots and tables -----------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 390, 1440, 10**6])
def test_every_mark_stands_inside(width: int) -> None:
    html = plots(ROWS, width)
    found = svgs(html)
    assert len(found) == 3
    for svg in found:
        _, _, wide, high = map(float, svg.get("viewBox").split())
        for each in svg.iter("circle"):
            assert 0 <= float(each.get("cx")) <= wide
            assert 0 <= float(each.get("cy")) <= high
    assert "nan" not in html and "inf" not in html


def test_what_is_told_looks_otherwise() -> None:
    html = plots(ROWS, 1200)
    assert html.count("stroke-dasharray") == 6  # two indexes, three costs
    assert html.count(">extrapolated<") == 3
    assert html.count('class="beyond"') == 3
    assert "hollow ones told" in html
    few_sizes = plots([Row(known("exact", (0.02, 0.2)), Mark(0))], 1200)
    assert "stroke-dasharray" not in few_sizes and 'fill="none" stroke="#0072b2"/>' not in few_sizes


def test_what_is_too_uncertain_is_not_drawn() -> None:
    wild = Row(known("faiss-ivf", (0.01, 9.0, 0.01)), Mark(0))
    assert plots([wild], 1200).count("stroke-dasharray") == 2  # memory and build
    assert "too uncertain" in told.table([wild])


def test_the_table_says_what_is_measured_and_what_is_not(tmp_path: Path) -> None:
    html = told.table(ROWS)
    assert '<td data-name="10 k">0.20 ms<small>15 MB</small>' in html
    cells = re.findall(r'<td data-name="1 B">(.*?)<small>', html)
    assert len(cells) == 2 and all(re.match(r"~\S+ \S+ \(.* to .*\)$", each) for each in cells)
    short = told.table([Row(known("faiss-sq8", (0.02, 0.2, 2.0), recall=0.9), Mark(2))])
    assert "recall 0.90<small>" in short and "–<small>~" in short
    away = told.table([Row(known("exact", (0.02,), where="Abacus <1>"), Mark(0))])
    assert "another machine</span>" in away


def test_words_of_a_figure() -> None:
    figure = EXACT.at(10**9, "ms")
    assert figure is not None
    assert words(replace(figure, value=90_000, low=60_000, high=120_000), "ms") == (
        "~1.5 min (1.0 to 2.0 min)"
    )
    assert words(replace(figure, value=9_000, low=60, high=120_000), "ms") == (
        "~9.0 s (60 ms to 2.0 min)"
    )
    assert words(replace(figure, value=90, low=0.1, high=120_000), "ms") == "too uncertain"
    assert words(replace(figure, value=3e12, measured=True), "bytes") == "3.0 TB"


def test_the_verdict_and_the_machine(tmp_path: Path) -> None:
    lab = unmeasured(tmp_path)
    work = scale.Job(lab.gallery("stamps"), lab.spec("conse-lite2"), [])
    assert "Exact (NumPy) keeps to 5 ms a query up to some 250 k vectors" in told.verdict(
        [EXACT, HNSW], 5
    )
    assert "Three sizes at least" in told.verdict([known("exact", (1.0,))], 5)
    html = told.figure(work, [Row(known("exact", (1, 2, 3), where="Abacus <1>"), Mark(0))], 800)
    assert "Another machine’s</b> (small marks): Measured on Abacus &lt;1&gt;" in html
    assert 'data-png="Scale of ConSE-Lite2 over' in html
    assert "GPL-2.0-or-later (on conditions)" in html


# --- the section ----------------------------------------------------------------------------------


def test_it_is_measured_drawn_and_taken_away(tmp_path: Path, quick: None) -> None:
    tab = ScaleTab(few(unmeasured(tmp_path)))
    empty = tab.draw(ASKED)
    assert "Measure on this machine" in empty["head"] and empty["plot"] == empty["table"] == ""
    assert "stroke" not in empty["more"]
    lines = list(tab.measure({**ASKED, "seconds": ENOUGH}))
    assert lines[-1]["say"].endswith("measured and kept; press again for more.")
    html = tab.draw(ASKED)
    assert html["plot"].count('<svg class="scatter"') == 3
    assert "Drawn over real" in html["more"]
    assert "Measured on" in html["plot"]
    again = list(tab.measure({**ASKED, "seconds": ENOUGH}))
    assert again[-1]["say"].startswith("All is measured")
    text, name = tab.figures(ASKED, "csv")
    assert name == "scale-stamps-conse-lite2.csv"
    found = list(csv.DictReader(io.StringIO(text)))
    assert {each["measured"] for each in found} == {"True", "False"}
    assert found[0]["gallery_licence"].startswith("GPL-2.0-or-later")
    whole = json.loads(tab.figures(ASKED, "json")[0])
    assert whole["target"] == 0.95 and len(whole["scale"]) == len(found)


def test_no_memory_measures_nothing(tmp_path: Path) -> None:
    tab = ScaleTab(few(unmeasured(tmp_path)))
    (*_, last) = tab.measure({**ASKED, "seconds": 5, "memory": 0.001})
    assert last["say"] == "Not even 1 k vectors fit in this memory; give it more."


@pytest.mark.parametrize(("public", "share"), [(True, 0.25), (False, 1.0)])
def test_a_stranger_gets_a_quarter_of_the_memory(
    public: bool, share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = ScaleTab(few(unmeasured(tmp_path)))
    monkeypatch.setattr(tab.lab, "public", public)
    monkeypatch.setattr("retrieval.ui.scaled.memory", lambda: 16e9)
    rooms: list[float] = []

    def steps(_: object, __: float, room: float) -> Generator[Mark]:
        rooms.append(room)
        yield from ()

    monkeypatch.setattr(tab, "_steps", steps)
    list(tab.measure({**ASKED, "seconds": 5, "memory": 1e5}))
    assert rooms == [pytest.approx(16e9 * share)]


def test_nothing_measured_is_an_empty_file(tmp_path: Path) -> None:
    tab = ScaleTab(few(unmeasured(tmp_path)))
    assert tab.figures(ASKED, "csv")[0].startswith("gallery,embedder,")
    assert json.loads(tab.figures(ASKED, "json")[0])["scale"] == []
    with pytest.raises(BadQuery, match="csv or as json"):
        tab.figures(ASKED, "exe")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"ms": "20"}, "ms must be a number"),
        ({"ms": 0}, "ms is 0"),
        ({"seconds": float("nan")}, "seconds is nan"),
        ({"seconds": 0}, "seconds is 0"),
        ({"memory": -1}, "memory is -1"),
        ({"memory": []}, "memory must be a number"),
        ({"embedder": "nonsense"}, "no embedder is called"),
        ({"width": 0}, "width is 0"),
    ],
)
def test_what_is_refused(tmp_path: Path, more: dict[str, object], why: str) -> None:
    tab = ScaleTab(few(unmeasured(tmp_path)))
    with pytest.raises(LabError, match=why):
        list(tab.measure({**ASKED, **more}))


def test_bits_have_no_scale(tmp_path: Path) -> None:
    tab = ScaleTab(few(unmeasured(tmp_path)))
    head = tab.draw({**ASKED, "embedder": "phash"})["head"]
    assert "makes bits" in head and "data-measure" not in head
    with pytest.raises(Unsupported, match="makes bits"):
        list(tab.measure({**ASKED, "embedder": "phash"}))


def test_strangers_measure_in_slices(tmp_path: Path) -> None:
    tab = ScaleTab(few(unmeasured(tmp_path, public=True)))
    assert 'data-seconds min="1" max="10"' in tab.draw(ASKED)["head"]
    with pytest.raises(Refused, match="measures 10 at a time"):
        list(tab.measure({**ASKED, "seconds": 11}))


# --- captions against pictures --------------------------------------------------------------------


def rows() -> list[beside.Row]:
    bare = [replace(each, key={**each.key, "index": "exact"}) for each in (PICTURE, TEXT)]
    return [
        beside.Row.of(pair, f"{pair.index} <b>", 0.98) for pair in pairs([*bare, PICTURE, TEXT])
    ]


@pytest.mark.parametrize("width", [1, 390, 1440])
def test_a_pair_is_two_marks_and_a_line(tmp_path: Path, width: int) -> None:
    html = beside.drawn(job(unmeasured(tmp_path)), rows(), 0.98, width)
    plot = next(each for each in svgs(html) if each.get("class") == "scatter")
    text = ElementTree.tostring(plot, "unicode")
    assert text.count('class="bone"') == 3  # the other default is none of exact search's
    assert "exact &lt;b&gt;" in text
    for each in plot.iter("{*}circle"):
        assert 0 <= float(each.get("cx")) <= float(plot.get("viewBox").split()[2])
    assert "Most lost: faiss-hnsw &lt;b&gt;, 0.97 with pictures, 0.60 with captions" in html
    assert "12 ×" in html  # 0.5 over 0.04 ms


def test_what_never_reaches_the_target_says_so(tmp_path: Path) -> None:
    (pair,) = pairs([PICTURE, TEXT])
    html = beside.drawn(job(unmeasured(tmp_path)), [beside.Row.of(pair, "HNSW", 0.995)], 0.995, 800)
    assert "pictures and captions: never" in html and ">never</td>" in html


def test_one_kind_asks_for_the_other(tmp_path: Path) -> None:
    lab = unmeasured(tmp_path)
    tab = Tradeoffs(few(lab))
    asked = {**ASKED, "queries": "picture"}
    assert tab.draw(asked)["both"] == ""  # nothing was measured at all
    stored(lab)
    assert 'data-also="text"' in tab.draw(asked)["both"]
    assert tab.draw({**asked, "embedder": "efficientnet-lite2"})["both"] == ""
    texts = Job(lab.gallery("stamps"), lab.spec("conse-lite2"), job(lab).indexes, "text")
    for spec in texts.indexes[:2]:
        found = sweeps(lab).find(job(lab).key(spec))
        assert found is not None
        sweeps(lab).save(replace(found, key=texts.key(spec)))
    html = tab.draw(asked)["both"]
    assert "asked with pictures" in html and 'data-png="Captions against pictures' in html


# --- all together ---------------------------------------------------------------------------------


def test_the_axis_may_be_all_together(tmp_path: Path) -> None:
    fast, wide = Point({}, 0.9, 1, 1, 1, 1000, 500.0), Point({}, 0.9, 2, 2, 2, 500, 4000.0)
    assert cost(fast) == 1 and cost(fast, "together") == 2.0
    assert front([fast, wide]) == [fast] and front([fast, wide], "together") == [wide]
    assert cheapest([fast, wide], 0.5, "together") is wide
    lab = unmeasured(tmp_path)
    stored(lab)
    tab = Tradeoffs(few(lab))
    asked = {**ASKED, "queries": "picture"}
    one, other = tab.draw(asked), tab.draw({**asked, "speed": "together"})
    assert AXES["alone"] in one["plot"] and AXES["together"] in other["plot"]
    assert 'value="together" checked' in other["head"]
    assert re.search(r'data-name="together"><b>[\d,]+/s</b>', other["table"])
    assert point(0.5, 0.1).together and curves(lab)[0].points
    with pytest.raises(BadQuery, match="speed must be a text"):
        tab.draw({**asked, "speed": 5})


def test_marks_are_the_same_as_in_the_tradeoffs(tmp_path: Path, quick: None) -> None:
    tab = ScaleTab(few(unmeasured(tmp_path)))
    list(tab.measure({**ASKED, "seconds": ENOUGH}))
    legend = tab.draw(ASKED)["plot"]
    for at, name in enumerate(("exact", "faiss-hnsw", "faiss-ivf")):
        assert f"{Mark(at).legend()}{INDEXES.spec(name).title}" in legend
    assert isinstance(tab.lab, Lab)
