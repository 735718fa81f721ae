"""A panel that cannot be asked costs its own card alone: in what is drawn, in the API, in a tab."""

from __future__ import annotations

import html
from typing import Any, cast
from urllib.parse import quote

import gradio as gr
import pytest
from playwright.sync_api import expect

from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.ui.address import Address
from retrieval.ui.answers import Answers
from retrieval.ui.api import Search
from retrieval.ui.unread import Unread, read
from tests.fake_lab import FakeLab, answers, menu
from tests.page.conftest import SHOTS, Visit, says

GOOD = "conse-lite2@exact"
BAD = {
    "nonsense": "EMBEDDER@INDEX",
    "cons-lite2@exact": "perhaps: conse-lite2",
    "conse-lite2@faiss-hnws": "perhaps: faiss-hnsw",
    "conse-lite2@faiss-hnsw?efSearch=many": "must be a whole number",
    "conse-lite2@faiss-hnsw?efSearch=7": "power of two",
    "conse-lite2@faiss-hnsw?efsearch=16": "has no knob",
    "conse-lite2@exact?a=1&a=2": "named twice",
    "../../etc@exact": "no embedder is called",
    "@": "EMBEDDER@INDEX",
    "x" * 2000: "EMBEDDER@INDEX",
    "<img src=x onerror=alert(1)>@exact": "no embedder is called",
}


def asked(panels: list[str], lab: FakeLab | None = None) -> list[Any]:
    address = "?q=a+bird" + "".join(f"&panel={quote(each)}" for each in panels)
    *_, last = answers(lab or FakeLab()).stream({"address": address})
    return last


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("at", [0, 1])
def test_the_others_answer_beside_a_card_that_says_why(bad: str, at: int) -> None:
    lab, panels = FakeLab(), [GOOD]
    panels.insert(at, bad)
    drawn = asked(panels, lab)
    card, other = drawn[1 + at], drawn[2 - at]
    said = card.partition('role="status"><p>')[2].partition("</p>")[0]
    assert BAD[bad].lower() in said.lower() and len(said) < 400
    assert "data-remove" in card and "data-use" in card and 'data-pick="index"' in card
    assert "<img" not in card
    assert 'data-rank="10"' in other and "only here" not in other
    assert [each[1] for each in lab.asked] == [(Panel.parse(GOOD),)]
    kept = Address.parse(attribute(drawn[0], "data-address"), answers(lab).start)
    assert str(kept.panels[at]) == attribute(card, "data-panel")  # by which the script knows it
    mended = Panel.parse(attribute(card, "data-mend"))
    assert menu(lab).read(mended) == (mended, "")


def attribute(drawn: str, name: str) -> str:
    return html.unescape(drawn.partition(f'{name}="')[2].partition('"')[0])


def test_none_that_can_be_asked_is_a_page_of_cards() -> None:
    lab = FakeLab()
    drawn = asked(["nonsense", "a@b"], lab)
    assert all("data-use" in card for card in drawn[1:3]) and drawn[3:5] == ["", ""]
    assert "data-receipt" not in drawn[0]
    alone = asked(["nonsense"], lab)
    assert "data-use" in alone[1] and "data-remove" not in alone[1]


def test_too_many_are_still_refused() -> None:
    with pytest.raises(gr.Error, match="4 fit side by side"):
        asked(["nonsense"] * 5)


@pytest.mark.parametrize(
    ("written", "near"),
    [
        ("cons-lite2@exakt", "conse-lite2@exact"),
        ("conse-lite2@faiss-hnsw?efSearch=many", "conse-lite2@faiss-hnsw"),
        ("phash@binary-hnsw", "phash@faiss-binary-hnsw"),
        ("nonsense", "conse-lite2@exact"),
        ("captions", "captions@exact"),
        ("?" * 3000, "conse-lite2@exact"),
        ("", "conse-lite2@exact"),
    ],
)
def test_the_nearest_that_can_be_asked_is_offered(written: str, near: str) -> None:
    panel = menu(FakeLab()).mended(Unread(written, "why"))
    assert str(panel) == near
    assert menu(FakeLab()).read(panel) == (panel, "")


def test_what_was_well_named_stays_picked() -> None:
    card = asked([GOOD, "conse-lite2@faiss-hnws"])[2]
    assert '<option value="conse-lite2" selected' in card
    assert '<option value="" selected disabled>Pick an index</option>' in card
    assert "Pick an embedder" not in card


def test_names_that_the_pickers_list_are_not_listed_again() -> None:
    card = asked([GOOD, "zzzz@exact"])[2]
    assert "<p>No embedder is called &#x27;zzzz&#x27;.</p>" in card and "there are" not in card


def test_a_receipt_is_of_those_that_were_asked() -> None:
    made = Answers(Lab())
    address = f"?gallery=stamps&row=3&panel=nonsense&panel={quote('phash@exact')}"
    *_, last = made.stream({"address": address})
    name = last[0].partition('data-receipt="')[2].partition('"')[0]
    receipt = made.kept.receipt(name)
    assert [each["panel"] for each in receipt["panels"]] == ["phash@exact"]
    assert "nonsense" not in receipt["link"]


def test_the_api_has_the_problem_in_its_place() -> None:
    panels = ["nonsense", GOOD, "conse-lite2@exact?a=b"]
    found = Search(cast(Lab, FakeLab())).compare_search("a bird", panels=panels, k=3)["panels"]
    assert [bool(each["problem"]) for each in found] == [True, False, True]
    assert "EMBEDDER@INDEX" in found[0]["problem"] and found[0]["embedder"] == "nonsense"
    assert (found[2]["embedder"], found[2]["index"]) == ("conse-lite2", "exact")
    assert len(found[1]["hits"]) == 3 and found[0]["hits"] == ()


def test_a_public_lab_loads_nothing_that_is_typed(tmp_path: Any) -> None:
    made = Answers(Lab(cache=tmp_path, public=True))
    address = f"?gallery=stamps&row=3&panel={quote('hf-hub:a/b@exact')}&panel=phash%40exact"
    *_, last = made.stream({"address": address})
    assert "data-use" in last[1] and 'data-rank="10"' in last[2]


def test_what_is_read_is_no_card() -> None:
    assert read(GOOD) == Panel.parse(GOOD)


@pytest.mark.browser
@pytest.mark.parametrize("wide", [390, 1440])
def test_a_card_is_mended_replaced_or_removed(visit: Visit, wide: int) -> None:
    visit.tab.set_viewport_size({"width": wide, "height": 900})
    tab = visit.open(f"?gallery=stamps&q=a+bird&panel=cons-lite2@exact&panel={GOOD}&panel=huh")
    first, last = tab.locator(".panel >> nth=0"), tab.locator(".panel >> nth=2")
    expect(first.locator(".problem")).to_contain_text("No embedder is called 'cons-lite2'")
    expect(tab.locator(".panel >> nth=1 >> .tile:not(.lost)")).to_have_count(10)
    assert visit.width() == 0
    for button in first.locator(".ways button").all():
        assert (button.bounding_box() or {"height": 0})["height"] >= (44 if wide == 390 else 24)
    SHOTS.mkdir(exist_ok=True)
    tab.screenshot(path=SHOTS / f"unread-{wide}.png", full_page=True)
    says(tab, "panel", "cons-lite2@exact", GOOD, "huh")
    last.locator("[data-pick=index]").select_option("faiss-hnsw")
    expect(last.locator(".tile:not(.lost)")).to_have_count(10)
    says(tab, "panel", "cons-lite2@exact", GOOD, "conse-lite2@faiss-hnsw")
    first.locator("[data-pick=embedder]").select_option("captions")
    expect(first.locator(".tile:not(.lost)")).to_have_count(10)
    says(tab, "panel", "captions@exact", GOOD, "conse-lite2@faiss-hnsw")


@pytest.mark.browser
def test_one_click_takes_the_nearest_or_none(visit: Visit) -> None:
    tab = visit.open(f"?gallery=stamps&q=a+bird&panel={GOOD}&panel=captions@exat")
    second = tab.locator(".panel >> nth=1")
    second.get_by_role("button", name="Use Captions × Exact").click()
    expect(second.locator(".tile:not(.lost)")).to_have_count(10)
    says(tab, "panel", GOOD, "captions@exact")
    tab = visit.open(f"?gallery=stamps&q=a+bird&panel={GOOD}&panel=huh")
    tab.get_by_role("button", name="+ Panel").click()  # of what stands in the card's place
    expect(tab.locator(".panel")).to_have_count(3)
    expect(tab.locator(".panel >> nth=2 >> .tile:not(.lost)")).to_have_count(10)
    second.get_by_role("button", name="Remove this panel").click()
    expect(tab.locator(".panel")).to_have_count(2)
    says(tab, "panel", GOOD, "conse-lite2@faiss-hnsw")
