"""What comes late, or comes first, on the search: the newest wish of a person holds."""

from __future__ import annotations

import pytest
from playwright.sync_api import Route, expect

from tests.page.conftest import HNSW, Visit, says
from tests.page.test_page import jpeg

pytestmark = pytest.mark.browser
TICK = "new Promise((done) => setTimeout(done, 50))"


def test_a_text_typed_after_a_picture_is_asked_by_the_button(visit: Visit) -> None:
    """Not every browser leaves the text, or the button, focused when the button is pressed."""
    tab = visit.open(HNSW)
    tab.locator(".panel >> nth=0 >> [data-row] >> nth=3").click()
    expect(tab.locator(".verdict")).to_contain_text("Like")
    tab.locator("#text").fill("a red car")
    tab.locator("#ask button[type=submit]").click()
    expect(tab.locator(".verdict")).to_contain_text("a red car")
    expect(tab.locator("#chip")).to_be_hidden()


def test_the_answer_to_a_picture_leaves_what_is_typed_meanwhile(visit: Visit) -> None:
    tab, lab = visit.open(HNSW), visit.site.lab
    lab.held.clear()
    try:
        tab.locator(".panel >> nth=0 >> [data-row] >> nth=3").click()
        tab.locator("#text").fill("a red c")
    finally:
        lab.held.set()
    expect(tab.locator(".verdict")).to_contain_text("Like")
    expect(tab.locator("#text")).to_have_value("a red c")


def test_an_address_of_a_picture_leaves_what_is_typed_meanwhile(visit: Visit) -> None:
    tab, lab = visit.tab, visit.site.lab
    lab.held.clear()
    try:
        tab.goto(visit.site.url + HNSW.replace("q=a+bird", "row=7"))
        tab.locator("#text").fill("a red c")
    finally:
        lab.held.set()
    expect(tab.locator(".verdict")).to_contain_text("Like")
    expect(tab.locator("#chip")).to_be_visible()
    expect(tab.locator("#text")).to_have_value("a red c")


def test_a_picker_and_a_picture_are_of_use_before_the_first_answer(visit: Visit) -> None:
    tab, lab = visit.tab, visit.site.lab
    lab.held.clear()
    try:
        tab.goto(visit.site.url)
        first = tab.locator(".panel >> nth=0")
        expect(first.locator(".tile:not(.lost)")).to_have_count(10)
        assert tab.locator(".over").count() == 0
        first.locator("[data-row] >> nth=2").focus()
        expect(tab.locator("#peek")).to_contain_text("GPL-2.0-only")
        first.locator("[data-pick=index]").select_option("faiss-hnsw")
    finally:
        lab.held.set()
    says(tab, "panel", "conse-lite2@faiss-hnsw", "captions@exact")


def test_an_upload_that_comes_late_takes_no_newer_ones_place(visit: Visit) -> None:
    tab, lab = visit.open(), visit.site.lab
    slow: list[Route] = []
    tab.route("**/upload*", lambda each: each.continue_() if slow else slow.append(each))
    for name, data in (("old.jpg", jpeg() + b"\0"), ("new.jpg", jpeg())):
        tab.locator("#file").set_input_files(
            {"name": name, "mimeType": "image/jpeg", "buffer": data}
        )
    expect(tab.locator(".verdict")).to_contain_text("Like your picture")
    with tab.expect_response("**/upload*"):
        slow[0].continue_()
    tab.evaluate(TICK)
    tab.locator("[data-remove] >> nth=0").click()
    expect(tab.locator(".over")).to_have_attribute("data-panels", "1")
    assert lab.asked[-1][2].image == jpeg()


def test_taking_a_picture_gives_no_figures(visit: Visit) -> None:
    """The buttons of figures were meant by the same name, and what they need is not there."""
    tab = visit.open()
    tab.evaluate("document.querySelector('#snap .primary').click()")
    tab.evaluate(TICK)  # what the page complains of is looked at when it closes
