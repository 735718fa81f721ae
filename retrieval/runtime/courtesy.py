"""Threads that give way: a build never keeps whoever asks something waiting.

Linux counts a thread as a process of its own here, so a build's threads can be nice while
those that answer are not. Elsewhere nothing changes, and nothing does in a process that answers
nobody: there a build has the machine to itself.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NICE = 19
"""The least that there is: beside a thread of the usual 0 it has 1.5 % of a core."""
_TASKS = Path("/proc/self/task")
_STARTING = threading.Lock()
_SERVING = threading.Event()


def serve() -> None:
    """From now on this process answers somebody: what is built here gives way."""
    _SERVING.set()


def give_way() -> None:
    """The calling thread gives way from now on."""
    _give_way(threading.get_native_id())


@contextmanager
def giving_way() -> Iterator[None]:
    """Threads that a library starts while the block runs give way, Python's own left out."""
    if not _SERVING.is_set():
        yield
        return
    with _STARTING:
        before = _tasks()
        yield
        for task in _tasks() - before - {each.native_id for each in threading.enumerate()}:
            _give_way(task)


def _tasks() -> set[int | None]:
    return {int(each.name) for each in _TASKS.iterdir()} if _TASKS.is_dir() else set()


def _give_way(task: int | None) -> None:
    if sys.platform == "linux" and task is not None and _SERVING.is_set():
        try:
            os.setpriority(os.PRIO_PROCESS, task, NICE)
        except OSError:  # it has ended, or the host forbids it
            return
