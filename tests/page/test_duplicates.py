"""The tab of duplicates over the real lab, in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from retrieval.duplicates import detection
from retrieval.embedders import EMBEDDERS
from retrieval.indexes import INDEXES
from retrieval.lab import Lab
from retrieval.ui import launch
from retrieval.ui.answers import Answers
from retrieval.ui.menu import Menu
from tests.held import held
from tests.page.conftest import SHOTS

pytestmark = pytest.mark.browser
NAMES = ("captions", "colours", "conse-lite2", "dhash", "efficientnet-lite2", "phash")
START = "?gallery=stamps&row=10&panel=efficientnet-lite2@exact&tab=duplicates&near=colours"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    lab = Lab(cache=tmp_path_factory.mktemp("cache"))
    menu = Menu(lab, [EMBEDDERS.spec(name) for name in NAMES], [INDEXES.spec("exact")])
    page = launch.start(Answers(lab, menu), "127.0.0.1", quiet=True)
    yield str(page.local_url)
    page.close()


def opened(page: Page, address: str) -> Page:
    page.goto(address)
    expect(page.locator(".over")).to_be_attached()  # from now on the address tells what is chosen
    expect(page.locator("#duplicates .twins")).to_be_visible()
    expect(page.locator("#duplicates [data-piece=live] .small svg")).to_have_count(6)
    return page


def said(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def test_groups_stand_side_by_side(tab: Page, url: str) -> None:
    opened(tab, url + START)
    expect(tab.locator("#duplicates .verdict")).to_contain_text("have a near-duplicate")
    expect(tab.locator("#duplicates .twins > li")).to_have_count(6)
    tab.get_by_role("button", name="more groups").click()
    expect(tab.locator("#duplicates .twins > li").nth(6)).to_be_visible()
    tab.get_by_label("Hash only").check()
    expect(tab.locator("#duplicates .twins")).to_contain_text(
        "Colour histogram finds no group here"
    )
    expect(tab.locator("#duplicates .twins")).not_to_contain_text("pHash finds no group")
    assert said(tab)["show"] == ["first"]
    assert said(tab)["tab"] == ["duplicates"]


def test_the_picture_of_the_query_and_then_a_click(tab: Page, url: str) -> None:
    opened(tab, url + START)
    heading = tab.locator("#duplicates [data-piece=live] h2")
    expect(heading).to_contain_text("crane", ignore_case=True)
    tile = tab.locator("#duplicates [data-twin]").first
    words = tile.locator("img").get_attribute("alt") or ""
    tile.focus()
    tab.keyboard.press("Enter")
    expect(heading).to_contain_text(words.rstrip("."))
    assert said(tab)["picture"] == [tile.get_attribute("data-twin")]


def test_the_radius_moves_the_cosine_until_that_is_moved(tab: Page, url: str) -> None:
    opened(tab, url + START)
    radius, cosine = tab.locator("[data-radius]"), tab.locator("[data-cosine]")
    before = cosine.input_value()
    radius.focus()
    for _ in range(6):
        tab.keyboard.press("ArrowRight")
    expect(tab.locator("#duplicates .twin h3").first).to_contain_text("within 14 bits")
    expect(cosine).not_to_have_value(before)
    assert "threshold" not in said(tab)
    cosine.focus()
    tab.keyboard.press("End")
    expect(tab.locator("#duplicates .twin h3").last).to_contain_text("from 1.0000")
    assert said(tab)["threshold"] == ["1"]
    assert said(tab)["radius"] == ["14"]
    expect(radius).to_be_visible()
    tab.get_by_role("button", name="Equal pairs").click()
    expect(tab.locator("#duplicates .hint").first).to_contain_text("as many pairs")
    assert "threshold" not in said(tab)


def test_an_address_opens_as_it_was(tab: Page, url: str) -> None:
    more = "&hash=dhash&radius=3&threshold=0.999&picture=20&show=first"
    opened(tab, url + START + more)
    expect(tab.locator("[data-way=hash]")).to_have_value("dhash")
    expect(tab.locator("#duplicates .twin h3").first).to_contain_text("dHash within 3 bits")
    expect(tab.locator("#duplicates .twin h3").last).to_contain_text("from 0.9990")
    expect(tab.get_by_label("Hash only")).to_be_checked()
    assert said(tab)["picture"] == ["20"]


def test_too_loose_is_a_sentence_and_the_pickers_stay(tab: Page, url: str) -> None:
    tab.goto(url + START + "&radius=64")
    problem = tab.locator("#duplicates .problem")
    expect(problem).to_contain_text("choose a stricter threshold")
    tab.locator("[data-radius]").focus()
    tab.keyboard.press("Home")
    expect(tab.locator("#duplicates .twins")).to_be_visible()
    expect(problem).to_have_count(0)


def test_measuring_and_stopping(tab: Page, url: str) -> None:
    opened(tab, url + START)
    tab.locator("[data-pictures]").fill("700")
    state = tab.locator("#duplicates .state")
    with held(detection, "_stacked"):
        tab.locator("#duplicates [data-measure]").click()
        expect(state).to_contain_text("of 700 pictures")
        tab.locator("#duplicates [data-halt]").click()
    expect(state).to_contain_text("Stopped; what was measured is kept")
    expect(tab.locator("#duplicates [data-measure]")).to_be_visible()


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1440, "dark")])
def test_nothing_scrolls_sideways(tab: Page, url: str, width: int, scheme: str) -> None:
    tab.set_viewport_size({"width": width, "height": 844})
    tab.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    opened(tab, url + START)
    sideways = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert tab.evaluate(sideways) == 0
    for button in tab.locator("#duplicates button:visible").all():
        box = button.bounding_box()
        assert box is not None and min(box["width"], box["height"]) >= 43.5
    Path(SHOTS).mkdir(exist_ok=True)
    tab.screenshot(path=SHOTS / f"duplicates-{width}-{scheme}.png", full_page=True)
