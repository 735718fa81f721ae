"""The pipeline from a query to the panels' answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from retrieval import images, lane, search
from retrieval.embedders import EMBEDDERS
from retrieval.encoding import Encoded, Encoding, encode
from retrieval.errors import BadQuery
from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.types import Result, Vectors
from tests.fakes import COLOURS, Colour
from tests.held import LONGEST, until

EXACT = Panel("colour", "exact")
HNSW = Panel("colour", "faiss-hnsw")


def answered(lab: Lab, panels: Sequence[Panel], query: Query, k: int = 5) -> list[Result]:
    return sorted(lab.compare("colours", panels, query, k), key=lambda result: result.position)


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


@pytest.mark.parametrize("fails", [False, True])
def test_whoever_needs_an_embedding_first_makes_it_for_all(fails: bool) -> None:
    made: list[int] = []

    def make() -> Encoded:
        time.sleep(0.05)
        made.append(threading.get_ident())
        if fails:
            raise BadQuery("no")
        return cast(Encoded, object())

    encoding, results = Encoding(make), list[object]()

    def ask() -> None:
        try:
            results.append(encoding.result())
        except BadQuery as error:
            results.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(made) == 1 and made[0] in {each.ident for each in threads}
    assert len(results) == 8 and len(set(map(id, results))) == 1
    assert isinstance(results[0], BadQuery) == fails


def test_a_loaded_embedder_answers_in_the_panels_own_thread(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(lab.compare("colours", [Panel("colour", "exact")], Query(text="red"), 5))
    seen: list[str] = []
    submitted: list[object] = []
    submit = search._POOL.submit

    def noted(*given: Any) -> Encoded:
        seen.append(threading.current_thread().name)
        return encode(*given)

    def counted(*given: Any) -> Any:
        submitted.append(given)
        return submit(*given)

    monkeypatch.setattr(search, "encode", noted)
    monkeypatch.setattr(search._POOL, "submit", counted)
    list(lab.compare("colours", [Panel("colour", "exact")], Query(text="red"), 5))
    assert len(seen) == len(submitted) == 1


def test_the_first_call_is_cold_and_the_second_is_not(lab: Lab) -> None:
    assert answered(lab, [HNSW], Query(text="red"))[0].cold == ("embed", "search")
    assert answered(lab, [HNSW], Query(text="red"))[0].cold == ()
    assert answered(lab, [HNSW], Query(row=1))[0].cold == ("embed",)


def test_truth_and_waiting_are_in_no_latency(lab: Lab) -> None:
    (result,) = answered(lab, [HNSW], Query(text="red"))
    times = result.timings
    assert result.truth_ms > 0
    assert times.total == pytest.approx(
        times.decode + times.embed + times.search + times.rescore + times.fetch
    )


def test_waiting_for_the_lane_is_shown_apart(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    answered(lab, [EXACT], Query(text="red"))
    turn, clock = Asked(), [0]
    monkeypatch.setattr(lane, "LANE", turn)
    monkeypatch.setattr(lane, "time", SimpleNamespace(perf_counter_ns=lambda: clock[0]))
    with turn.lock:
        found = lab.compare("colours", [EXACT], Query(text="red"), 5)
        results: list[Result] = []
        thread = threading.Thread(target=lambda: results.extend(found))
        thread.start()
        assert turn.asked.wait(LONGEST)
        clock[0] += 200_000_000
    thread.join()
    assert (results[0].waited_ms, results[0].timings.total) == (200, 0)


class Asked:
    """A lane that tells when somebody wants it."""

    def __init__(self) -> None:
        self.lock, self.asked = threading.Lock(), threading.Event()

    def __enter__(self) -> None:
        self.asked.set()
        self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        self.lock.release()


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


def test_panels_that_fail_cost_nobody_else(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    answered(lab, [EXACT], Query(row=0))  # its vectors are there before it breaks

    def broken(self: object, batch: object) -> None:
        raise OSError("the engine is down")

    monkeypatch.setattr("tests.fakes.Colour._images", broken)
    results = answered(
        lab,
        [
            Panel("nothing", "exact"),
            Panel("conse-lit2", "exact"),
            Panel("colour", "exat"),
            Panel("colour", "faiss-hnsw", (("efSerch", 3),)),
            Panel("colour", "faiss-hnsw", (("efSearch", 10**8),)),
            Panel("colour", "faiss-binary-flat"),
            Panel("colour", "exact"),
        ],
        Query(row=0),
    )
    assert "no embedder is called 'nothing'" in results[0].problem
    assert "perhaps: conse-lite2" in results[1].problem
    assert results[2].problem == "no index is called 'exat'; perhaps: exact"
    assert "has no knob 'efSerch'; it has:" in results[3].problem
    assert "efSearch is 100000000; it must be" in results[4].problem
    assert "compares by hamming" in results[5].problem
    assert results[6].problem == "colour@exact failed: OSError: the engine is down"


def test_a_finished_panel_waits_for_no_other(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    answered(lab, [EXACT, Panel("blind", "exact")], Query(row=0))
    release = threading.Event()
    original = lab.embedder

    def slow(name: str) -> object:
        if name == "blind":
            assert release.wait(LONGEST)
        return original(name)

    monkeypatch.setattr(lab, "embedder", slow)
    found = lab.compare("colours", [Panel("blind", "exact"), EXACT], Query(row=0), 5)
    assert next(found).embedder == "colour"
    release.set()
    assert next(found).embedder == "blind"


def test_many_who_wait_for_one_build_keep_nobody_else_waiting(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forty searches that were begun, and left, while a gallery is embedded for minutes."""
    (before,) = answered(lab, [EXACT], Query(row=3))
    built, plain = threading.Event(), Colour._images
    begun, answer = list[object](), search._answer

    def slow(embedder: Colour, batch: Sequence[Image.Image]) -> Vectors:
        assert embedder.spec.name != "blind" or built.wait(LONGEST)
        return plain(embedder, batch)

    def noted(*given: Any) -> Result:
        begun.append(given)
        return answer(*given)

    monkeypatch.setattr(Colour, "_images", slow)
    monkeypatch.setattr(search, "_answer", noted)
    waiting = [Panel("blind", index) for index in ("exact", "exact", "exact", "exact")]
    left = [
        threading.Thread(target=list, args=(lab.compare("colours", waiting, Query(row=0), 5),))
        for _ in range(40)
    ]
    found: list[Result] = []
    other = threading.Thread(target=lambda: found.extend(answered(lab, [EXACT], Query(row=3))))
    try:
        for thread in left:
            thread.start()
        until(lambda: len(begun) == len(left) * len(waiting))  # a thread is held by each
        other.start()
        other.join(LONGEST / 2)  # while the others still wait
        assert [each.hits for each in found] == [before.hits]
    finally:
        built.set()
        for thread in (*left, other):
            thread.join()


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


def test_every_name_in_instead_is_an_embedder(lab: Lab) -> None:
    (result,) = answered(lab, [Panel("blind", "exact")], Query(text="red"))
    assert set(result.instead) <= set(EMBEDDERS.names())
