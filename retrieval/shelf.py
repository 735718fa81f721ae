"""Things that are costly to make, made once and kept while there is room."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from retrieval.errors import Stopped

Thing = TypeVar("Thing")
LEFT: ContextVar[Callable[[], bool]] = ContextVar("left", default=lambda: False)
"""Whether nobody wants the answer any more that this thread works for."""
LOOK = 1.0
"""Seconds between two looks at that while another makes the thing."""


@dataclass(eq=False, slots=True)
class _Turn:
    """Whose turn it is to make a thing, and how many want it; it goes with the last of them."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    wanted: int = 0


class Shelf(Generic[Thing]):
    """Makes each thing once, however many ask for it, and drops the least recently used.

    Args:
        room: bytes that the kept things may add up to; the newest stays in any case.
        size: bytes of one thing.
    """

    def __init__(self, room: int, size: Callable[[Thing], int]) -> None:
        self._room = room
        self._size = size
        self._things: OrderedDict[Hashable, Thing] = OrderedDict()
        self._turns: dict[Hashable, _Turn] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Thing]) -> Thing:
        """The thing of a key, made now if it is not there; others do not wait for it.

        Raises:
            Stopped: another makes it, and nobody wants this answer any more.
        """
        with self._lock:
            if key in self._things:
                self._things.move_to_end(key)
                return self._things[key]
            turn = self._turns.setdefault(key, _Turn())
            turn.wanted += 1
        try:
            while not turn.lock.acquire(timeout=LOOK):
                if LEFT.get()():
                    raise Stopped("nobody waits for this answer any more; ask again")
            try:
                return self._made(key, make)
            finally:
                turn.lock.release()
        finally:
            with self._lock:
                turn.wanted -= 1
                if not turn.wanted:  # however it ended: what fails leaves nothing behind
                    del self._turns[key]

    def __contains__(self, key: Hashable) -> bool:
        """Whether the thing is there without making it."""
        return key in self._things

    def _made(self, key: Hashable, make: Callable[[], Thing]) -> Thing:
        with self._lock:
            if key in self._things:
                return self._things[key]
        thing = make()
        self._put(key, thing)
        return thing

    def _put(self, key: Hashable, thing: Thing) -> None:
        with self._lock:
            self._things[key] = thing
            sizes = {each: self._size(kept) for each, kept in self._things.items()}
            while len(sizes) > 1 and sum(sizes.values()) > self._room:
                oldest = next(iter(self._things))
                del self._things[oldest], sizes[oldest]
