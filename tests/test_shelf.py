"""Made once, kept while there is room."""

import threading
import time
from collections.abc import Generator
from contextlib import suppress

import pytest

from retrieval import shelf as shelves
from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.shelf import Shelf
from retrieval.types import Result
from retrieval.ui.arrivals import batches
from tests.held import LONGEST, until


def test_many_who_ask_at_once_make_it_once() -> None:
    made: list[int] = []

    def make() -> bytes:
        made.append(1)
        time.sleep(0.05)
        return b"x"

    shelf: Shelf[bytes] = Shelf(10, len)
    threads = [threading.Thread(target=shelf.get, args=("a", make)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_another_key_does_not_wait() -> None:
    shelf: Shelf[bytes] = Shelf(10, len)
    held, done = threading.Event(), threading.Event()

    def slow() -> bytes:
        held.set()
        assert done.wait(LONGEST)
        return b"slow"

    thread = threading.Thread(target=shelf.get, args=("slow", slow))
    thread.start()
    assert held.wait(LONGEST)
    assert shelf.get("fast", lambda: b"fast") == b"fast"
    done.set()
    thread.join()


def test_the_least_recently_used_leaves() -> None:
    shelf: Shelf[bytes] = Shelf(10, len)
    shelf.get("a", lambda: b"aaaa")
    shelf.get("b", lambda: b"bbbb")
    shelf.get("a", lambda: b"never made")
    shelf.get("c", lambda: b"cccc")
    assert ("a" in shelf, "b" in shelf, "c" in shelf) == (True, False, True)


def test_one_that_is_larger_than_the_room_stays_alone() -> None:
    shelf: Shelf[bytes] = Shelf(3, len)
    shelf.get("a", lambda: b"aaaa")
    shelf.get("b", lambda: b"bbbb")
    assert ("a" in shelf, "b" in shelf) == (False, True)


def test_a_failure_is_not_kept() -> None:
    shelf: Shelf[bytes] = Shelf(10, len)
    for answer in (None, b"now"):
        try:
            found = shelf.get("a", lambda answer=answer: answer or bytes(-1))  # type: ignore[misc]
        except ValueError:
            continue
        assert found == b"now"


def test_what_fails_leaves_nothing_behind() -> None:
    """Somebody who asks for other nonsense each time must not fill the memory."""
    shelf: Shelf[bytes] = Shelf(10, len)
    for key in range(100):
        with pytest.raises(ValueError, match="negative"):
            shelf.get(key, lambda: bytes(-1))
    shelf.get("a", lambda: b"a")
    assert not shelf._turns


def test_after_a_failure_those_who_wait_go_on_one_by_one() -> None:
    shelf: Shelf[bytes] = Shelf(10, len)
    now, most, asked = [0], [0], [0]
    lock = threading.Lock()

    def make() -> bytes:
        with lock:
            asked[0] += 1
            now[0] += 1
            most[0] = max(most[0], now[0])
            fails = asked[0] < 5
        time.sleep(0.01)
        with lock:
            now[0] -= 1
        return bytes(-1) if fails else b"x"

    def ask() -> None:
        with suppress(ValueError):
            shelf.get("a", make)

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for thread in threads:
        thread.start()
        time.sleep(0.005)  # some come while others fail
    for thread in threads:
        thread.join()
    assert (asked[0], most[0], shelf._turns) == (5, 1, {})


def test_a_visitor_who_leaves_waits_no_more_for_what_another_makes(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two panels of each of three visitors wait for one build; two visitors leave."""
    monkeypatch.setattr(shelves, "LOOK", 0.05)
    inside, go_on = threading.Event(), threading.Event()
    made = lab.store.vectors

    def slow(*given: object) -> object:
        inside.set()
        assert go_on.wait(LONGEST)
        return made(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(lab.store, "vectors", slow)
    panels = [Panel("colour", "exact"), Panel("colour", "faiss-flat")]

    def visitor() -> Generator[list[Result]]:
        return batches(lab.compare("colours", panels, Query(row=0), 3), 0.01)

    def waiting() -> int:
        return sum(turn.wanted for turn in lab._vectors._turns.values())

    visitors = [visitor() for _ in range(3)]
    first = next(visitors[0])
    assert first == [] and inside.wait(LONGEST)
    until(lambda: waiting() == 3)  # the panels, and the embedding that they share
    for each in visitors[1:]:
        assert next(each) == []
    until(lambda: waiting() == 9)
    for each in visitors[1:]:
        each.close()
    until(lambda: waiting() == 3)
    go_on.set()
    found = [result for batch in visitors[0] for result in batch]
    assert [result.problem for result in found] == ["", ""]
