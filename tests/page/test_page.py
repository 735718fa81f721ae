from __future__ import annotations

import re
from io import BytesIO
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.held import until
from tests.page.conftest import HNSW, SHOTS, Visit

pytestmark = pytest.mark.browser


def tiles(tab: Page, panel: int) -> list[str | None]:
    shown = tab.locator(f".panel >> nth={panel} >> .tile:not(.lost) [data-row]")
    return [each.get_attribute("data-row") for each in shown.all()]


def said(tab: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(tab.url).query)


def jpeg() -> bytes:
    out = BytesIO()
    Image.new("RGB", (320, 200), (200, 30, 30)).save(out, "JPEG")
    return out.getvalue()


def test_it_opens_with_an_answer(visit: Visit) -> None:
    tab = visit.open()
    expect(tab.locator(".panel")).to_have_count(2)
    expect(tab.locator(".panel >> nth=0 >> .tile:not(.lost)")).to_have_count(10)
    expect(tab.locator("#text")).to_have_value("a bird")
    expect(tab.locator(".chart")).to_contain_text("Where the time goes")
    assert said(tab)["q"] == ["a bird"]


def test_typing_a_text(visit: Visit) -> None:
    tab = visit.open()
    before = tiles(tab, 0)
    tab.locator("#text").fill("a red car")
    tab.keyboard.press("Enter")
    expect(tab.locator(".verdict")).to_contain_text("a red car")
    assert tiles(tab, 0) != before
    assert said(tab)["q"] == ["a red car"]


def test_a_text_that_turns_its_direction_turns_no_sentence(visit: Visit) -> None:
    tab = visit.open()
    tab.locator("#text").fill("a \u202e bird")
    tab.locator("#ask button[type=submit]").click()
    quoted = tab.locator(".verdict q")
    expect(quoted).to_contain_text("\u202e")
    assert quoted.evaluate("(it) => getComputedStyle(it).unicodeBidi") == "isolate"
    words, whole = quoted.locator("bdi").bounding_box(), quoted.bounding_box()
    assert words and whole  # a quotation mark stands on either side
    assert whole["x"] < words["x"] < words["x"] + words["width"] < whole["x"] + whole["width"]


def test_html_in_a_text_and_a_caption_is_text(visit: Visit) -> None:
    tab = visit.open()
    tab.locator("#text").fill("<img src=x onerror=alert(1)>")
    tab.locator("#ask button[type=submit]").click()
    expect(tab.locator(".verdict")).to_contain_text("<img src=x onerror=alert(1)>")
    assert tab.locator(".verdict img").count() == 0
    assert tab.locator(".tile b").count() == 0
    expect(tab.locator(".tile", has_text="<b>A bold car</b>").first).to_be_visible()


def test_uploading_a_picture_and_cropping_it(visit: Visit) -> None:
    tab = visit.open()
    tab.locator("#file").set_input_files(
        {"name": "red.jpg", "mimeType": "image/jpeg", "buffer": jpeg()}
    )
    expect(tab.locator(".verdict")).to_contain_text("Like your picture")
    assert visit.site.lab.asked[-1][2].image == jpeg()
    tab.locator("#crop").click()
    tab.locator("#cropper [data-done]").click()
    expect(tab.locator("#chip")).to_have_class("cropped")
    expect(tab.locator(".over")).to_have_attribute("data-address", re.compile("crop="))
    assert visit.site.lab.asked[-1][2].crop == (0.15, 0.15, 0.85, 0.85)


def test_dropping_a_picture(visit: Visit) -> None:
    tab = visit.open()
    data = tab.evaluate_handle(
        """bytes => { const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], "red.jpg", { type: "image/jpeg" }));
        return data; }""",
        list(jpeg()),
    )
    tab.dispatch_event("body", "drop", {"dataTransfer": data})
    expect(tab.locator(".verdict")).to_contain_text("Like your picture")
    expect(tab.locator("#chip img")).to_be_visible()


def test_what_is_no_picture_gets_a_sentence(visit: Visit) -> None:
    tab = visit.open()
    tab.locator("#file").set_input_files(
        {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"words"}
    )
    expect(tab.locator("#say")).to_contain_text("notes.txt is no picture")


def test_turning_a_knob_asks_again(visit: Visit) -> None:
    tab = visit.open(HNSW)
    before = tiles(tab, 1)
    knob = tab.locator("[data-knob=efSearch]")
    knob.focus()
    for _ in range(7):
        knob.press("ArrowRight")
    expect(tab.locator(".panel >> nth=1")).to_have_attribute(
        "data-panel", "conse-lite2@faiss-hnsw?efSearch=256"
    )
    expect(tab.locator(".panel >> nth=1 >> .knob output >> nth=0")).to_have_text("256")
    expect(tab.locator(".over")).to_have_attribute("data-address", re.compile("efSearch%3D256"))
    assert tiles(tab, 1) != before


def test_switching_an_index_and_an_embedder(visit: Visit) -> None:
    tab = visit.open(HNSW)
    second = tab.locator(".panel >> nth=1")
    second.locator("[data-pick=index]").select_option("faiss-ivf")
    expect(second.locator("[data-knob=nprobe]")).to_be_visible()
    second.locator("[data-pick=embedder]").select_option("phash")
    expect(second.locator(".note")).to_contain_text("does not compare by hamming")
    expect(second.locator(".problem")).to_contain_text("pHash reads pictures only")
    second.locator("[data-instead=captions]").click()
    expect(second.locator(".problem")).to_have_count(0)
    expect(second.locator(".tag >> nth=0")).to_have_text("reads captions, not pixels")


def test_what_is_not_ready_is_listed_with_its_reason(visit: Visit) -> None:
    tab = visit.open()
    option = tab.locator(".panel >> nth=0 >> option[value=openclip-vit-b-32]")
    expect(option).to_be_disabled()
    expect(option).to_contain_text("the hub does not answer")
    expect(tab.locator("#gallery option[value=food101]")).to_contain_text("the hub is away")


def test_clicking_a_result_searches_by_it(visit: Visit) -> None:
    tab = visit.open()
    tile = tab.locator(".panel >> nth=0 >> [data-row] >> nth=3")
    row = tile.get_attribute("data-row")
    tile.click()
    expect(tab.locator(".verdict")).to_contain_text("Like")
    assert said(tab)["row"] == [row]
    expect(tab.locator("#chip img")).to_be_visible()


def test_a_picture_lights_up_in_all_panels(visit: Visit) -> None:
    tab = visit.open(HNSW)
    row = tiles(tab, 1)[0]
    tab.locator(f".panel >> nth=0 >> [data-row='{row}']").focus()
    expect(tab.locator(".lit")).to_have_count(2)
    expect(tab.locator("#peek")).to_contain_text("A rank")
    expect(tab.locator("#peek")).to_contain_text("GPL-2.0-only")
    tab.keyboard.press("Escape")
    expect(tab.locator("#peek")).to_be_hidden()


def test_reloading_the_address_gives_the_same_page(visit: Visit) -> None:
    tab = visit.open(HNSW)
    tab.locator("[data-add]").click()
    expect(tab.locator(".panel")).to_have_count(3)
    tab.locator(".switches .switch").click()
    expect(tab.locator(".tile.lost").first).to_be_visible()
    before = [tiles(tab, at) for at in range(3)]
    address = tab.url
    tab.reload()
    expect(tab.locator(".over")).to_be_visible()
    expect(tab.locator(".tile.lost").first).to_be_visible()
    assert [tiles(tab, at) for at in range(3)] == before
    assert tab.url == address


def test_what_may_not_be_sold_is_grey(visit: Visit) -> None:
    tab = visit.open(HNSW)
    free, unknown = (
        tab.locator(f"[data-pick=embedder] >> nth=0 >> option[value={name}]")
        for name in ("captions", "efficientnet-lite0")
    )
    expect(unknown).to_be_enabled()
    tab.locator("#commercial").click()
    expect(unknown).to_be_disabled()
    expect(unknown).to_contain_text("no commercial use")
    expect(free).to_be_enabled()
    assert "use=commercial" in tab.url
    tab.locator("#text").fill("another bird")
    tab.keyboard.press("Enter")
    expect(tab.locator(".verdict")).to_contain_text("another bird")
    expect(unknown).to_be_disabled()
    tab.reload()
    expect(tab.locator(".over")).to_be_visible()
    expect(unknown).to_be_disabled()
    tab.locator("#commercial").click()
    expect(unknown).to_be_enabled()
    expect(unknown).not_to_contain_text("no commercial use")
    assert "use=" not in tab.url


def test_panels_come_and_go(visit: Visit) -> None:
    tab = visit.open()
    for count in (3, 4):
        tab.locator("[data-add]").click()
        expect(tab.locator(".panel")).to_have_count(count)
    expect(tab.locator("[data-add]")).to_have_count(0)
    for count in (3, 2, 1):
        tab.locator("[data-remove] >> nth=0").click()
        expect(tab.locator(".panel")).to_have_count(count)
    expect(tab.locator("[data-remove]")).to_have_count(0)


def test_a_finished_panel_waits_for_nobody(visit: Visit) -> None:
    tab = visit.open(HNSW)
    visit.site.lab.held.clear()
    try:
        tab.locator("#text").fill("a slow bird")
        tab.keyboard.press("Enter")
        expect(tab.locator(".panel >> nth=1")).to_have_attribute("aria-busy", "true")
    finally:
        visit.site.lab.held.set()
    expect(tab.locator(".verdict")).to_contain_text("a slow bird")
    expect(tab.locator(".panel[aria-busy]")).to_have_count(0)


def test_a_bad_address_is_one_sentence(visit: Visit) -> None:
    visit.tab.goto(visit.site.url + "?gallery=stamps&k=5000")
    expect(visit.tab.get_by_text("the page shows from 1 to 100 results")).to_be_visible()
    visit.complaints.clear()


def test_copying_the_link(visit: Visit) -> None:
    visit.tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab = visit.open()
    tab.locator("#link").click()
    expect(tab.locator("#say")).to_have_text("Copied")
    assert tab.evaluate("navigator.clipboard.readText()") == tab.url


def test_dark_stays_dark(visit: Visit) -> None:
    tab = visit.open()
    tab.locator("#theme").click()
    expect(tab.locator("body")).to_have_class(re.compile("dark"))
    tab.reload()
    expect(tab.locator(".over")).to_be_visible()
    expect(tab.locator("body")).to_have_class(re.compile("dark"))


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_how_it_looks(browser: Browser, visit: Visit, width: int, mode: str) -> None:
    visit.tab.emulate_media(color_scheme="dark" if mode == "dark" else "light")
    visit.tab.set_viewport_size({"width": width, "height": 900})
    tab = visit.open(HNSW + "&missed=1")
    tab.wait_for_function("[...document.images].every(each => each.complete)")
    SHOTS.mkdir(exist_ok=True)
    tab.screenshot(path=SHOTS / f"search-{width}-{mode}.png", full_page=True)
    assert visit.width() == 0


def test_a_skeleton_says_what_is_waited_for(visit: Visit) -> None:
    tab, lab = visit.open(HNSW), visit.site.lab
    lab.held.clear()
    try:
        with lab.work.doing("conse-lite2", "embedding stamps with conse-lite2") as tell:
            tab.locator("#text").fill("a bird to wait for")
            tab.keyboard.press("Enter")
            second = tab.locator(".panel >> nth=1")
            expect(second.locator(".wait")).to_have_text("Embedding stamps with conse-lite2")
            tell("embedding stamps with conse-lite2", 512, 5000)
            expect(second.locator(".wait")).to_contain_text("512 of 5,000")
            expect(tab.locator(".panel >> nth=0 >> .tile:not(.lost)")).to_have_count(10)
            tab.screenshot(path=SHOTS / "waiting-1440-light.png", full_page=True)
    finally:
        lab.held.set()
    expect(tab.locator(".wait")).to_have_count(0)
    expect(tab.locator(".verdict")).to_contain_text("a bird to wait for")


def test_the_next_query_does_not_wait_for_a_slow_one(visit: Visit) -> None:
    tab, lab = visit.open(HNSW), visit.site.lab
    lab.held.clear()
    try:
        with lab.work.doing("conse-lite2", "building FAISS HNSW"):
            tab.locator("#text").fill("a slow bird")
            tab.keyboard.press("Enter")
            expect(tab.locator(".wait")).to_have_count(1)
        tab.locator("[data-remove] >> nth=1").click()  # what is left needs no waiting
        expect(tab.locator(".over")).to_have_attribute("data-panels", "1")
        expect(tab.locator(".panel")).to_have_count(1)
        expect(tab.locator(".panel[aria-busy]")).to_have_count(0)
        until(lambda: lab.open == 1)  # the slow one's reader, until its panel answers
    finally:
        lab.held.set()
