"""The page over the real lab: what ships, as a person uses it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from retrieval.lab import Lab
from retrieval.ui import examples, launch
from retrieval.ui.answers import Answers
from tests.page.conftest import SHOTS

pytestmark = pytest.mark.browser
PATIENT = 240_000
"""Milliseconds: a cold cache converts the networks first."""
HNSW = "?gallery=stamps&q=a+bird&panel=conse-lite2@exact&panel=conse-lite2@faiss-hnsw?efSearch%3D1"
LOSSY = (
    "?gallery=clipart&q=a+sailing+boat&missed=1&panel=conse-lite2@exact"
    "&panel=conse-lite2@faiss-hnsw?efSearch%3D2&panel=conse-lite2@faiss-ivf?nprobe%3D1"
    "&panel=captions@exact"
)


def served(lab: Lab) -> Iterator[str]:
    page = launch.start(Answers(lab), "127.0.0.1", quiet=True)
    yield str(page.local_url)
    page.close()


@pytest.fixture(scope="module")
def lab() -> Lab:
    return Lab()


@pytest.fixture(scope="module")
def url(lab: Lab) -> Iterator[str]:
    yield from served(lab)


@pytest.fixture(scope="module")
def public_url() -> Iterator[str]:
    yield from served(Lab(public=True))


def opened(tab: Page, address: str) -> Page:
    tab.goto(address)
    expect(tab.locator(".over")).to_be_visible(timeout=PATIENT)
    settled(tab)
    return tab


def settled(tab: Page) -> None:
    expect(tab.locator(".panel[aria-busy]")).to_have_count(0, timeout=PATIENT)
    expect(tab.locator(".panel .wait")).to_have_count(0)


def panel(tab: Page, at: int) -> Locator:
    return tab.locator(f".panel >> nth={at}")


def rows(tab: Page, at: int) -> list[str | None]:
    shown = panel(tab, at).locator(".tile:not(.lost) [data-row]")
    return [each.get_attribute("data-row") for each in shown.all()]


def captions(tab: Page, at: int) -> str:
    return " ".join(panel(tab, at).locator(".tile p > span").all_text_contents())


def test_it_opens_with_an_answer_twice_and_its_price(tab: Page, url: str) -> None:
    opened(tab, url)
    expect(tab.locator("#text")).to_have_value("a bird")
    expect(tab.locator(".panel")).to_have_count(2)
    assert len(rows(tab, 0)) == len(rows(tab, 1)) == 10
    assert rows(tab, 0) != rows(tab, 1)
    for at in (0, 1):
        expect(panel(tab, at).locator(".figure >> nth=0")).to_have_text(re.compile(r"^[\d.]+ms"))


def test_typing_sports_car(tab: Page, url: str) -> None:
    opened(tab, url)
    tab.locator("#text").fill("sports car")
    tab.keyboard.press("Enter")
    expect(tab.locator(".verdict")).to_contain_text("sports car", timeout=PATIENT)
    assert all(re.search(r"\bcar\b", captions(tab, at)) for at in (0, 1))


def test_dropping_a_picture_of_the_gallery_finds_it_first(tab: Page, url: str, lab: Lab) -> None:
    gallery = lab.gallery("stamps")
    row = examples.rows(gallery)[0]
    opened(tab, url + HNSW)
    data = tab.evaluate_handle(
        """bytes => { const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], "owl.webp", { type: "image/webp" }));
        return data; }""",
        list(gallery.encoded(row)),
    )
    tab.dispatch_event("body", "drop", {"dataTransfer": data})
    expect(tab.locator(".verdict")).to_contain_text("Like your picture", timeout=PATIENT)
    settled(tab)
    assert rows(tab, 0)[0] == str(row)


def test_turning_ef_search_mends_the_recall(tab: Page, url: str) -> None:
    opened(tab, url + HNSW)
    panel(tab, 1).locator("[data-knob=efSearch]").press("End")
    expect(tab.locator(".over")).to_have_attribute("data-address", re.compile("efSearch%3D512"))
    expect(panel(tab, 1).locator(".figure >> nth=1")).to_contain_text("1.00")
    assert rows(tab, 1) == rows(tab, 0)


def test_switching_to_ivf_and_building_it_otherwise(tab: Page, url: str) -> None:
    opened(tab, url + HNSW)
    second = panel(tab, 1)
    second.locator("[data-pick=index]").select_option("faiss-ivf")
    expect(second.locator("[data-knob=nprobe]")).to_be_visible(timeout=PATIENT)
    settled(tab)
    assert len(rows(tab, 1)) == 10
    expect(second.locator("[data-knob=nlist]")).to_be_hidden()
    second.locator("[data-build]").click()
    second.locator("[data-knob=nlist]").press("Home")
    expect(tab.locator(".over")).to_have_attribute(
        "data-address", re.compile("nlist%3D1&|nlist%3D1$"), timeout=PATIENT
    )
    expect(second.locator(".figure >> nth=1")).to_contain_text("1.00")  # one list holds all
    expect(second.locator("[data-build]")).to_have_text("Built with nlist 1")
    expect(second.locator("[data-knob=nlist]")).to_be_visible()


def test_clicking_a_result_and_reloading_its_address(tab: Page, url: str) -> None:
    opened(tab, url + HNSW)
    row = rows(tab, 0)[3]
    panel(tab, 0).locator("[data-row] >> nth=3").click()
    expect(tab.locator(".verdict")).to_contain_text("Like", timeout=PATIENT)
    settled(tab)
    assert parse_qs(urlsplit(tab.url).query)["row"] == [row]
    before, address = [rows(tab, at) for at in (0, 1)], tab.url
    assert before[0][0] == row
    tab.reload()
    expect(tab.locator(".over")).to_be_visible(timeout=PATIENT)
    settled(tab)
    assert [rows(tab, at) for at in (0, 1)] == before
    assert tab.url == address


def test_a_text_for_a_pictures_only_embedder_has_a_way_out(tab: Page, url: str) -> None:
    opened(tab, url + "?q=a+bird&panel=conse-lite2@exact&panel=efficientnet-lite2@exact")
    second = panel(tab, 1)
    expect(second.locator(".problem")).to_contain_text("reads pictures only")
    second.locator("[data-instead=captions]").click()
    expect(second.locator(".tile")).to_have_count(10, timeout=PATIENT)


def test_a_public_page_builds_nothing(tab: Page, public_url: str) -> None:
    opened(tab, public_url + HNSW)
    expect(panel(tab, 1).locator("[data-knob=efSearch]")).to_be_visible()
    expect(tab.locator("[data-build], [data-when=build]")).to_have_count(0)
    opened(tab, public_url + HNSW.replace("efSearch%3D1", "M%3D5"))
    expect(panel(tab, 1).locator(".problem")).to_contain_text("a public lab builds none")
    assert len(rows(tab, 0)) == 10


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_how_what_is_missed_looks(tab: Page, url: str, width: int, mode: str) -> None:
    tab.emulate_media(color_scheme="dark" if mode == "dark" else "light")
    tab.set_viewport_size({"width": width, "height": 900})
    opened(tab, url + LOSSY)
    expect(panel(tab, 1).locator(".tile.lost").first).to_be_visible()
    tab.wait_for_function("[...document.images].every(each => each.complete)")
    SHOTS.mkdir(exist_ok=True)
    tab.screenshot(path=SHOTS / f"real-{width}-{mode}.png", full_page=True)
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert tab.evaluate(wide) == 0
