"""The pipeline from a query to the panels' answers."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from PIL import Image

from retrieval import images
from retrieval.embedders import EMBEDDERS
from retrieval.errors import BadQuery
from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.query import Query
from tests.asked import EXACT, HNSW, answered
from tests.fakes import COLOURS, Colour


def test_a_text_finds_its_colour(lab: Lab) -> None:
    (result,) = answered(lab, [EXACT], Query(text="green"))
    assert result.problem == ""
    assert {hit.caption for hit in result.hits} == {"green"}
    assert [hit.rank for hit in result.hits] == [1, 2, 3, 4, 5]
    assert result.recall == 1.0
    assert result.missed == ()


def test_a_picture_finds_its_colour(lab: Lab) -> None:
    picture = images.webp(Image.new("RGB", (9, 7), COLOURS["yellow"]), 9)
    (result,) = answered(lab, [EXACT], Query(image=picture))
    assert {hit.caption for hit in result.hits} == {"yellow"}
    assert result.timings.decode > 0


def test_a_crop_is_what_is_searched(lab: Lab) -> None:
    picture = Image.new("RGB", (100, 100), COLOURS["red"])
    picture.paste(COLOURS["blue"], (50, 0, 100, 100))
    query = Query(image=images.webp(picture, 100), crop=(0.6, 0.0, 1.0, 1.0))
    (result,) = answered(lab, [EXACT], query)
    assert {hit.caption for hit in result.hits} == {"blue"}


def test_a_row_finds_itself_first(lab: Lab) -> None:
    (result,) = answered(lab, [EXACT], Query(row=7))
    assert result.hits[0].row == 7
    assert result.hits[0].score == pytest.approx(1, abs=1e-3)


def test_scores_are_recomputed_and_sorted(lab: Lab) -> None:
    exact, hnsw = answered(lab, [EXACT, HNSW], Query(text="red"), k=20)
    values = [hit.score for hit in hnsw.hits]
    assert values == sorted(values, reverse=True)
    known = {hit.row: hit.score for hit in exact.hits}
    for hit in hnsw.hits:
        if hit.row in known:
            assert hit.score == pytest.approx(known[hit.row], abs=1e-6)


def test_panels_of_one_embedder_share_one_embedding(lab: Lab) -> None:
    list(lab.compare("colours", [EXACT], Query(row=0), 5))
    before = Colour.calls
    first, second = answered(lab, [EXACT, HNSW], Query(row=3))
    assert Colour.calls == before + 1
    assert (first.shared, second.shared) == (False, True)
    assert first.timings.embed == second.timings.embed


def test_the_first_call_is_cold_and_the_second_is_not(lab: Lab) -> None:
    assert answered(lab, [HNSW], Query(text="red"))[0].cold == ("embed", "search")
    assert answered(lab, [HNSW], Query(text="red"))[0].cold == ()
    assert answered(lab, [HNSW], Query(row=1))[0].cold == ("embed",)


def test_missed_neighbours_carry_their_true_rank(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    gallery = lab.gallery("colours")
    index = lab.index(gallery, HNSW).index
    original = index.search

    def lossy(queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        rows, scores = original(queries, k)
        keep = np.array([0, 2, 3])
        return rows[:, keep], scores[:, keep]

    monkeypatch.setattr(index, "search", lossy)
    exact, hnsw = answered(lab, [EXACT, HNSW], Query(row=1), k=5)
    assert hnsw.recall == pytest.approx(3 / 5)
    assert [hit.rank for hit in hnsw.missed] == [2, 5]
    assert [hit.row for hit in hnsw.missed] == [exact.hits[1].row, exact.hits[4].row]


def test_a_text_for_pictures_only_is_a_sentence_with_a_way_out(lab: Lab) -> None:
    blind, exact = answered(lab, [Panel("blind", "exact"), EXACT], Query(text="red"))
    assert blind.problem == "Pictures only reads pictures only; give it a picture"
    assert "conse-lite2" in blind.instead
    assert "blind" not in blind.instead
    assert exact.problem == ""


@pytest.mark.parametrize("k", [0, -1, 1001, 10**9])
def test_k_out_of_range_is_refused(lab: Lab, k: int) -> None:
    with pytest.raises(BadQuery, match="must be between 1 and 1,000"):
        lab.compare("colours", [EXACT], Query(text="red"), k)


@pytest.mark.parametrize("row", [-1, 40, 10**12])
def test_a_row_that_is_not_there_is_refused(lab: Lab, row: int) -> None:
    with pytest.raises(BadQuery, match="it has 40"):
        lab.compare("colours", [EXACT], Query(row=row), 5)


def test_k_beyond_the_gallery_gives_all_of_it(lab: Lab) -> None:
    (result,) = answered(lab, [EXACT], Query(text="red"), k=1000)
    assert sorted(hit.row for hit in result.hits) == list(range(40))
    assert result.recall == 1.0


def test_users_with_other_knobs_do_not_disturb_each_other(lab: Lab) -> None:
    low = Panel("colour", "faiss-hnsw", (("efSearch", 1),))
    wanted = {panel: answered(lab, [panel], Query(text="red"), 10)[0].hits for panel in (low, HNSW)}
    wrong: list[Panel] = []

    def ask(panel: Panel) -> None:
        for _ in range(30):
            if answered(lab, [panel], Query(text="red"), 10)[0].hits != wanted[panel]:
                wrong.append(panel)

    threads = [threading.Thread(target=ask, args=(panel,)) for panel in (low, HNSW) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_what_reads_captions_is_no_way_out_where_there_are_none(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    blind, query = Panel("blind", "exact"), Query(text="red")
    assert "captions" in answered(lab, [blind], query)[0].instead
    gallery = lab.gallery("colours")
    monkeypatch.setitem(vars(gallery), "captioned", False)
    (result,) = answered(lab, [blind], query)
    assert "captions" not in result.instead and "conse-lite2" in result.instead


def test_every_name_in_instead_is_an_embedder(lab: Lab) -> None:
    (result,) = answered(lab, [Panel("blind", "exact")], Query(text="red"))
    assert set(result.instead) <= set(EMBEDDERS.names())
