"""The tabs beside the search, over the real lab, in a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from retrieval.lab import Lab
from retrieval.measure.rounds import Job, Running, rounds, sweeps
from retrieval.ui import launch, ratings
from retrieval.ui.turn import turn
from tests.bare import unmeasured
from tests.held import held
from tests.page.conftest import ENOUGH, SHOTS
from tests.page.test_tabs_http import few

pytestmark = pytest.mark.browser
ROW = "?gallery=stamps&row=10&panel=efficientnet-lite2@exact"
TRADEOFFS = ROW + "&tab=tradeoffs&embedder=efficientnet-lite2&queries=picture"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """With two sweeps: one of here, and one that says it is of another machine."""
    made = unmeasured(tmp_path_factory.mktemp("cache"))
    for name in ("efficientnet-lite2", "efficientnet-lite0"):
        measured(made, name)
    store = sweeps(made)
    for spec in few(made).menu.fitting(made.spec("efficientnet-lite0")):
        found = store.find(job(made, "efficientnet-lite0").key(spec))
        assert found is not None
        store.save(replace(found, machine="Abacus, 1 core"))
    return made


def job(lab: Lab, embedder: str) -> Job:
    spec = lab.spec(embedder)
    return Job(lab.gallery("stamps"), spec, few(lab).menu.fitting(spec), "picture")


def measured(lab: Lab, embedder: str) -> None:
    for _ in rounds(lab, job(lab, embedder), ENOUGH):
        pass


@pytest.fixture(scope="module")
def url(lab: Lab) -> Iterator[str]:
    page = launch.start(few(lab), "127.0.0.1", quiet=True)
    yield str(page.local_url)
    page.close()


def opened(tab: Page, address: str) -> Page:
    tab.goto(address)
    expect(tab.locator(".over")).to_be_attached()
    return tab


def said(tab: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(tab.url).query)


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


def test_quality_is_measured_and_its_worst_queries_are_asked(tab: Page, url: str) -> None:
    opened(tab, url + ROW + "&tab=quality")
    expect(tab.locator("#quality .short").first).to_contain_text("not measured yet")
    tab.locator("#quality [data-measure]").click()
    expect(tab.locator("#quality .state")).to_contain_text("All measured")
    expect(tab.locator("#quality .chart")).to_contain_text("EfficientNet-Lite2 × Exact")
    expect(tab.locator("#quality .chart")).to_contain_text("index 0.000 [0.000, 0.000]")
    expect(tab.locator("#quality [data-piece=plot] .task").last.locator("td b")).to_have_count(6)
    tab.get_by_text("Worst queries of pHash").click()
    worst = tab.locator("#quality [data-worst][data-embedder=phash]").first
    row = worst.get_attribute("data-picture")
    worst.click()
    expect(tab.locator(".over")).to_have_attribute("data-address", re.compile(f"row={row}&"))
    expect(tab.locator(".panel >> nth=1")).to_have_attribute("data-panel", "phash@exact")
    expect(tab.locator("#ask")).to_be_visible()


# --- receipts -------------------------------------------------------------------------------------


def test_a_receipt_is_given(tab: Page, url: str, tmp_path: Path) -> None:
    opened(tab, url + ROW)
    rows = [
        int(each.get_attribute("data-row") or -1)
        for each in tab.locator(".panel >> nth=0 >> .tile:not(.lost) [data-row]").all()
    ]
    with tab.expect_download() as waiting:
        tab.locator("[data-receipt]").click()
    waiting.value.save_as(tmp_path / "receipt.json")
    made = json.loads((tmp_path / "receipt.json").read_text("utf-8"))
    assert made["panels"][0]["rows"] == rows
    assert made["link"] == tab.url


def test_a_receipt_that_is_gone_is_one_sentence(tab: Page, url: str) -> None:
    opened(tab, url + ROW)
    gone = "document.querySelector('[data-receipt]').dataset.receipt = 'gone'"
    tab.evaluate(gone)
    with tab.expect_response(lambda each: "/receipt/" in each.url):
        tab.locator("[data-receipt]").click()
    expect(tab.locator("#say")).to_have_text(
        "This result is no longer kept; search again for its receipt."
    )


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
    tab.locator("[data-good]").press("End")
    expect(tab.locator("[data-none]")).to_contain_text("No good match: the best has a probability")


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
