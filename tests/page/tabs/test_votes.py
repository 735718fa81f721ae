"""Blind votes in a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from retrieval.ui import launch
from tests.bare import unmeasured
from tests.page.tabs.opened import ROW, opened
from tests.page.test_tabs_http import few

pytestmark = pytest.mark.browser
TWO = ROW + "&panel=phash@exact&tab=quality"


def test_a_blind_vote_in_the_page(tab: Page, url: str) -> None:
    opened(tab, url + TWO)
    tab.locator("[data-vote=next]").click()
    place = tab.locator("#quality [data-piece=vote]")
    expect(place.locator("[data-mark]")).to_have_count(20)
    expect(place).not_to_contain_text("pHash")
    place.locator("[data-mark]").first.hover()
    expect(tab.locator("#peek")).to_be_hidden()  # it would tell which panel has it
    place.locator("[data-mark]").first.click()
    expect(place.locator("[data-mark]").first).to_have_attribute("aria-pressed", "true")
    place.locator("[data-cast=right]").click()
    expect(place.locator(".lead")).to_contain_text("You chose right. Left was")
    expect(place).to_contain_text("pHash × Exact")
    with tab.expect_download() as waiting:
        place.locator("[data-judgements=qrels]").click()
    assert waiting.value.suggested_filename == "votes-stamps.qrels"
    assert tab.evaluate("localStorage.getItem('parallax-votes')") is None  # the machine has it


def test_a_visitors_votes_stay_in_the_browser(tab: Page, tmp_path: Path) -> None:
    strange = unmeasured(tmp_path, public=True)
    page = launch.start(few(strange), "127.0.0.1", quiet=True)
    try:
        opened(tab, str(page.local_url) + TWO)
        tab.evaluate("localStorage.setItem('parallax-votes', '[5, {\"gallery\": \"stamps\"}]')")
        tab.locator("[data-vote=next]").click()
        tab.locator("[data-cast=tie]").click()
        place = tab.locator("#quality [data-piece=vote]")
        expect(place).to_contain_text("1 vote.")
        expect(tab.locator(".panel[aria-busy]")).to_have_count(0)
        tab.reload()
        expect(place).to_contain_text("1 vote.")
        expect(tab.locator(".over")).to_be_attached()
        expect(tab.locator(".panel[aria-busy]")).to_have_count(0)
        tab.wait_for_load_state("networkidle")  # the answer's stream has been read to its end
        assert not (tmp_path / "votes").exists()
        tab.goto("about:blank")  # before its server goes
    finally:
        page.close()
