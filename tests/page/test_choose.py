"""The tab Choose in a browser: questions, address, panels."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from retrieval.advisor import evidence
from retrieval.measure import scale
from retrieval.ui import launch
from tests.bare import unmeasured
from tests.held import held
from tests.page.conftest import SHOTS
from tests.page.tabs.opened import opened, said
from tests.page.test_tabs_http import few

pytestmark = pytest.mark.browser
START = "?gallery=stamps&q=a+bird&panel=conse-lite2@exact&tab=choose"
WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    page = launch.start(few(unmeasured(tmp_path_factory.mktemp("cache"))), "127.0.0.1", quiet=True)
    yield str(page.local_url)
    page.close()


def test_an_answer_changes_the_advice_and_the_address(tab: Page, url: str) -> None:
    opened(tab, url + START)
    expect(tab.locator("#choose .advice article")).to_have_count(3)
    expect(tab.locator("#choose .verdict")).to_contain_text("100,000 pictures")
    tab.locator("#choose [name=reads][value=image]").check()
    expect(tab.locator("#choose article").first).to_contain_text("DINO")
    tab.locator("#choose [name=later]").fill("3000000000")
    tab.locator("#choose [name=later]").blur()
    expect(tab.locator("#choose .verdict")).to_contain_text("More than one machine")
    assert said(tab)["reads"] == ["image"]
    assert said(tab)["later"] == ["3000000000"]
    tab.reload()
    expect(tab.locator("#choose .verdict")).to_contain_text("3,000,000,000 pictures")
    expect(tab.locator("#choose [name=reads][value=image]")).to_be_checked()


def test_a_focused_answer_keeps_the_focus(tab: Page, url: str) -> None:
    opened(tab, url + START)
    tab.locator("#choose [name=reads][value=text]").focus()
    tab.keyboard.press("ArrowRight")
    expect(tab.locator("#choose article").first).to_contain_text("DINO")
    expect(tab.locator("#choose [name=reads][value=image]")).to_be_focused()


def test_one_click_opens_the_recommended_beside_the_runner_up(tab: Page, url: str) -> None:
    opened(tab, url + START + "&runs=space")
    tab.locator("#choose .advice .primary").click()
    expect(tab.locator(".panel").first).to_be_visible()
    expect(tab.locator("#tab-search")).to_have_attribute("aria-selected", "true")
    expect(tab.locator(".panel .tile").first).to_be_visible()
    assert len(said(tab)["panel"]) == 3
    assert said(tab)["panel"][0].startswith("conse-lite")


def test_something_else_leads_to_what_shows_it(tab: Page, url: str) -> None:
    opened(tab, url + START)
    tab.get_by_role("button", name="Search by a crop").click()
    expect(tab.locator(".panel .tile").first).to_be_visible()
    assert said(tab)["crop"] == ["0.25,0.25,0.75,0.75"]
    assert said(tab)["row"] == ["0"]


def test_an_address_that_is_wrong_says_so_and_shows_the_form(tab: Page, url: str) -> None:
    opened(tab, url + START + "&now=0&reads=smell")
    expect(tab.locator("#choose .state")).to_contain_text("it must be")
    expect(tab.locator("#choose [name=reads]").first).to_be_visible()


def test_it_measures_and_stops(tab: Page, url: str) -> None:
    opened(tab, url + START)
    with held(evidence, "rated"), held(scale.Running):
        tab.locator("#choose [data-measure]").click()
        expect(tab.locator("#choose .state")).to_contain_text("measured")
        tab.locator("#choose [data-halt]").click()
    expect(tab.locator("#choose .state")).to_contain_text("what was measured is kept")


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits(tab: Page, url: str, width: int, scheme: str) -> None:
    tab.set_viewport_size({"width": width, "height": 900})
    opened(tab, f"{url}{START}&later=2000000&__theme={scheme}")
    expect(tab.locator("#choose .advice article")).to_have_count(3)
    assert tab.evaluate(WIDE) == 0
    for target in tab.locator("#choose :is(button, .segments label):visible").all():
        box = target.bounding_box()
        assert box and box["height"] >= 44, target.inner_text()
    SHOTS.mkdir(exist_ok=True)
    tab.screenshot(path=SHOTS / f"choose-{width}-{scheme}.png", full_page=True)
