"""A build's threads give way to those that answer."""

import _thread
import os
import sys
import threading

import pytest

from retrieval.runtime import courtesy
from tests.held import LONGEST

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="threads are nice on Linux alone")


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courtesy, "_SERVING", threading.Event())
    courtesy.serve()


def nice(task: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, task)


def in_a_thread() -> int:
    """How nice a thread is once it gives way."""
    seen: list[int] = []

    def work() -> None:
        courtesy.give_way()
        seen.append(nice(threading.get_native_id()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return seen[0]


def test_a_thread_gives_way_and_the_others_do_not(serving: None) -> None:
    before = nice(threading.get_native_id())
    assert in_a_thread() == courtesy.NICE
    assert nice(threading.get_native_id()) == before


def test_without_a_page_nobody_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courtesy, "_SERVING", threading.Event())
    assert in_a_thread() == nice(threading.get_native_id())


def test_what_a_library_starts_gives_way_and_threads_of_ours_do_not(serving: None) -> None:
    tasks: dict[str, int] = {}
    known, done = threading.Barrier(3), threading.Event()

    def work(name: str) -> None:
        tasks[name] = threading.get_native_id()
        known.wait(LONGEST)
        done.wait(LONGEST)

    ours = threading.Thread(target=work, args=("ours",))
    with courtesy.giving_way():
        _thread.start_new_thread(work, ("library",))  # threading does not know it
        ours.start()
        known.wait(LONGEST)
    assert nice(tasks["library"]) == courtesy.NICE
    assert nice(tasks["ours"]) == nice(threading.get_native_id())
    done.set()
    ours.join()
