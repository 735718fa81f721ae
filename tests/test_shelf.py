"""Made once, kept while there is room."""

import threading
import time
from contextlib import suppress

import pytest

from retrieval.shelf import Shelf


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
        assert done.wait(10)
        return b"slow"

    thread = threading.Thread(target=shelf.get, args=("slow", slow))
    thread.start()
    assert held.wait(10)
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
