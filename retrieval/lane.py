"""The timed lane: whatever is timed in this process runs in it, one at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from retrieval.work import Work

LANE = threading.Lock()
"""Held by whatever is being timed."""
_WARM: WeakKeyDictionary[object, set[str]] = WeakKeyDictionary()


@dataclass
class Clock:
    """Milliseconds by stage, and of waiting for the lane.

    Attributes:
        work: what else goes on in this process.
        busy: something was built or loaded while the lane was held.
    """

    work: Work
    ms: dict[str, float] = field(default_factory=dict)
    busy: bool = False

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block."""
        start = time.perf_counter_ns()
        yield
        self.ms[name] = (time.perf_counter_ns() - start) / 1e6

    @contextmanager
    def lane(self) -> Iterator[None]:
        """Wait for the timed lane, then hold it."""
        start = time.perf_counter_ns()
        with LANE:
            self.ms["waited"] = (time.perf_counter_ns() - start) / 1e6
            begun, going = self.work.count()
            yield
            self.busy = going > 0 or self.work.count()[0] != begun


def first_time(thing: object, way: str) -> bool:
    """Whether something is used in a way for the first time; asked inside the lane."""
    seen = _WARM.setdefault(thing, set())
    first = way not in seen
    seen.add(way)
    return first
