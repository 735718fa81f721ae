"""Who waits for whom while panels answer, and whom a failure costs."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from PIL import Image

from retrieval import lane, search
from retrieval.encoding import Encoded, Encoding, encode
from retrieval.errors import BadQuery
from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.types import Result, Vectors
from tests.asked import EXACT, HNSW, answered
from tests.fakes import Colour
from tests.held import LONGEST, until


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
