"""What is being made now, for whoever waits for it."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from retrieval.errors import Stopped
from retrieval.telling import Tell
from retrieval.types import Progress


@dataclass(eq=False, slots=True)
class Doing:
    """One thing that is being made; it changes while it is read.

    Attributes:
        what: such as "embedding stamps with conse-lite2".
        done: how many are done.
        total: of how many; 0 where that is not known.
        unit: what is counted, where the words do not say it.
        stopped: somebody wants it to end.
    """

    what: str
    done: int = 0
    total: int = 0
    unit: str = ""
    stopped: bool = False


class Work:
    """What is being made, by the name of the embedder or the section that waits for it.

    Attributes:
        heard: told of all that is being made and that nobody else is told of.
    """

    def __init__(self) -> None:
        self.heard: Progress | None = None
        self._now: defaultdict[str, list[Doing]] = defaultdict(list)
        self._begun = self._ended = 0
        self._lock = threading.Lock()

    def on(self, name: str) -> Doing | None:
        """What is being made for an embedder now, the latest of it."""
        with self._lock:
            return self._now[name][-1] if self._now.get(name) else None

    def count(self) -> tuple[int, int]:
        """How many things were begun so far, and how many of them go on."""
        with self._lock:
            return self._begun, self._begun - self._ended

    def stop(self, name: str) -> int:
        """Ask what is being made for an embedder to end; how many things were asked."""
        with self._lock:
            doings = self._now.get(name, [])
            for each in doings:
                each.stopped = True
            return len(doings)

    @contextmanager
    def doing(self, name: str, what: str, also: Progress | None = None) -> Iterator[Tell]:
        """Say what is being made while the block runs.

        Args:
            name: the embedder that waits for it.
            what: in words.
            also: told what is told to the block's value.

        Yields:
            Called with what is being done, how many are done, of how many; raises
            ``Stopped`` once somebody wants it to end.
        """
        mine = Doing(what)

        def tell(said: str, done: int, total: int, unit: str = "") -> None:
            if mine.stopped:
                raise Stopped(f"{what} was stopped; ask again when you want it")
            mine.what, mine.done, mine.total, mine.unit = said, done, total, unit
            if also is not None:
                also(said, done, total)
            elif self.heard is not None and total:
                self.heard(f"{said}, {unit}" if unit else said, done, total)

        with self._lock:
            self._now[name].append(mine)
            self._begun += 1
        try:
            yield tell
        finally:
            with self._lock:
                self._now[name].remove(mine)
                self._ended += 1
