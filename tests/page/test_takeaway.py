"""Every table and plot of the page as CSV, JSON or PNG, each file opened."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from retrieval.commands import again
from retrieval.errors import BadQuery
from retrieval.lab import Lab
from retrieval.measure import drawn, scale
from retrieval.measure.rounds import Job, rounds
from retrieval.ui import launch
from retrieval.ui.takeaway import takeaway, told
from tests.bare import unmeasured
from tests.fake_lab import FakeGallery
from tests.held import ENOUGH
from tests.page.conftest import LONG
from tests.page.test_tabs_http import few
from tests.test_outlook import SMALL

browsed = pytest.mark.browser
START = "?gallery=stamps&row=10&panel=efficientnet-lite2@exact&panel=phash@exact&tab="
TABS = {
    "search": "",
    "tradeoffs": "&embedder=conse-lite2&queries=picture",
    "quality": "",
    "duplicates": "&near=efficientnet-lite2",
    "choose": "&reads=text",
}
TOO_FEW = {"tradeoffs": 12, "quality": 12, "duplicates": 7, "choose": 6, "search": 3}
"""Files that a tab gives at least."""
ORPHANS = """(view) => {
  const shown = (each) => each.checkVisibility() && each.getBoundingClientRect().width;
  const given = (each, what) => (each.closest("[data-piece], .chart") ?? view).querySelector(what);
  const ways = ["[data-take=csv], a[href*='.csv']", "[data-png]"];
  const same = "#scale [data-piece=table], #tradeoffs [data-piece=more]"; // in the plot's files
  return [...view.querySelectorAll("table, svg.scatter")]
    .filter((each) => shown(each) && !each.parentNode.closest("table") && !each.closest(same))
    .filter((each) => !ways.every((way) => given(each, way)))
    .map((each) => each.outerHTML.slice(0, 200));
}"""
"""Tables and plots of a view that nothing gives away."""


@dataclass(frozen=True)
class Place:
    """A page and its lab."""

    lab: Lab
    url: str


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A lab that has measured sweeps both ways, and four small sizes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scale, "SIZES", SMALL)
        patch.setattr(drawn, "NEARS", (8,))
        patch.setattr(drawn, "STEPS", (0.8,))
        lab = unmeasured(tmp_path_factory.mktemp("cache"))
        gallery, spec = lab.gallery("stamps"), lab.spec("conse-lite2")
        fitting = few(lab).menu.fitting(spec)
        for kind in ("picture", "text"):
            list(rounds(lab, Job(gallery, spec, fitting, kind), ENOUGH))
        list(scale.measure(lab, scale.Job(gallery, spec, fitting), ENOUGH))
        page = launch.start(few(lab), "127.0.0.1", quiet=True)
        yield Place(lab, str(page.local_url))
        page.close()


def saved(button: Locator, folder: Path) -> Path:
    with button.page.expect_download() as waiting:
        button.click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def looked(path: Path, of: str) -> None:
    """Open a file as its reader would."""
    if path.suffix == ".png":
        image = Image.open(path)
        image.load()
        assert 300 <= image.width <= 8_000 and 150 <= image.height <= 12_000
        few = np.asarray(image.convert("RGB").resize((300, 300))).reshape(-1, 3)
        assert len({*map(tuple, few.tolist())}) > 20, f"{path.name} shows nothing"
    elif path.suffix == ".csv":
        rows = list(csv.DictReader(path.open(encoding="utf-8", newline="")))
        assert rows and None not in rows[0] and None not in rows[0].values()
        if "duplicates" not in path.name:  # those name the gallery's licence in JSON alone
            assert "GPL-2.0" in rows[0]["gallery_licence"], of
            assert all(row["weights_licence"] is not None for row in rows)
    else:
        whole: dict[str, Any] = json.loads(path.read_text("utf-8"))
        assert "GPL-2.0" in str(whole.get("licences", whole.get("licence"))), of
        assert any(isinstance(each, list) and each for each in whole.values())


def same(lab: Lab, given: dict[str, Any]) -> None:
    """What says that it can be measured again is the same again; the quick ones."""
    if given.get("kind") in ("sweep", "scale", "choose") or "panel" in given.get("options", {}):
        told = again.replayed(lab, given)
        assert told["same"], told["differences"]


def settled(tab: Page, name: str) -> None:
    """A tab with all that it can draw."""
    view = tab.locator(f"#{name}")
    if name == "search":
        expect(tab.locator(".chart td.wide")).to_have_count(2)
    elif name == "quality":
        view.locator("[data-measure]").click()
        expect(view.locator(".state")).to_contain_text("All measured", timeout=LONG)
        tab.locator("[data-vote=next]").click()
        tab.locator("[data-mark]").first.click()
        tab.locator("[data-cast=left]").click()
        expect(view.locator("[data-judgements=csv]")).to_be_visible()
    elif name == "tradeoffs":
        expect(view.locator("[data-piece=both] .scatter")).to_be_visible()
        expect(tab.locator("#scale .sizes svg")).to_have_count(3)
    elif name == "duplicates":
        expect(view.locator("[data-piece=live] .small svg")).to_have_count(6)
    else:
        expect(view.locator(".advice article")).to_have_count(3)


@browsed
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", TABS)
def test_everything_that_is_seen_can_be_taken_away(
    tab: Page, place: Place, name: str, tmp_path: Path
) -> None:
    tab.goto(place.url + START + (name if name != "search" else "") + TABS[name])
    expect(tab.locator(".over")).to_be_attached()
    settled(tab, name)
    tab.evaluate("document.querySelectorAll('.view details').forEach((each) => (each.open = true))")
    views = ["body"] if name == "search" else [f"#{name}", *["#scale"] * (name == "tradeoffs")]
    for each in views:
        found = tab.locator(each).evaluate(ORPHANS)
        assert found == [], f"nothing gives this away: {found}"
    files: list[str] = []
    for each in views:
        buttons = tab.locator(each).locator("[data-take], [data-png], a[download][href*='tab/']")
        for button in [one for one in buttons.all() if one.is_visible()]:
            if "receipt" in (button.get_attribute("href") or ""):
                continue
            path = saved(button, tmp_path)
            looked(path, f"{each}: {path.name}")
            files.append(path.name)
            if path.suffix == ".json":
                same(place.lab, json.loads(path.read_text("utf-8")))
    assert len({*files}) == len(files) >= TOO_FEW[name], files


# --- what stands in the page ----------------------------------------------------------------------


def test_figures_carry_licences_and_no_nan() -> None:
    rows: list[dict[str, Any]] = [{"a": float("nan"), "b": "x"}, {"b": 0.1 + 0.2, "c": None}]
    spec = Lab().spec("conse-lite2")
    found = told("A title", rows, FakeGallery(), spec)
    assert found["columns"] == ["a", "b", "c"]
    assert found["rows"] == [[None, "x", None], [None, 0.1 + 0.2, None]]
    assert found["licences"]["weights"]["conse-lite2"].startswith("Apache-2.0")
    assert found["gallery_revision"] == "1" and found["versions"]["numpy"]


def test_what_is_written_stays_text() -> None:
    html = takeaway("<b>'\"", [{"caption": "</p><script>\"&'"}], FakeGallery())
    assert "<script" not in html and "<b>" not in html
    assert html.count("data-take=") == 2 and html.count("data-png=") == 1


def test_a_result_that_is_gone_is_told() -> None:
    answers = few(Lab())
    with pytest.raises(BadQuery, match="no longer kept"):
        answers.kept.figures("gone")
