"""How many threads work. Nobody else sets a thread count."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


@cache
def cores() -> int:
    """Cores that this process may use: its affinity, cut to its container's quota."""
    allowed = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return max(1, min(allowed, _quota(allowed)))


def _quota(otherwise: int) -> int:
    """Whole cores of the control group, rounded up; a container often sees all of its host's."""
    try:
        share, period = _QUOTA.read_text().split()
    except (OSError, ValueError):
        return otherwise
    return otherwise if share == "max" else -(-int(share) // int(period))


@contextmanager
def beside(name: str) -> Iterator[ThreadPoolExecutor]:
    """One thread beside this one, which has ended once the block ends well.

    Who leaves it by an error, such as Ctrl-C, does not wait: a network may be converted there.
    """
    pool = ThreadPoolExecutor(1, name)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def single() -> AbstractContextManager[None]:
    """One thread for FAISS in the calling thread: one query is twice as slow on two."""
    return _Faiss(1)


def every_core() -> AbstractContextManager[None]:
    """All cores for FAISS in the calling thread: for builds and batches of queries."""
    return _Faiss(cores())


class _Faiss:
    """Sets and restores OpenMP's count, which each calling thread has for itself.

    A class, as a generator would cost a query of 20 us two more.
    """

    __slots__ = ("_before", "_count")

    def __init__(self, count: int) -> None:
        self._before = self._count = count

    def __enter__(self) -> None:
        if "faiss" not in sys.modules:  # who has not imported it has no threads of it to set
            return
        self._before = _library().omp_get_max_threads()
        if self._before != self._count:
            _library().omp_set_num_threads(self._count)

    def __exit__(self, *_: object) -> None:
        if self._before != self._count:
            _library().omp_set_num_threads(self._before)


@cache
def _library() -> Any:
    return importlib.import_module("faiss")  # waits where another thread is importing it
