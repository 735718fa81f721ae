"""Filling a collection of a server: in order, resumably, by one on this machine at a time.

Holds no index: no ``SPECS``.
"""

from __future__ import annotations

import math
import time
from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, TypeVar

import numpy as np

from retrieval import manifest
from retrieval.errors import LabError, Unreachable
from retrieval.indexes.base import Index
from retrieval.runtime.paths import cache
from retrieval.types import Progress, Vectors

Answer = TypeVar("Answer")
SAMPLE = 64
"""Vectors that are compared with what was given when a collection is taken up."""
WRITE = 60.0
"""Seconds that a server has to take a batch in, or to say that it has begun something long."""
TRIES = 4
"""Times that a batch is offered to a server that fails or is too busy."""
PAUSE = 0.5
"""Seconds before the second of them; each further pause is twice as long."""


class Filled(Index):
    """An index whose server is filled a batch at a time; ``Remote`` is what it says to it.

    Attributes:
        told: hears how far filling is.
    """

    batch = 1000
    """Vectors that are handed over at once."""
    patience = math.inf
    """Seconds that a server which indexes may show no progress."""
    close_to = 0.0
    """How far a number that comes back may be from what was handed over."""
    told: Progress | None = None
    _name = ""

    @property
    @abstractmethod
    def where(self) -> str:
        """The server, for people."""

    @abstractmethod
    def _asked(self, call: Callable[[Any], Answer], limit: float = 0.0) -> Answer:
        """What the server answers, in time; its errors as sentences."""

    def _whole(self, vectors: Vectors) -> bool:
        """Whether the collection is marked, has as many vectors and the same in a sample."""
        if not self._asked(self._marked):
            return False
        return self._asked(self._count) == len(vectors) and self._same(vectors)

    def _same(self, vectors: Vectors) -> bool:
        rows = np.unique(np.linspace(0, len(vectors) - 1, SAMPLE).astype(np.int64))
        held = self._asked(lambda client: self._sample(client, rows.tolist()))
        if any(row not in held for row in rows.tolist()):
            return False
        found = np.array([held[row] for row in rows.tolist()], dtype=np.float32)
        if found.shape != vectors[rows].shape:
            return False
        return bool(np.allclose(found, vectors[rows], rtol=0, atol=self.close_to))

    def _fill(self, vectors: Vectors) -> None:
        """Go on where the last who filled it stopped, check what is there, then mark it.

        Raises:
            LabError: the server does not hold what was handed over.
        """
        if self._asked(self._marked):
            if self._whole(vectors):  # another machine marked it a moment ago
                return
            self._asked(self._drop, WRITE)  # somebody changed it
        self._again(self._create)
        held = self._asked(self._count)
        begin = max(0, min(held, len(vectors)) // self.batch - 1) * self.batch
        for start in (begin, 0):  # all of it, should the part that was there have holes
            self._hand_over(vectors, start)
            if self._whole(vectors):  # another machine was faster
                return
            self._asked(self._finish, WRITE)
            self._wait(len(vectors))
            if self._asked(self._count, WRITE) == len(vectors) and self._same(vectors):
                break
        else:
            raise LabError(
                f"{self.where} holds {self._asked(self._count):,} vectors of {len(vectors):,}, or "
                f"others than were handed over; remove {self._name} there and build again"
            )
        self._asked(self._mark, WRITE)

    def _hand_over(self, vectors: Vectors, begin: int) -> None:
        self._tell("loading", begin)
        for start in range(begin, len(vectors), self.batch):
            part = vectors[start : start + self.batch]
            self._again(partial(self._write, start, part))
            self._tell("loading", start + len(part))

    def _write(self, start: int, part: Vectors, client: Any) -> None:
        self._put(client, start, part)

    def _wait(self, total: int) -> None:
        """Until the server has indexed all, however long: it says how far it is."""
        seen, since = -1, time.monotonic()
        while (done := self._asked(self._indexed, WRITE)) < total:
            if done != seen:
                seen, since = done, time.monotonic()
            elif time.monotonic() - since > self.patience:
                return  # what it holds is looked at next
            self._tell("indexing", done)
            time.sleep(PAUSE)
        self._tell("indexing", total)

    def _tell(self, what: str, done: int) -> None:
        if self.told is not None:
            self.told(f"{what} into {self.where}", done, self.count)

    def _again(self, call: Callable[[Any], Answer]) -> Answer:
        """A call that may be made twice, offered again to a server that fails."""
        for turn in range(1, TRIES):
            try:
                return self._asked(call, WRITE)
            except Unreachable:
                time.sleep(PAUSE * 2 ** (turn - 1))
        return self._asked(call, WRITE)

    def _alone(self) -> AbstractContextManager[None]:
        """Nobody else on this machine fills the same collection meanwhile."""
        return manifest.alone(cache() / "locks" / self._name)

    @abstractmethod
    def _create(self, client: Any) -> None:
        """Make the collection unless it is there."""

    @abstractmethod
    def _put(self, client: Any, start: int, vectors: Vectors) -> None:
        """Write rows from ``start`` on, over what they held; on return they are counted."""

    def _finish(self, client: Any) -> None:
        """Have the server index what it holds; need not wait."""

    def _indexed(self, client: Any) -> int:
        """How many vectors it has indexed; all of them where it does not say."""
        return self.count

    @abstractmethod
    def _mark(self, client: Any) -> None: ...

    @abstractmethod
    def _marked(self, client: Any) -> bool: ...

    @abstractmethod
    def _drop(self, client: Any) -> None:
        """Remove the collection and its mark."""

    @abstractmethod
    def _count(self, client: Any) -> int: ...

    @abstractmethod
    def _sample(self, client: Any, rows: list[int]) -> dict[int, Any]:
        """The vectors of rows; without those that it does not hold."""
