"""The control over the panels by which a part of the gallery answers."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.page.conftest import HNSW, SHOTS, Visit

pytestmark = pytest.mark.browser


def where(tab: Page) -> list[str]:
    return parse_qs(urlsplit(tab.url).query).get("where", [])


def slide(tab: Page, step: int) -> None:
    """Move the slider as a hand does: input, then change."""
    tab.locator("[data-where=part]").evaluate(
        "(range, step) => { range.value = step;"
        "for (const name of ['input', 'change'])"
        "  range.dispatchEvent(new Event(name, { bubbles: true })) }",
        step,
    )


def labels(tab: Page) -> set[str | None]:
    return {each.get_attribute("data-label") for each in tab.locator(".tile [data-row]").all()}


def test_a_label_narrows_all_panels_and_stays_in_the_address(visit: Visit) -> None:
    tab = visit.open(HNSW)
    assert len(labels(tab)) > 1 and where(tab) == []
    tab.locator("[data-where=label]").select_option("label=class 2")
    expect(tab.locator(".verdict")).to_contain_text("12 of 60 pictures (label=class 2)")
    assert labels(tab) == {"class 2"}
    assert where(tab) == ["label=class 2"]
    tab.reload()
    expect(tab.locator("[data-where=label]")).to_have_value("label=class 2")
    expect(tab.locator(".panel >> nth=1")).to_contain_text("a beam of 64 instead of 16")
    tab.locator("[data-where=label]").select_option("")
    expect(tab.locator(".verdict")).to_contain_text("in 60 pictures")
    assert where(tab) == []


def test_the_slider_narrows_to_a_part(visit: Visit) -> None:
    tab = visit.open(HNSW)
    slide(tab, 2)
    expect(tab.locator(".verdict")).to_contain_text("6 of 60 pictures")
    expect(tab.locator(".filter output")).to_have_text("10 %")
    expect(tab.locator(".panel >> nth=0")).to_contain_text("6 found of 6 allowed")
    assert where(tab) == ["part<100"]
    tab.locator("[data-where=label]").select_option("label=class 1")  # one at a time
    expect(tab.locator(".verdict")).to_contain_text("12 of 60")
    expect(tab.locator(".filter output")).to_have_text("all")
    slide(tab, 4)
    expect(tab.locator(".verdict")).to_contain_text("1 of 60")
    slide(tab, 0)
    expect(tab.locator(".verdict")).to_contain_text("in 60 pictures")


def test_what_was_typed_into_the_address_is_kept(visit: Visit) -> None:
    tab = visit.open("?gallery=stamps&q=a+bird&where=label%3Dclass+1%7Cclass+3")
    expect(tab.locator(".verdict")).to_contain_text("24 of 60 pictures")
    expect(tab.locator("[data-where=label]")).to_have_value("label=class 1|class 3")
    tab.locator("#text").fill("a car")
    tab.keyboard.press("Enter")
    expect(tab.locator(".verdict")).to_contain_text("a car in 24 of 60", use_inner_text=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense", "a filter is written"),
        ("colour%3Dred", "no column 'colour'"),
        ("part%3Cten", "whole number"),
        ("%3Cimg src=x onerror=alert(1)%3E%3D1", "a filter is written"),
    ],
)
def test_a_bad_filter_says_so(visit: Visit, text: str, said: str) -> None:
    visit.tab.goto(f"{visit.site.url}?q=a+bird&where={text}")
    expect(visit.tab.get_by_text(re.compile(re.escape(said))).first).to_be_visible()
    assert visit.tab.locator("img[src=x]").count() == 0


def test_nothing_allowed_is_no_error(visit: Visit) -> None:
    tab = visit.open("?q=a+bird&where=label%3D<b>nobody</b>")
    expect(tab.locator(".verdict")).to_contain_text("0 of 60 pictures (label=<b>nobody</b>)")
    expect(tab.locator(".panel >> nth=0")).to_contain_text("0 found of 0 allowed")


@pytest.mark.parametrize("wide", [390, 1440])
def test_it_fits(visit: Visit, wide: int) -> None:
    visit.tab.set_viewport_size({"width": wide, "height": 844})
    tab = visit.open(HNSW + "&where=label%3Dclass+2")
    expect(tab.locator(".filter")).to_be_visible()
    assert visit.width() == 0
    assert (tab.locator("[data-where=label]").bounding_box() or {"height": 0})["height"] >= 44
    SHOTS.mkdir(exist_ok=True)
    tab.screenshot(path=SHOTS / f"filters-{wide}.png")
