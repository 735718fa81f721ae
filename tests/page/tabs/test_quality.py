"""Quality in a browser: measured, its receipts, its worst queries."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.page.conftest import LONG
from tests.page.tabs.opened import ROW, opened

pytestmark = pytest.mark.browser


@pytest.mark.timeout(600)
def test_quality_is_measured_and_its_worst_queries_are_asked(tab: Page, url: str) -> None:
    opened(tab, url + ROW + "&tab=quality")
    expect(tab.locator("#quality .short").first).to_contain_text("not measured yet")
    tab.locator("#quality [data-measure]").click()
    expect(tab.locator("#quality .state")).to_contain_text("All measured", timeout=LONG)
    expect(tab.locator("#quality .chart")).to_contain_text("EfficientNet-Lite2 × Exact")
    expect(tab.locator("#quality .chart")).to_contain_text("index 0.000")
    expect(tab.locator("#quality [data-piece=plot] .task").last.locator("td b")).to_have_count(6)
    tab.get_by_text("Worst queries of pHash").click()
    worst = tab.locator("#quality [data-worst][data-embedder=phash]").first
    row = worst.get_attribute("data-picture")
    worst.click()
    expect(tab.locator(".over")).to_have_attribute("data-address", re.compile(f"row={row}&"))
    expect(tab.locator(".panel >> nth=1")).to_have_attribute("data-panel", "phash@exact")
    expect(tab.locator("#ask")).to_be_visible()


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
