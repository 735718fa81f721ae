"""How tests open a tab, and what its address says then."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, expect

from retrieval.lab import Lab
from retrieval.measure.rounds import Job, rounds
from tests.held import ENOUGH
from tests.page.test_tabs_http import few

ROW = "?gallery=stamps&row=10&panel=efficientnet-lite2@exact"
CLOSE = "conse-lite0"
"""An embedder of whose sweep the settings of HNSW stand some pixels apart."""
TRADEOFFS = ROW + "&tab=tradeoffs&embedder=efficientnet-lite2&queries=picture"


def job(lab: Lab, embedder: str) -> Job:
    spec = lab.spec(embedder)
    return Job(lab.gallery("stamps"), spec, few(lab).menu.fitting(spec), "picture")


def measured(lab: Lab, embedder: str) -> None:
    for _ in rounds(lab, job(lab, embedder), ENOUGH):
        pass


def opened(tab: Page, address: str) -> Page:
    tab.goto(address)
    expect(tab.locator(".over")).to_be_attached()
    return tab


def said(tab: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(tab.url).query)
