"""A page over the fake lab, and a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from retrieval.ui import duplicates, launch, turn
from tests.fake_lab import FakeLab, answers
from tests.held import LONGEST

SHOTS = Path(__file__).parents[2] / "screenshots"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
CHROMIUM = "/usr/bin/chromium"
LEFT = "AbortError: signal is aborted without reason"
BROKEN = "Unexpected error Connection errored out."
PATIENT = 120_000
"""Milliseconds that the page may take to come to what is waited for, on however busy a machine."""
HNSW = "?gallery=stamps&q=a+bird&panel=conse-lite2@exact&panel=conse-lite2@faiss-hnsw?efSearch%3D2"
LONG = 500_000
"""The same of the whole quality of a gallery; a test of it has ``timeout(600)``."""
expect.set_options(timeout=PATIENT)


@dataclass
class Site:
    """A running page.

    Attributes:
        lab: what answers.
        url: where it is.
        page: the blocks.
    """

    lab: FakeLab
    url: str
    page: gr.Blocks


@dataclass
class Visit:
    """A tab, and what it did that it should not.

    Attributes:
        tab: the tab.
        site: what it shows.
        foreign: addresses asked outside the page's own server.
        complaints: errors on the console.
    """

    tab: Page
    site: Site
    foreign: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self, address: str = "") -> Page:
        """Go to an address and wait for its answer."""
        self.tab.goto(self.site.url + address)
        expect(self.tab.locator(".over")).to_be_visible()
        return self.tab

    def ask(self, request: Request) -> None:
        """Note a request to somebody else."""
        own = (self.site.url, "data:", "blob:" + self.site.url)
        if not request.url.startswith(own):
            self.foreign.append(request.url)

    def width(self) -> int:
        """Pixels by which the page can be pushed sideways."""
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(self.tab.evaluate(wide))


def says(tab: Page, name: str, *values: str) -> None:
    """Wait until the address says so: it changes once all panels have answered."""
    kept = (
        "([name, values]) => `${new URLSearchParams(location.search).getAll(name)}` === `${values}`"
    )
    tab.wait_for_function(kept, arg=[name, list(values)])


def start(lab: FakeLab) -> Site:
    """Serve the page over a fake lab on a free port."""
    page = launch.start(answers(lab), "127.0.0.1", quiet=True)
    return Site(lab, str(page.local_url), page)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who measures waits for the last step of the test before, however long that takes."""
    monkeypatch.setattr(turn, "PATIENCE", LONGEST)
    monkeypatch.setattr(duplicates, "PATIENCE", LONGEST)


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    made = start(FakeLab())
    yield made
    made.page.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


def opened(browser: Browser) -> Page:
    """A tab of a desktop, in the light, that is as patient as what is expected of it."""
    page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme="light")
    page.set_default_timeout(PATIENT)
    return page


def complained(page: Page) -> list[str]:
    """The errors that a page says, as they come; none of them is that its stream was left.

    Gradio's client complains so in its own script where a page goes while it listens.
    """
    complaints: list[str] = []
    going: list[str] = []

    def note(said: str) -> None:
        if not said.startswith(LEFT) and not (going and said.startswith(BROKEN)):
            complaints.append(said)

    def gone(go: Callable[..., Any]) -> Callable[..., Any]:
        def leave(*given: Any, **more: Any) -> Any:
            going.append(page.url)
            try:
                return go(*given, **more)
            finally:
                going.clear()

        return leave

    for name in ("goto", "reload"):
        setattr(page, name, gone(getattr(page, name)))
    page.on("pageerror", lambda error: note(str(error)))
    page.on("console", lambda said: note(said.text) if said.type == "error" else None)
    return complaints


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    page = opened(browser)
    complaints = complained(page)
    yield page
    page.close()
    refused = "responded with a status of 400"  # Chromium says so of every refusal
    assert [each for each in complaints if refused not in each] == []


@pytest.fixture
def visit(browser: Browser, site: Site) -> Iterator[Visit]:
    tab = opened(browser)
    made = Visit(tab, site, complaints=complained(tab))
    tab.on("request", made.ask)
    yield made
    tab.close()
    assert made.foreign == []
    assert made.complaints == []
