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
from retrieval.lab import Lab
from retrieval.measure.rounds import sweeps
from retrieval.measure.sweep import fitting
from retrieval.measure.sweeps import FILE, Sweep, Sweeps, place
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.runtime.machine import machine
from retrieval.store import Key
from retrieval.ui.answers import Answers
from retrieval.ui.idle import Idles, badges
from retrieval.ui.tradeoffs import Tradeoffs
from retrieval.where import Where
from tests.bare import unmeasured
from tests.fake_lab import FakeLab, answers
from tests.test_idle import HNSW, SAID, honest, job, point, still, sweep

PANEL = Panel("conse-lite2", "faiss-hnsw")
ASKED = "?gallery=stamps&row=3&panel=conse-lite2@faiss-hnsw"


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

    def counted(store: Sweeps, wanted: Key) -> Sweep | None:
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
    found = re.findall(r'<tr[^>]*><th scope="row">.*?</tr>', table)
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
