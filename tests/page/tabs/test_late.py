"""What comes late in a tab takes the place of nothing newer; and where there is no room yet."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, Route, expect

from retrieval.measure.rounds import Running
from tests.held import held
from tests.page.tabs.opened import ROW, TRADEOFFS, opened
from tests.page.test_late import TICK

pytestmark = pytest.mark.browser


def test_a_tab_without_room_is_asked_for_all_the_same(tab: Page, url: str) -> None:
    """A page that is not laid out has no width, which the server refuses."""
    opened(tab, url + TRADEOFFS)
    expect(tab.locator("#tradeoffs .dot").first).to_be_visible()
    with tab.expect_response("**/tab/tradeoffs") as waiting:
        tab.evaluate("""() => {
            document.body.style.display = "none";
            const slider = document.querySelector("[data-target]");
            slider.dispatchEvent(new Event("input", { bubbles: true }));
        }""")
    assert json.loads(waiting.value.request.post_data or "")["width"] > 0
    assert waiting.value.ok


def test_measuring_leaves_the_target_that_is_set_meanwhile(
    tab: Page, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = Running.order
    monkeypatch.setattr(Running, "order", lambda self: order(self)[:3])
    opened(tab, url + TRADEOFFS)
    caption, state = tab.locator("#tradeoffs caption"), tab.locator("#tradeoffs .state")
    expect(caption).to_contain_text("recall 0.95")
    with held(Running) as hold:
        tab.locator("#tradeoffs [data-measure]").click()
        expect(state).to_contain_text("settings measured")
        tab.locator("[data-target]").press("End")
        expect(caption).to_contain_text("recall 1.00")
        hold.go.set()
        expect(state).to_contain_text("kept")
    expect(tab.locator("#tradeoffs [data-measure]")).to_be_visible()
    expect(caption).to_contain_text("recall 1.00")


def test_a_pair_that_comes_late_is_not_shown_under_another_gallery(tab: Page, url: str) -> None:
    slow: list[Route] = []
    tab.route("**/vote/next", lambda each: slow.append(each))
    opened(tab, url + ROW + "&panel=phash@exact&tab=quality")
    tab.locator("[data-vote=next]").click()
    tab.locator("#gallery").select_option("clipart")
    expect(tab.locator("#quality .lead").first).to_contain_text("Open Clip Art Library")
    expect(tab.locator("[data-vote=next]")).to_be_visible()
    with tab.expect_response("**/vote/next"):
        slow[0].continue_()
    tab.evaluate(TICK)
    expect(tab.locator("[data-ballot]")).to_have_count(0)
    expect(tab.locator("[data-vote=next]")).to_be_visible()


def test_a_vote_leaves_out_a_panel_that_cannot_be_asked(tab: Page, url: str) -> None:
    opened(tab, url + ROW + "&panel=huh@exact&panel=phash@exact&tab=quality")
    tab.locator("[data-vote=next]").click()
    expect(tab.locator("#quality [data-mark]")).to_have_count(20)


def test_copying_the_link_of_a_tab_is_said(tab: Page, url: str) -> None:
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened(tab, url + TRADEOFFS)
    tab.locator("#link").click()
    expect(tab.locator("#say")).to_be_visible()
    expect(tab.locator("#say")).to_have_text(re.compile("Copied"))
    tab.locator("#tab-search").click()
    expect(tab.locator("#say")).to_be_empty()
