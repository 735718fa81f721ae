"""Trade-offs in a browser: its plot, its table, and measuring here."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from retrieval.lab import Lab
from retrieval.measure.rounds import Running, sweeps
from retrieval.ui import ratings
from retrieval.ui.turn import turn
from tests.held import held
from tests.page.conftest import PATIENT
from tests.page.tabs.opened import CLOSE, TRADEOFFS, job, opened, said

pytestmark = pytest.mark.browser


# --- trade-offs -----------------------------------------------------------------------------------


def test_a_settings_figures_are_shown_and_enter_opens_it(tab: Page, url: str) -> None:
    opened(tab, url + TRADEOFFS)
    hnsw = tab.locator("#tradeoffs .series[aria-label='FAISS HNSW'] .dot")
    usual = tab.locator("#tradeoffs .series[aria-label='FAISS HNSW'] .dot[tabindex='0']")
    usual.focus()
    expect(tab.locator("#peek")).to_contain_text("FAISS HNSW, efSearch 16 (default)")
    expect(tab.locator("#peek")).to_contain_text(re.compile(r"p50 [\d.]+ ms, p95"))
    assert hnsw.count() > 5
    tab.locator("#tradeoffs .dot[data-apply='efficientnet-lite2@faiss-hnsw?efSearch=64']").focus()
    tab.keyboard.press("Enter")
    expect(tab.locator("#ask")).to_be_visible()
    expect(tab.locator(".panel >> nth=1")).to_have_attribute(
        "data-panel", "efficientnet-lite2@faiss-hnsw?efSearch=64"
    )
    expect(tab.locator(".over")).to_have_attribute("data-panels", "2")
    assert said(tab)["panel"][1] == "efficientnet-lite2@faiss-hnsw?efSearch=64"


def test_a_pointer_means_the_nearest_mark(tab: Page, url: str) -> None:
    """Marks lie in the reach of those that are drawn after them."""
    opened(tab, url + TRADEOFFS.replace("embedder=efficientnet-lite2", f"embedder={CLOSE}"))
    expect(tab.locator("#tradeoffs .dot").first).to_be_visible()
    expect(tab.locator("#scale h2")).to_be_visible()  # from now on nothing moves
    places = tab.evaluate("""() => [...document.querySelectorAll("#tradeoffs .dot")].map((each) => {
        const { left, top, width } = each.querySelector(".reach").getBoundingClientRect();
        return [left + width / 2, top + width / 2, each.dataset.apply];
    })""")
    known = [(x, y, panel) for x, y, panel in places if 0 < y < 700]
    alone = [
        (x, y, panel)
        for x, y, panel in known
        if all((x - a) ** 2 + (y - b) ** 2 > 9 for a, b, other in known if other != panel)
    ]
    near = [
        each
        for each in alone
        if any(0 < (each[0] - a) ** 2 + (each[1] - b) ** 2 < 144 for a, b, _ in known)
    ]
    assert len(near) > 5
    for x, y, panel in near[:8]:
        tab.mouse.move(x, y)
        expect(tab.locator(".dot.told")).to_have_attribute("data-apply", panel)
    tab.mouse.click(x, y)
    expect(tab.locator("#ask")).to_be_visible()
    assert panel in said(tab)["panel"]


def test_a_second_touch_opens_what_the_first_has_shown(browser: Browser, url: str) -> None:
    phone = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    phone.set_default_timeout(PATIENT)
    try:
        tab = opened(phone.new_page(), url + TRADEOFFS)
        mark = tab.locator("#tradeoffs .dot").nth(6)
        mark.scroll_into_view_if_needed()
        box = mark.locator(".reach").bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        tab.touchscreen.tap(x, y)
        expect(tab.locator("#peek")).to_contain_text("p99")
        panel = tab.locator(".dot.told").get_attribute("data-apply")
        tab.touchscreen.tap(x, y)
        expect(tab.locator("#ask")).to_be_visible()
        assert panel in said(tab)["panel"]
    finally:
        phone.close()


def test_arrows_walk_over_settings(tab: Page, url: str) -> None:
    opened(tab, url + TRADEOFFS)
    dots = tab.locator("#tradeoffs .series[aria-label='FAISS HNSW'] .dot")
    dots.first.focus()
    tab.keyboard.press("ArrowRight")
    expect(dots.nth(1)).to_be_focused()


def test_the_target_moves_the_table(tab: Page, url: str) -> None:
    opened(tab, url + TRADEOFFS)
    expect(tab.locator("#tradeoffs caption")).to_contain_text("recall 0.95")
    slider = tab.locator("[data-target]")
    slider.focus()
    slider.press("End")
    expect(tab.locator("#tradeoffs caption")).to_contain_text("recall 1.00")
    expect(tab.locator("#tradeoffs tbody tr").first).to_contain_text("1.000")
    expect(slider).to_be_focused()
    tab.wait_for_function("location.search.includes('target=1')")


def test_another_machines_figures_are_marked(tab: Page, url: str) -> None:
    opened(tab, url + TRADEOFFS)
    expect(tab.locator("#tradeoffs .here")).to_contain_text("Measured on")
    expect(tab.locator("#tradeoffs .away")).to_have_count(0)
    tab.locator("#tradeoffs select[data-embedder]").select_option("efficientnet-lite0")
    expect(tab.locator("#tradeoffs .away")).to_contain_text("Another machine's")
    expect(tab.locator("#tradeoffs .away")).to_contain_text("Abacus, 1 core")
    assert said(tab)["embedder"] == ["efficientnet-lite0"]


def test_measuring_here_draws_points_and_stop_keeps_them(tab: Page, url: str, lab: Lab) -> None:
    opened(tab, url + TRADEOFFS.replace("embedder=efficientnet-lite2", "embedder=phash"))
    expect(tab.locator("#tradeoffs .problem")).to_contain_text("Nothing was measured of pHash")
    tab.locator("#tradeoffs select[data-embedder]").select_option("conse-lite2")
    tab.locator("#tradeoffs [value=picture]").check()
    expect(tab.locator("#tradeoffs .problem")).to_contain_text("ConSE-Lite2")
    expect(tab.locator("#tradeoffs [data-halt]")).to_be_hidden()
    with held(Running):
        tab.locator("#tradeoffs [data-measure]").click()
        expect(tab.locator("#tradeoffs .dot").first).to_be_visible()
        tab.locator("#tradeoffs [data-halt]").click()
    expect(tab.locator("#tradeoffs .state")).to_contain_text("kept")
    expect(tab.locator("#tradeoffs [data-measure]")).to_be_visible()
    with turn():  # what runs when it is stopped ends first
        asked = job(lab, "conse-lite2")
        assert any(sweeps(lab).find(asked.key(spec)) for spec in asked.indexes)


def test_files_are_given(tab: Page, url: str) -> None:
    opened(tab, url + TRADEOFFS)
    for kind in ("CSV", "JSON"):
        with tab.expect_download() as waiting:
            tab.get_by_role("link", name=kind).click()
        name = waiting.value.suggested_filename
        assert name == f"sweeps-stamps-efficientnet-lite2-picture.{kind.lower()}"


# --- quality --------------------------------------------------------------------------------------


def test_what_is_left_is_counted_again_after_a_stop(tab: Page, url: str) -> None:
    opened(tab, url + "?gallery=clipart&row=5&panel=conse-lite2@exact&tab=quality")
    lead = tab.locator("#quality .lead")
    expect(lead).to_contain_text("queries to measure")
    before = lead.inner_text()
    with held(ratings, "_columns"):
        tab.locator("#quality [data-measure]").click()
        expect(tab.locator("#quality .state")).to_contain_text(" of ")
        tab.locator("#quality [data-halt]").click()
    expect(tab.locator("#quality .state")).to_have_text("Stopped; what was measured is kept.")
    expect(lead).not_to_have_text(before)
    expect(tab.locator("#quality [data-measure]")).to_be_visible()
