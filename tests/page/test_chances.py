"""Probabilities beside scores, plots of what they are worth, panels against each other."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from retrieval.errors import BadQuery
from retrieval.lab import Lab
from retrieval.measure.calibration import fit
from retrieval.measure.calibrations import Calibrations, calibrations, key
from retrieval.measure.metrics import SHOWN
from retrieval.measure.quality import Task
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.types import Hit, Result, Spec
from retrieval.ui.address import Address
from retrieval.ui.answers import Answers
from retrieval.ui.chances import Chances
from retrieval.ui.duels import duels, lettered
from retrieval.ui.figures import percent
from retrieval.ui.fits import fits
from retrieval.ui.menu import Menu
from retrieval.ui.quality import QualityTab
from retrieval.ui.ratings import Progress, Rating, Ratings, asked
from retrieval.ui.results import Shown, grid
from retrieval.ui.vote import BlindVote
from tests.fake_lab import FakeGallery, FakeLab, menu
from tests.fakes import Colours
from tests.test_calibration import drawn

START = Address("stamps", (Panel("conse-lite2", "exact"),))


# --- in the search --------------------------------------------------------------------------------


def test_a_probability_stands_beside_the_score() -> None:
    hits = (Hit(3, 1, 0.9, "An owl", ""), Hit(4, 2, 0.8, "A car", ""))
    html = grid(
        Result(0, "a", "b", hits=hits), Shown("stamps", 2, None, {}, "", {3: 0.62, 4: 0.001})
    )
    assert '0.90 · <b title="fitted probability' in html and "62 %</b>" in html
    assert "&lt;1 %" in html and 'data-chance="0.6200"' in html and "data-none" in html
    plain = grid(Result(0, "a", "b", hits=hits), Shown("stamps", 2, None, {}))
    assert "%" not in plain and "data-chance" not in plain and "data-none" not in plain


def test_no_chance_is_called_none_or_certain_that_is_not() -> None:
    said = [percent(share) for share in (0, 0.004, 0.5, 0.996, 1)]
    assert said == ["0 %", "&lt;1 %", "50 %", "&gt;99 %", "100 %"]


def test_it_is_of_the_embedder_the_gallery_and_the_kind_of_query(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path)
    stamps, chances = lab.gallery("stamps"), Chances(lab)
    text, row = Query(text="a bird"), Query(row=3)
    assert chances.curve(stamps, "conse-lite2", text) is not None
    assert chances.curve(stamps, "conse-lite2", text) != chances.curve(stamps, "conse-lite2", row)
    assert chances.curve(stamps, "captions", text) is None  # it reads what it would be asked
    assert chances.curve(Colours(5), "conse-lite2", text) is None
    hits = [Hit(1, 1, 0.9, "", ""), Hit(2, 2, 0.1, "", "")]
    found = chances.of(stamps, "conse-lite2", text, hits)
    assert found[1] > 0.5 > 0.05 > found[2]
    assert chances.of(stamps, "captions", text, hits) == {}


def test_a_fit_that_is_worth_nothing_is_not_shown(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path)
    gallery = Colours(40)
    draws = np.random.default_rng(0)
    noise = np.stack([draws.random((60, 10)), draws.random((60, 10)) < 0.3], axis=1)
    made = fit(noise.astype(np.float64), np.arange(60))
    assert not made.useful
    chances = Chances(lab)
    chances.fits.save(key(gallery, lab.spec("phash"), "picture"), made)
    assert chances.curve(gallery, "phash", Query(row=1)) is None


def test_a_damaged_fit_costs_no_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lab = Lab(cache=tmp_path)
    gallery = Colours(40)
    store = Calibrations(tmp_path / "calibrations", tmp_path / "none")
    Calibrations(tmp_path / "x", tmp_path / "calibrations").save(
        key(gallery, lab.spec("phash"), "picture"), fit(drawn(60), np.arange(60))
    )
    next(tmp_path.glob("calibrations/*/*/*/curve.json")).write_text("{")
    chances = Chances(lab)
    chances.fits = store
    assert chances.curve(gallery, "phash", Query(row=1)) is None
    assert "cannot be read" in caplog.text


@pytest.mark.parametrize("text", ["101", "-1", "0.5", "nan", "", "9" * 20])
def test_what_is_no_threshold(text: str) -> None:
    with pytest.raises(BadQuery, match="good is"):
        Address.parse(f"?good={text}x" if not text else f"?good={text}", START)


def test_the_threshold_is_in_the_address() -> None:
    address = Address.parse("?good=30", START)
    assert address.good == 30 and "good=30" in str(address)
    assert Address.parse(str(address), START) == address
    assert "good" not in str(START)


# --- in the tab -----------------------------------------------------------------------------------


def test_plots_are_drawn_of_what_is_stored(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path)
    stamps = lab.gallery("stamps")
    some = [Rating(task, "conse-lite2") for task in asked(stamps)]
    html = fits(lab, calibrations(lab), stamps, some, menu(FakeLab()))
    assert html.count("<svg") == 2 and html.count("calibration error") == 2
    assert "ConSE Lite2, asked with captions" in html and "Reliability of" in html
    assert fits(lab, calibrations(lab), Colours(9), some, menu(FakeLab())) == ""
    some[0].unfit = "the <b> queries are too few"
    assert "the &lt;b&gt; queries" in fits(
        lab, calibrations(lab), Colours(9), some, menu(FakeLab())
    )


def test_measuring_fits_and_a_stop_keeps_what_was_measured(lab: Lab) -> None:
    gallery, store = Colours(700), calibrations(lab)
    ratings = Ratings(lab, store)
    some = ratings.of(gallery, ["blind"], [])
    with closing(ratings.measure(gallery, some, 60)) as steps:
        next(steps)  # and stop
    assert some[0].done == 256 and len(some[0].pairs) == 1
    assert len(list(ratings.measure(gallery, some, 60))) == 2
    assert some[0].finished and some[0].pairs == []
    assert some[0].unfit.startswith("the queries look for 2 different things")  # warm and cold


def test_what_is_said_stays_while_the_next_part_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def looks(_: object) -> closing[Generator[list[Progress]]]:
        return closing(each for each in ([], [Progress("phash", 1, 2)], [], []))

    monkeypatch.setattr("retrieval.ui.quality.arriving", looks)
    tab = QualityTab(Answers(Lab(cache=tmp_path)))
    lines = list(tab.measure({"gallery": "stamps", "panels": ["phash@exact"]}))
    assert [line.get("say") for line in lines[:4]] == [None, "phash: 1 of 2 queries", None, None]


def test_a_gallery_of_one_label_says_why_nothing_is_fitted(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = Colours(40)
    monkeypatch.setattr(gallery, "labels", lambda rows: ["one"] * len(rows))
    ratings = Ratings(lab, calibrations(lab))
    panels = [Panel("blind", "exact"), Panel("colour", "exact")]
    some = ratings.of(gallery, ["blind"], panels)
    list(ratings.measure(gallery, some, 60))
    assert any("look for 1 different" in each.unfit for each in some)
    labelled = [each for each in some if each.task.texts is None]
    html = duels(gallery, {"a task": labelled}, cast(Menu, Plain()), lettered(panels))
    assert "A − B" in html and "p 1.000" in html and "By label" not in html


class Plain:
    """A menu of names."""

    licence = None

    @property
    def lab(self) -> Lab:
        """One that knows the names."""
        return cast(Lab, SimpleNamespace(spec=lambda name: Spec(name, name, "none:None", "none")))

    def embedder(self, name: str) -> Plain:
        self.title = self.name = name
        return self

    index = embedder


def test_captions_in_no_known_language_are_asked_with(lab: Lab) -> None:
    gallery = Colours(20)  # its words are of no language
    assert [task.texts is None for task in asked(gallery)] == [False, True]
    with pytest.raises(BadQuery, match="captions in one language"):
        asked(gallery, "de")


def rated(name: str, panel: str, values: list[float]) -> Rating:
    rows = np.arange(len(values), dtype=np.int64)
    task = Task(name, rows, tuple(f"<i>{row}" for row in rows), rows)
    parts = np.array([[1.0, each > 0, *[each] * len(SHOWN)] for each in values])
    return Rating(task, panel.split("@")[0], Panel.parse(panel), [parts])


def test_panels_are_tested_and_their_worst_is_a_click() -> None:
    draws = np.random.default_rng(0)
    good = rated("t", "conse-lite2@exact", draws.uniform(0.5, 1, 40).tolist())
    bad = rated("t", "conse-lite2@faiss-hnsw?efSearch=1", draws.uniform(0, 0.5, 40).tolist())
    names = ["conse-lite2@exact", "conse-lite2@faiss-hnsw?efSearch=1"]
    letters = lettered([Panel.parse(each) for each in names])
    html = duels(FakeGallery(), {"t": [good, bad]}, menu(FakeLab()), letters)
    assert "A − B" in html and "p &lt; 0.001" in html and re.search(r"<b>\+0\.\d{3}</b>", html)
    assert "Where B falls behind A" in html and "Where A falls behind B" not in html
    assert 'data-text="&lt;i&gt;' in html and 'data-embedder="conse-lite2"' in html
    assert "By label (5)" in html and "8 of 8" in html and "<small>few</small>" in html
    assert "efSearch 1" in html and "1 comparison here" in html
    assert duels(FakeGallery(), {"t": [good]}, menu(FakeLab()), letters) == ""
    bad.parts = [bad.parts[0][:10]]
    assert duels(FakeGallery(), {"t": [good, bad]}, menu(FakeLab()), letters) == ""


def test_letters_are_those_of_the_search() -> None:
    names = ["efficientnet-lite2@exact", "conse-lite2@exact", "conse-lite2@exact", "captions@exact"]
    letters = lettered([Panel.parse(each) for each in names])
    assert list(letters.values()) == ["A", "B", "D"]
    gap = [None if each == names[1] else Panel.parse(each) for each in names]
    assert list(lettered(gap).values()) == ["A", "D"]
    draws = np.random.default_rng(0)  # A reads no captions, so that it is in another task alone
    some = [rated("t", each, draws.uniform(0, 1, 40).tolist()) for each in (names[1], names[3])]
    html = duels(FakeGallery(), {"t": some}, menu(FakeLab()), letters)
    assert "B − D" in html and "<b>D</b>Captions" in html and "<b>A</b>" not in html


def test_the_tab_letters_the_panels_as_the_search_does(tmp_path: Path) -> None:
    tab = QualityTab(Answers(Lab(cache=tmp_path)))
    panels = [
        "efficientnet-lite2@exact",
        "conse-lite2@exact",
        "conse-lite2@exact",
        "captions@exact",
    ]
    choice = tab.choice({"gallery": "stamps", "panels": panels})
    assert choice.letters["captions@exact"] == "D" and len(choice.panels) == 3


@pytest.fixture(autouse=True)
def _apart() -> Iterator[None]:
    asked.cache_clear()
    yield


def test_an_empty_gallery_has_no_vote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab, empty = Lab(cache=tmp_path), Colours(0)
    monkeypatch.setattr(lab.catalog, "open", lambda name: empty)
    acts = BlindVote(Answers(lab)).acts()
    for name in ("tally", "next", "export"):
        with pytest.raises(BadQuery, match="no pictures"):
            acts[name]({"gallery": "x", "panels": [], "kind": "csv"})
