"""Blind votes over HTTP: what is taken, what is refused, and who keeps them."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from retrieval.lab import Lab
from retrieval.measure.votes import votes
from retrieval.ui import launch
from retrieval.ui.ballots import Ballots, drawn
from tests.page.test_tabs_http import JSON, few
from tests.served import QUIET, Served, sentence

pytestmark = [pytest.mark.server, QUIET]
ONE, OTHER = "phash@exact", "efficientnet-lite2@exact"
ASKED = {"gallery": "stamps", "panels": [ONE, OTHER]}


def serve(lab: Lab) -> Iterator[Served]:
    page = launch.start(few(lab), "127.0.0.1", quiet=True)
    try:
        with httpx.Client(base_url=str(page.local_url), timeout=60) as client:
            yield Served(lab, page, client)
    finally:
        page.close()


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve(Lab(cache=tmp_path_factory.mktemp("own")))


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve(Lab(cache=tmp_path_factory.mktemp("public"), public=True))


def act(served: Served, name: str, body: object) -> dict[str, Any]:
    text = body if isinstance(body, str) else json.dumps(body)
    got = served.client.post(f"/tab/quality/vote/{name}", content=text, headers=JSON)
    found: dict[str, Any] = got.json()
    assert got.status_code == (400 if "problem" in found else 200)
    return found


def refusal(served: Served, name: str, body: object) -> str:
    found = act(served, name, body)
    assert [*found] == ["problem"], found
    return sentence(found["problem"])


def ballot(served: Served) -> tuple[str, list[int]]:
    """A pair's name, and the rows of the left and the right."""
    html = act(served, "next", ASKED)["vote"]
    for told in ("phash", "efficientnet", "pHash", "EfficientNet"):
        assert told not in html  # it is blind
    name = re.search(r'data-ballot="([^"]+)"', html)
    assert name is not None
    return name[1], [int(row) for row in re.findall(r'data-mark="(\d+)"', html)]


def test_a_vote_is_kept_on_ones_own_machine_and_told(own: Served) -> None:
    name, rows = ballot(own)
    assert len(rows) == 20
    cast = {**ASKED, "ballot": name, "choice": "left", "marked": rows[:2]}
    html = act(own, "cast", cast)["vote"]
    assert "You chose left" in html and "pHash × Exact" in html and "Win rate" in html
    (kept,) = votes(own.lab).read("stamps")[0]
    assert kept.id == name and kept.choice == "left" and kept.marked == tuple(rows[:2])
    assert {kept.left, kept.right} == {ONE, OTHER}
    assert "voted on already" in refusal(own, "cast", cast)  # nobody votes twice
    lines = act(own, "export", {**ASKED, "kind": "qrels"})["text"].splitlines()
    assert len(lines) == len(set(rows))
    assert act(own, "export", {**ASKED, "kind": "csv"})["text"].startswith("query,text,row,")
    assert "1 vote." in act(own, "tally", ASKED)["vote"]


def test_the_place_of_a_panel_that_cannot_be_asked_is_left_out(own: Served) -> None:
    """The page sends nothing in it."""
    asked = {**ASKED, "panels": [ONE, "", OTHER]}
    assert 'data-vote="next"' in act(own, "tally", asked)["vote"]
    assert "data-ballot" in act(own, "next", asked)["vote"]


def test_the_seed_tells_the_query_and_the_order(own: Served) -> None:
    from retrieval.panel import Panel

    name, _ = ballot(own)
    act(own, "cast", {**ASKED, "ballot": name, "choice": "tie"})
    kept = votes(own.lab).read("stamps")[0][-1]
    draws = random.Random(kept.seed)
    left, right = draws.sample([Panel.parse(ONE), Panel.parse(OTHER)], 2)
    assert (str(left), str(right)) == (kept.left, kept.right)
    query, mine = drawn(draws, own.lab, own.lab.gallery("stamps"), (left, right))
    assert query.row == mine == kept.row


def test_a_vote_that_does_not_fit_leaves_its_pair_open(own: Served) -> None:
    name, rows = ballot(own)
    other = next(row for row in range(785) if row not in rows)
    for more, why in (
        ({"choice": "both"}, "left, right or tie"),
        ({}, "nothing was chosen"),
        ({"choice": 5}, "choice must be a text"),
        ({"marked": [other]}, "was not shown"),
        ({"marked": ["1"]}, "list of rows"),
        ({"marked": [0] * 21}, "at most 20"),
        ({"marked": {}}, "at most 20"),
        ({"choice": "left", "panels": ["nonsense"]}, "EMBEDDER@INDEX"),
    ):
        assert why in refusal(own, "cast", {**ASKED, "ballot": name, **more})
    assert "kept" not in act(own, "cast", {**ASKED, "ballot": name, "choice": "tie"})


@pytest.mark.parametrize(
    ("name", "body", "why"),
    [
        ("next", {**ASKED, "panels": [ONE]}, "two panels that differ"),
        ("next", {**ASKED, "panels": [ONE, ONE]}, "two panels that differ"),
        ("next", {**ASKED, "panels": [ONE, "nonsense@exact"]}, "nonsense"),
        ("next", {**ASKED, "panels": [ONE] * 5}, "at most 4"),
        ("next", {**ASKED, "gallery": "../etc"}, "no gallery is called"),
        ("cast", {**ASKED, "ballot": "<script>", "choice": "left"}, "voted on already, or"),
        ("cast", {**ASKED, "ballot": 5, "choice": "left"}, "ballot must be a text"),
        ("export", {**ASKED, "kind": "pickle"}, "qrels or as csv"),
        ("tally", [], "JSON object"),
        ("tally", "{", "no JSON"),
        ("cast", "x" * 2_000_001, "2,000,000 bytes at most"),
    ],
)
def test_nonsense_is_one_sentence(own: Served, name: str, body: object, why: str) -> None:
    assert why in refusal(own, name, body)


def test_other_sites_cannot_vote(own: Served) -> None:
    got = own.client.post(
        "/tab/quality/vote/cast", content="{}", headers={"content-type": "text/plain"}
    )
    assert got.status_code == 400
    assert own.client.get("/tab/quality/vote/cast").status_code == 405


def test_a_public_lab_keeps_nothing_and_counts_what_the_browser_brings(public: Served) -> None:
    brought: list[object] = []
    for choice in ("left", "right", "tie"):
        name, rows = ballot(public)
        sent = {**ASKED, "ballot": name, "choice": choice, "marked": rows[:1], "votes": brought}
        got = act(public, "cast", sent)
        brought.append(got["kept"])
        assert f"{len(brought)} vote" in got["vote"]
    assert not (public.lab.cache / "votes").exists()
    junk = [*brought, {"id": "<b>"}, None, {**brought[0], "id": "x", "left": "<img>@<b>"}]  # type: ignore[dict-item]
    html = act(public, "tally", {**ASKED, "votes": junk})["vote"]
    assert "4 votes" in html and "<img>" not in html and "&lt;img&gt;" in html
    assert "stay in this browser" in html
    assert act(public, "export", {**ASKED, "votes": brought, "kind": "qrels"})["text"]
    assert "list of at most" in refusal(public, "tally", {**ASKED, "votes": 5})
    assert "list of at most" in refusal(public, "tally", {**ASKED, "votes": [0] * 2_001})


def test_a_picture_that_is_asked_is_no_answer(own: Served) -> None:
    for _ in range(3):
        name, rows = ballot(own)
        act(own, "cast", {**ASKED, "ballot": name, "choice": "tie"})
        kept = votes(own.lab).read("stamps")[0][-1]
        assert kept.row is not None and kept.row not in rows


def test_a_panel_that_reads_captions_does_not_find_the_one_that_is_asked(own: Served) -> None:
    from retrieval.panel import Panel

    stamps, seeing = own.lab.gallery("stamps"), Panel.parse("conse-lite2@exact")
    captions = stamps.captions(range(len(stamps)))
    sides = (seeing, Panel.parse("captions@exact"))
    query, mine = drawn(random.Random(7), own.lab, stamps, sides)
    assert mine is not None and captions[mine] == query.text
    ballots = Ballots(own.lab)
    assert mine in ballots._answers(stamps, sides, query, None)[1]
    assert all(mine not in rows for rows in ballots._answers(stamps, sides, query, mine))
    both = (seeing, Panel.parse("conse-lite2@faiss-flat"))
    assert drawn(random.Random(7), own.lab, stamps, both) == (query, None)
