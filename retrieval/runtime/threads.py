"""How many threads work. Nobody else sets a thread count."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

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
def single() -> Iterator[None]:
    """One thread for FAISS in the calling thread: one query is twice as slow on two."""
    with _faiss(1):
        yield


@contextmanager
def every_core() -> Iterator[None]:
    """All cores for FAISS in the calling thread: for builds and batches of queries."""
    with _faiss(cores()):
        yield


@contextmanager
def _faiss(count: int) -> Iterator[None]:
    """Set and restore OpenMP's count, which each calling thread has for itself."""
    if "faiss" not in sys.modules:  # who has not imported it has no threads of it to set
        yield
        return
    faiss = importlib.import_module("faiss")  # waits where another thread is importing it
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
