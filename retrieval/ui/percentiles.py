"""p50 and p95 of the latest calls; first ones, and those beside a build, are left out."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from threading import Lock

from retrieval.types import Result

FEWEST = 20
"""Calls from which on percentiles are shown."""
LATEST = 200
KEYS = 256


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Milliseconds over the latest warm calls.

    Attributes:
        calls: how many there were.
        p50: their median, where there are enough.
        p95: 95 of 100 took at most this, where there are enough.
    """

    calls: int
    p50: float | None = None
    p95: float | None = None


class Latest:
    """The latest latencies of each panel, shared by all who use this server."""

    def __init__(self) -> None:
        self._calls: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = Lock()

    def add(self, key: str, result: Result) -> Percentiles:
        """Count a result under its panel's key, unless it is cold, disturbed, or has no answer."""
        with self._lock:
            calls = self._calls.setdefault(key, deque(maxlen=LATEST))
            self._calls.move_to_end(key)
            if not (result.cold or result.busy or result.problem):
                calls.append(result.timings.total)
            if len(self._calls) > KEYS:
                self._calls.popitem(last=False)
            return percentiles(sorted(calls))


def percentiles(ordered: list[float]) -> Percentiles:
    """By nearest rank over sorted milliseconds; none below twenty calls."""
    count = len(ordered)
    if count < FEWEST:
        return Percentiles(count)
    return Percentiles(count, ordered[(count + 1) // 2 - 1], ordered[-(-95 * count // 100) - 1])
