"""Badges of knobs that were found to do nothing, in the search and in Trade-offs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html import escape, unescape
from pathlib import Path
from typing import cast

import pytest

from retrieval import manifest
from retrieval.indexes import INDEXES
from retrieval.lab import Lab
from retrieval.measure.idle import idle
from retrieval.measure.knobs import SAME_RECALL, SAME_WORK
from retrieval.measure.rounds import Job, sweeps
from retrieval.measure.sweep import Kind, Point, fitting
from retrieval.measure.sweeps import FILE, Sweep, Sweeps, place, read
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.runtime.machine import machine
from retrieval.types import Spec
from retrieval.ui.answers import Answers
from retrieval.ui.idle import Idles, badges
from retrieval.ui.tradeoffs import Tradeoffs
from retrieval.where import Where
from tests.bare import unmeasured
from tests.fake_lab import FakeLab, answers

HNSW = INDEXES.spec("faiss-hnsw")
IVFPQ = INDEXES.spec("faiss-ivfpq")
SAID = "efSearch does nothing here"
PANEL = Panel("conse-lite2", "faiss-hnsw")
ASKED = "?gallery=stamps&row=3&panel=conse-lite2@faiss-hnsw"


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


# --- what does nothing ----------------------------------------------------------------------------


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


# --- in the search --------------------------------------------------------------------------------


def fake(cache: Path) -> tuple[FakeLab, Answers]:
    """The page over the fake lab, whose sweeps stand in a folder."""
    lab = FakeLab()
    lab.data = lab.cache = cache
    return lab, answers(lab)


def card(page: Answers, address: str = ASKED) -> str:
    """The panel that is shown at last."""
    *_, last = page.stream({"address": address})
    return cast(str, last[1])


def stored(
    lab: FakeLab, page: Answers, change: Callable[[Sweep], Sweep] = lambda each: each
) -> None:
    """A sweep of the fake HNSW, whose efSearch does nothing."""
    index = page.menu.index("faiss-hnsw")
    sweeps(cast(Lab, lab)).save(change(sweep(still(1024), cast(Lab, lab), index)))


def test_the_card_of_an_idle_knob_has_its_badge(tmp_path: Path) -> None:
    lab, page = fake(tmp_path)
    assert SAID not in card(page)  # nothing is stored
    stored(lab, page)
    html = card(page)
    assert html.count(SAID) == 1 and "efSearch 1 and 1024: recall@10 0.900 and 0.901" in html
    tags = html[html.index('<p class="tags">') :]
    assert SAID in tags[: tags.index("</p>")]
    assert SAID in card(page, f"{ASKED}?efSearch%3D4")  # a setting of the same index


def test_it_stands_on_the_card_while_it_waits_too(tmp_path: Path) -> None:
    lab, page = fake(tmp_path)
    stored(lab, page)
    lab.held.clear()
    shown = []
    with lab.work.doing("conse-lite2", "loading"):
        for drawn in page.stream({"address": f"{ASKED}&panel=conse-lite2@faiss-hnsw"}):
            shown.append(drawn[2])
            lab.held.set()
    cards = [each for each in shown if isinstance(each, str)]
    assert len(cards) > 1 and all(SAID in each for each in cards)


def test_another_machines_says_whose(tmp_path: Path) -> None:
    lab, page = fake(tmp_path)
    stored(lab, page, lambda each: replace(each, machine="Abacus <1>"))
    assert "Another machine&#x27;s: measured on Abacus &lt;1&gt;, 2026-11-22" in card(page)


@pytest.mark.parametrize(
    "address",
    [
        "?gallery=stamps&q=a+bird&panel=conse-lite2@faiss-hnsw",  # captions were not asked
        "?gallery=stamps&row=3&panel=captions@faiss-hnsw",  # nor other vectors
        "?gallery=stamps&row=3&panel=conse-lite2@faiss-hnsw?M%3D16",  # nor another graph
        "?gallery=stamps&row=3&panel=conse-lite2@exact",
    ],
)
def test_what_was_not_measured_has_none(tmp_path: Path, address: str) -> None:
    lab, page = fake(tmp_path)
    stored(lab, page)
    html = card(page, address)
    assert "tags" in html and "does nothing here" not in html


@pytest.mark.parametrize("kept", [slice(0, 1), slice(1, 3), slice(0, 0)])
def test_one_value_or_half_a_range_has_none(tmp_path: Path, kept: slice) -> None:
    lab, page = fake(tmp_path)
    stored(lab, page, lambda each: replace(each, points=each.points[kept]))
    assert "does nothing here" not in card(page)


def test_under_a_filter_nothing_is_claimed(tmp_path: Path) -> None:
    lab, page = fake(tmp_path)
    stored(lab, page)
    gallery, index = lab.gallery, page.menu.index("faiss-hnsw")
    plain, some = Query(row=3), Query(row=3, where=Where("label", "=", ("class 1",)))
    assert page.idles.of(gallery, PANEL, index, plain)
    assert page.idles.of(gallery, PANEL, index, some) == ()


def test_a_sweep_is_read_once_until_another_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, page = fake(tmp_path)
    looks = []
    find = Sweeps.find

    def counted(store: Sweeps, wanted: manifest.Any) -> Sweep | None:
        looks.append(wanted)
        return find(store, wanted)

    monkeypatch.setattr(Sweeps, "find", counted)
    card(page)
    assert looks == []  # none is there
    stored(lab, page)
    looks.clear()
    assert all(SAID in card(page) for _ in range(3)) and len(looks) == 1
    wider = point(0.99, 0.2, efSearch=1024)
    stored(lab, page, lambda each: replace(each, points=(wider,)))  # merged with what is known
    assert SAID not in card(page)


@pytest.mark.parametrize("text", ["{", '{"points": [{"recall": 1}]}', '{"points": []}'])
def test_a_damaged_sweep_costs_no_answer(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    lab, page = fake(tmp_path)
    index = page.menu.index("faiss-hnsw")
    key = job(cast(Lab, lab), index).key(index)
    folder = place(tmp_path / "sweeps", key)
    with manifest.publish(folder, key) as made:  # whole, but as no version writes it
        (made / FILE).write_text(text)
    html = card(page)
    assert 'class="grid"' in html and "does nothing here" not in html
    assert "the sweep of faiss-hnsw cannot be read" in caplog.text


# --- in Trade-offs --------------------------------------------------------------------------------


def rows(lab: Lab, target: float) -> dict[str, str]:
    """Each index's row in the table of Trade-offs."""
    asked = {"gallery": "stamps", "embedder": "conse-lite2", "queries": "picture"}
    table = Tradeoffs(Answers(lab)).draw({**asked, "target": target})["table"]
    found = re.findall(r'<tr[^>]*><th scope="row">.*?</tr>', cast(str, table))
    return {unescape(each.split("</svg>")[1].split("<")[0]).strip(): each for each in found}


@pytest.mark.parametrize("target", [0.5, 0.999])
def test_a_row_of_an_idle_knob_has_its_badge_whether_it_reaches_the_recall(
    tmp_path: Path, target: float
) -> None:
    lab = unmeasured(tmp_path)
    other = next(each for each in fitting(lab.spec("conse-lite2")) if each.name == "hnswlib")
    made = sweep(still(), lab)
    sweeps(lab).save(made)
    sweeps(lab).save(sweep(honest(), lab, other))
    found = rows(lab, target)
    assert SAID in found[HNSW.title] and machine() in unescape(found[HNSW.title])
    assert "does nothing" not in found[other.title]
    sweeps(lab).save(replace(made, machine="Abacus <1>"))
    told = rows(lab, target)[HNSW.title]
    assert SAID in told and escape("Another machine's: measured on Abacus <1>") in told


def test_a_row_of_one_value_has_none(tmp_path: Path) -> None:
    lab = unmeasured(tmp_path)
    sweeps(lab).save(sweep(still()[:1], lab))
    assert "does nothing" not in rows(lab, 0.5)[HNSW.title]


def test_real_sweeps_are_looked_up_by_the_panels_own_gallery(tmp_path: Path) -> None:
    lab = unmeasured(tmp_path)
    sweeps(lab).save(sweep(still(), lab, kind="text"))
    idles, stamps, clipart = Idles(lab), lab.gallery("stamps"), lab.gallery("clipart")
    words = Query(text="a bird")
    (found,) = idles.of(stamps, PANEL, HNSW, words)
    assert "with 200 captions of the gallery" in badges([found])
    assert idles.of(clipart, PANEL, HNSW, words) == ()
    assert idles.of(stamps, PANEL, HNSW, Query(row=3)) == ()
