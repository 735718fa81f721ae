"""The tabs beside the search, over the real lab, in a browser."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from retrieval.lab import Lab
from tests.page.conftest import SHOTS
from tests.page.tabs.opened import ROW, TRADEOFFS, opened, said

pytestmark = pytest.mark.browser


# --- the tabs themselves --------------------------------------------------------------------------


def test_a_tab_is_asked_for_when_it_is_opened(tab: Page, url: str) -> None:
    asked: list[str] = []
    tab.on("request", lambda each: asked.append(urlsplit(each.url).path))
    opened(tab, url + ROW)
    expect(tab.locator("#ask")).to_be_visible()
    assert "tab" not in said(tab)
    assert [each for each in asked if "/tab/" in each] == []
    tab.locator("#tab-tradeoffs").click()
    expect(tab.locator("#tradeoffs .dot").first).to_be_visible()
    expect(tab.locator("#ask")).to_be_hidden()
    expect(tab.locator(".panel").first).to_be_hidden()
    assert [each for each in asked if "/tab/" in each] == ["/tab/tradeoffs", "/tab/scale"]
    assert said(tab)["tab"] == ["tradeoffs"]
    tab.locator("#tab-search").click()
    expect(tab.locator(".panel").first).to_be_visible()
    assert "tab" not in said(tab)


def test_the_address_opens_the_tab_again(tab: Page, url: str) -> None:
    opened(tab, url + TRADEOFFS + "&target=0.8")
    expect(tab.locator("#tradeoffs caption")).to_contain_text("reaches recall 0.80")
    assert said(tab)["target"] == ["0.8"]
    tab.reload()
    expect(tab.locator("#tradeoffs caption")).to_contain_text("reaches recall 0.80")
    expect(tab.locator("#tradeoffs select[data-embedder]")).to_have_value("efficientnet-lite2")
    expect(tab.locator("#tab-tradeoffs")).to_have_attribute("aria-selected", "true")


def test_arrows_walk_over_the_tabs(tab: Page, url: str) -> None:
    opened(tab, url + ROW)
    tab.locator("#tab-search").focus()
    tab.keyboard.press("ArrowRight")
    expect(tab.locator("#tab-tradeoffs")).to_be_focused()
    expect(tab.locator("#tradeoffs")).to_be_visible()
    tab.keyboard.press("ArrowLeft")
    tab.keyboard.press("ArrowLeft")
    expect(tab.locator("#tab-choose")).to_be_focused()
    expect(tab.locator("#choose")).to_be_visible()


def test_the_gallery_is_shared(tab: Page, url: str) -> None:
    opened(tab, url + TRADEOFFS)
    expect(tab.locator("#tradeoffs .dot").first).to_be_visible()
    tab.locator("#gallery").select_option("clipart")
    expect(tab.locator("#tradeoffs .problem")).to_contain_text("Nothing was measured of")
    expect(tab.locator(".over")).to_have_attribute("data-address", re.compile("gallery=clipart"))
    assert said(tab)["gallery"] == ["clipart"]
    assert said(tab)["tab"] == ["tradeoffs"]


def test_a_picture_given_beside_the_search_opens_it(tab: Page, url: str, lab: Lab) -> None:
    opened(tab, url + TRADEOFFS)
    expect(tab.locator("#tradeoffs .dot").first).to_be_visible()
    picture = lab.gallery("stamps").encoded(10)
    given = {"name": "a.webp", "mimeType": "image/webp", "buffer": picture}
    tab.locator("#file").set_input_files(given)  # type: ignore[arg-type]
    expect(tab.locator("#ask")).to_be_visible()
    expect(tab.locator(".verdict")).to_contain_text("Like your picture")


def test_a_tab_that_cannot_be_drawn_says_why(tab: Page, url: str) -> None:
    opened(tab, url + ROW + "&tab=tradeoffs&embedder=nonsense")
    expect(tab.locator("#tradeoffs .state")).to_contain_text("No embedder is called 'nonsense'")


# --- looks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("view", ["tradeoffs", "quality"])
def test_how_it_looks(tab: Page, url: str, view: str, width: int, mode: str) -> None:
    tab.emulate_media(color_scheme="dark" if mode == "dark" else "light")
    tab.set_viewport_size({"width": width, "height": 900})
    opened(tab, url + TRADEOFFS.replace("tab=tradeoffs", f"tab={view}"))
    expect(tab.locator(f"#{view} .figures").first).to_be_visible()
    SHOTS.mkdir(exist_ok=True)
    tab.screenshot(path=SHOTS / f"{view}-{width}-{mode}.png", full_page=True)
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert tab.evaluate(wide) == 0
    small = """(view) => [...document.querySelectorAll(`#${view} :is(button, select, summary, a)`)]
        .filter((each) => each.offsetParent && each.getBoundingClientRect().height < 44)
        .map((each) => each.outerHTML.slice(0, 80))"""
    if width == 390:
        assert tab.evaluate(small, view) == []


# --- probabilities and votes ----------------------------------------------------------------------


def test_a_threshold_dims_and_is_kept_in_the_address(tab: Page, url: str) -> None:
    opened(tab, url + ROW)
    tiles = tab.locator(".panel .tile:not(.lost)")
    expect(tiles.first.locator("small b")).to_have_text(re.compile(r"\d+ %"))
    expect(tab.locator(".tile.weak")).to_have_count(0)
    slider = tab.locator("[data-good]")
    slider.focus()
    slider.press("End")
    expect(tab.locator(".tile.weak")).to_have_count(tiles.count())
    expect(tab.locator("[data-none]")).to_contain_text("No good match: the best has a probability")
    tab.wait_for_function("location.search.includes('good=100')")
    tab.reload()
    expect(tab.locator("[data-none]")).to_contain_text("No good match")
    expect(tab.locator("[data-good]")).to_have_value("100")
    tab.locator("[data-good]").press("Home")
    expect(tab.locator("[data-none]")).to_be_hidden()
    expect(tab.locator(".tile.weak")).to_have_count(0)


@pytest.mark.parametrize("view", ["tradeoffs", "quality"])
def test_a_panel_that_cannot_be_asked_is_left_out_of_a_tab(tab: Page, url: str, view: str) -> None:
    opened(tab, url + f"?gallery=stamps&row=10&panel=huh@exact&panel=phash@exact&tab={view}")
    expect(tab.locator(f"#{view} [data-piece=plot]")).to_contain_text("pHash")
    expect(tab.locator(f"#{view}")).not_to_contain_text("'huh'")
    assert said(tab)["panel"] == ["huh@exact", "phash@exact"]


def test_what_an_index_missed_is_no_good_match(tab: Page, url: str) -> None:
    opened(tab, url + ROW)
    tab.evaluate("""() => {
        const tile = document.querySelector(".tile[data-chance]"), missed = tile.cloneNode(true);
        missed.classList.add("lost");
        missed.dataset.chance = 1;
        tile.parentNode.append(missed);
    }""")
    tab.evaluate("""() => document.querySelectorAll(".tile:not(.lost)").forEach((tile) => {
        tile.dataset.chance = 0.496;
    })""")
    tab.locator("[data-good]").press("End")
    expect(tab.locator("[data-none]")).to_contain_text("No good match: the best has a probability")
    expect(tab.locator("[data-none]")).to_contain_text("of 50 %, and")  # as a tile would say it
