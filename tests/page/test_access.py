"""The page by keyboard, by touch, by ear."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.page.conftest import HNSW, Visit

pytestmark = pytest.mark.browser


def test_every_control_has_a_name_and_every_picture_its_caption(visit: Visit) -> None:
    tab = visit.open(HNSW)
    nameless = """() => [...document.querySelectorAll("#bar *, .panel *, .over *")]
        .filter(each => each.matches("button, select, input"))
        .filter(each => each.checkVisibility() && !(each.ariaLabel || each.labels?.length
            || each.textContent.trim() || each.title || each.querySelector("img[alt]")))
        .map(each => each.outerHTML)"""
    assert tab.evaluate(nameless) == []
    assert tab.locator(".tile img:not([alt])").count() == 0
    assert tab.locator(".tile img[alt='']").count() == 0


def test_targets_are_large_enough_on_a_phone(visit: Visit) -> None:
    visit.tab.set_viewport_size({"width": 390, "height": 844})
    tab = visit.open(HNSW)
    tab.locator("#knobs").click()
    expect(tab.locator("[data-knob=efSearch]")).to_be_visible()
    small = """() => [...document.querySelectorAll(".gradio-container :is(button, select, input)")]
        .filter(each => each.checkVisibility() && !each.closest("label, #chip"))
        .map(each => [each.outerHTML.slice(0, 80), each.offsetWidth, each.offsetHeight])
        .filter(([, wide, high]) => wide < 44 || high < 44)"""
    assert tab.evaluate(small) == []
    assert visit.width() == 0
    columns = (
        "getComputedStyle(document.querySelector('.grid')).gridTemplateColumns.split(' ').length"
    )
    assert tab.evaluate(columns) == 3


def test_the_whole_way_by_keyboard(visit: Visit) -> None:
    tab = visit.open(HNSW)
    tab.keyboard.press("/")
    expect(tab.locator("#text")).to_be_focused()
    tab.keyboard.press("Control+A")
    tab.keyboard.type("a red car")
    tab.keyboard.press("Enter")
    expect(tab.locator(".verdict")).to_contain_text("a red car")
    focused = "document.activeElement.closest('.tile') && document.activeElement.dataset.row"
    for _ in range(100):
        tab.keyboard.press("Tab")
        if tab.evaluate(focused):
            break
    first = tab.evaluate(focused)
    tab.keyboard.press("ArrowRight")
    row = tab.evaluate(focused)
    assert row != first
    expect(tab.locator("#peek")).to_be_visible()
    tab.keyboard.press("Enter")
    expect(tab.locator(".verdict")).to_contain_text("Like")
    assert re.search(rf"[?&]row={row}&", tab.url)


def test_a_knob_keeps_the_focus_while_its_panel_is_drawn_anew(visit: Visit) -> None:
    tab = visit.open(HNSW)
    knob = tab.locator("[data-knob=efSearch]")
    knob.focus()
    for value in (4, 8, 16):
        tab.keyboard.press("ArrowRight")
        expect(tab.locator(".panel >> nth=1 >> .knob output >> nth=0")).to_have_text(str(value))
        expect(tab.locator(".panel[aria-busy]")).to_have_count(0)
        expect(knob).to_be_focused()


def test_the_focus_is_visible(visit: Visit) -> None:
    tab = visit.open(HNSW)
    unseen = """() => [...document.querySelectorAll("#bar *, .panel *, .over *")]
        .filter(each => each.matches("button, select, a, input") && each.checkVisibility())
        .filter(each => {
            each.focus({ focusVisible: true });
            const styles = [each, each.closest(".query") ?? each].map(it => getComputedStyle(it));
            return document.activeElement === each
                && styles.every(its => its.outlineStyle === "none" && its.boxShadow === "none");
        }).map(each => each.outerHTML.slice(0, 90))"""
    assert tab.evaluate(unseen) == []


def test_nothing_moves_where_the_system_asks_for_none(visit: Visit) -> None:
    visit.tab.emulate_media(reduced_motion="reduce")
    tab = visit.open(HNSW)
    moving = """() => [...document.querySelectorAll(".gradio-container *")].filter(each => {
        const style = getComputedStyle(each);
        return style.animationName !== "none" || parseFloat(style.transitionDuration) > 0;
    }).map(each => each.outerHTML.slice(0, 90))"""
    assert tab.evaluate(moving) == []


def test_the_settings_fold_on_a_phone(visit: Visit) -> None:
    visit.tab.set_viewport_size({"width": 390, "height": 844})
    tab = visit.open(HNSW)
    expect(tab.locator("[data-knob=efSearch]")).to_be_hidden()
    expect(tab.locator("#knobs")).to_have_attribute("aria-expanded", "false")
    tab.locator("#knobs").click()
    expect(tab.locator("#knobs")).to_have_attribute("aria-expanded", "true")
    expect(tab.locator("[data-knob=M]")).to_be_visible()


def test_what_builds_is_folded_away_until_it_is_asked_for(visit: Visit) -> None:
    tab = visit.open(HNSW)
    fold = tab.locator("[data-build]")
    expect(fold).to_have_text("Built with M 32")
    expect(tab.locator("[data-knob=M]")).to_be_hidden()
    fold.click()
    expect(fold).to_have_attribute("aria-expanded", "true")
    tab.locator("[data-knob=M]").press("ArrowRight")
    expect(fold).to_have_text("Built with M 64")
    expect(tab.locator("[data-knob=M]")).to_be_visible()
    expect(fold).to_have_attribute("aria-expanded", "true")
