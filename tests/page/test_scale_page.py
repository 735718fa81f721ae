"""Scale, captions against pictures and pictures of plots, in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from retrieval.lab import Lab
from retrieval.measure import drawn, scale
from retrieval.measure.rounds import Job, rounds
from retrieval.ui import launch
from retrieval.ui.turn import turn
from tests.bare import unmeasured
from tests.held import ENOUGH, held
from tests.page.conftest import SHOTS
from tests.page.test_tabs_http import few
from tests.test_outlook import SMALL

pytestmark = pytest.mark.browser
ADDRESS = "?gallery=stamps&row=10&panel=conse-lite2@exact&tab=tradeoffs&embedder=conse-lite2"
TEXT, PICTURE = f"{ADDRESS}&queries=text", f"{ADDRESS}&queries=picture"
BLUE = (0, 0x72, 0xB2)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """With sweeps of pictures over the stamps, and scale at four small sizes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scale, "SIZES", SMALL)
        patch.setattr(drawn, "NEARS", (8,))
        patch.setattr(drawn, "STEPS", (0.8,))
        made = unmeasured(tmp_path_factory.mktemp("cache"))
        spec, gallery = made.spec("conse-lite2"), made.gallery("stamps")
        fitting = few(made).menu.fitting(spec)
        list(rounds(made, Job(gallery, spec, fitting, "picture"), ENOUGH))
        list(scale.measure(made, scale.Job(gallery, spec, fitting), ENOUGH))
        yield made


@pytest.fixture(scope="module")
def url(lab: Lab) -> Iterator[str]:
    page = launch.start(few(lab), "127.0.0.1", quiet=True)
    yield str(page.local_url)
    page.close()


def opened(tab: Page, address: str) -> Page:
    tab.goto(address)
    expect(tab.locator(".over")).to_be_attached()
    expect(tab.locator("#tradeoffs .legend").first).to_be_visible()
    expect(tab.locator("#scale h2")).to_be_visible()
    return tab


def saved(tab: Page, part: str, tmp_path: Path) -> tuple[str, Image.Image]:
    with tab.expect_download() as waiting:
        tab.locator(f"{part} [data-png]").click()
    waiting.value.save_as(tmp_path / "plot.png")
    return waiting.value.suggested_filename, Image.open(tmp_path / "plot.png").convert("RGB")


def share(image: Image.Image, colour: tuple[int, ...]) -> float:
    """Of the pixels that are nearly of a colour."""
    away = np.abs(np.asarray(image, np.int16) - colour).max(axis=2)
    return float((away < 12).mean())


def test_scale_stands_under_the_tradeoffs(tab: Page, url: str) -> None:
    opened(tab, url + PICTURE)
    expect(tab.locator("#scale .sizes svg")).to_have_count(3)
    expect(tab.locator("#scale .verdict")).to_contain_text("keeps to 20 ms a query")
    tab.locator("#scale [data-ms]").fill("5")
    tab.locator("#scale [data-ms]").blur()
    expect(tab.locator("#scale .verdict")).to_contain_text("keeps to 5 ms a query")
    tab.locator("#tab-quality").click()
    expect(tab.locator("#scale")).to_be_hidden()


def test_scale_is_measured_and_stopped(tab: Page, url: str) -> None:
    opened(tab, url + PICTURE)
    tab.locator("#tradeoffs select[data-embedder]").select_option("efficientnet-lite2")
    expect(tab.locator("#scale .sizes")).to_have_count(0)
    with held(scale.Running):
        tab.locator("#scale [data-measure]").click()
        expect(tab.locator("#scale .figures")).to_be_visible()
        tab.locator("#scale [data-halt]").click()
    expect(tab.locator("#scale .state")).to_contain_text("kept")
    expect(tab.locator("#tradeoffs .state")).to_have_text("")
    with turn():  # what runs when it is stopped ends first
        pass


def test_all_together_is_an_axis(tab: Page, url: str) -> None:
    opened(tab, url + PICTURE)
    expect(tab.locator("#tradeoffs .axes").first).to_contain_text("one query on one thread")
    tab.get_by_label("All together").check()
    expect(tab.locator("#tradeoffs .axes").first).to_contain_text("all in one call")
    tab.wait_for_function("location.search.includes('speed=together')")
    tab.reload()
    expect(tab.locator("#tradeoffs .axes").first).to_contain_text("all in one call")


def test_the_other_kind_is_one_click_away(tab: Page, url: str) -> None:
    opened(tab, url + PICTURE)
    tab.get_by_role("button", name="Measure with captions too").click()
    expect(tab.locator("#tradeoffs .bone").first).to_be_attached()
    expect(tab.locator("#tradeoffs [name=queries][value=text]")).to_be_checked()
    expect(tab.locator("#tradeoffs [data-piece=both] .hint")).to_contain_text("Most lost")


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_a_plot_is_given_as_a_picture(tab: Page, url: str, tmp_path: Path, mode: str) -> None:
    tab.emulate_media(color_scheme="dark" if mode == "dark" else "light")
    opened(tab, url + PICTURE)
    name, image = saved(tab, "#tradeoffs [data-piece=plot]", tmp_path)
    assert re.fullmatch(r"recall-against-latency-conse-lite2-over-[a-z0-9-]+\.png", name)
    box = tab.locator("#tradeoffs .scatter").first.bounding_box()
    assert box is not None
    assert image.width == pytest.approx(2 * (box["width"] + 48), abs=4)
    assert image.height > 2 * (box["height"] + 100)  # its title, legend and notes besides
    assert share(image, BLUE) > 1e-4
    corner = image.getpixel((2, 2))
    assert isinstance(corner, tuple) and (max(corner) < 60) == (mode == "dark")
    notes = image.crop((0, image.height - 120, image.width, image.height))
    assert share(notes, corner) < 0.995  # something is written there


def test_several_plots_are_one_picture(tab: Page, url: str, tmp_path: Path) -> None:
    opened(tab, url + PICTURE)
    name, image = saved(tab, "#scale", tmp_path)
    assert name.startswith("scale-of-conse-lite2")
    boxes = [each.bounding_box() for each in tab.locator("#scale .sizes svg").all()]
    wide = sum(box["width"] for box in boxes if box)
    assert image.width > 2 * wide
    third = image.width // 3
    for at in range(3):
        part = image.crop((at * third, 0, (at + 1) * third, image.height))
        assert share(part, BLUE) > 3e-5


def test_a_picture_needs_one_attribute_only(tab: Page, url: str, tmp_path: Path) -> None:
    opened(tab, url + PICTURE)
    added = """document.querySelector('#scale .sizes').insertAdjacentHTML(
        'beforeend', '<button id="plain" data-png="Plain & <b>">PNG</button>')"""
    tab.evaluate(added)
    with tab.expect_download() as waiting:
        tab.locator("#plain").click()
    assert waiting.value.suggested_filename == "plain-b.png"


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_how_it_looks(tab: Page, url: str, width: int, mode: str) -> None:
    tab.emulate_media(color_scheme="dark" if mode == "dark" else "light")
    tab.set_viewport_size({"width": width, "height": 900})
    opened(tab, url + PICTURE)
    expect(tab.locator("#scale .figures")).to_be_visible()
    SHOTS.mkdir(exist_ok=True)
    tab.locator("#scale").screenshot(path=SHOTS / f"scale-{width}-{mode}.png")
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert tab.evaluate(wide) == 0
    small = """() => [...document.querySelectorAll('#scale :is(button, select, summary, a, input)')]
        .filter((each) => each.offsetParent && each.getBoundingClientRect().height < 44)
        .map((each) => each.outerHTML.slice(0, 80))"""
    if width == 390:
        assert tab.evaluate(small) == []
