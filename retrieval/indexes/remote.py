"""An index in a collection of a server that somebody runs, found by its address.

Holds no index of its own, so it has no ``SPECS``.

One collection for the same vectors and build-time knobs, named by a hash of both, so that all who
want it share it, whichever machine they are on. It is filled in order, a batch at a time, and what
fills it may be killed: the next goes on from what is there. A mark, set last, says that it is
whole; nobody searches one without. Two machines that fill it at once write the same points under
the same numbers, which costs time and nothing else; on one machine a lock lets one do it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from retrieval.errors import Damaged, LabError, NotReady, Unreachable
from retrieval.indexes.archive import Chosen, Found
from retrieval.indexes.base import Filtered, Index, padded
from retrieval.indexes.faiss_base import straight
from retrieval.runtime import servers
from retrieval.runtime.paths import cache
from retrieval.types import Metric, Progress, Rows, Scores, Spec, Vectors
from retrieval.where import Allowed

Answer = TypeVar("Answer")
FILE = "collection.json"
SAMPLE = 64
"""Vectors that are compared with what was given when a collection is taken up."""
WRITE = 60.0
"""Seconds that a server has to take a batch in, or to say that it has begun something long."""
TRIES = 4
"""Times that a batch is offered to a server that fails or is too busy."""
OWN = 0.9
"""Share of the time that a client itself has, so that it can still say why it gave up."""
PAUSE = 0.5
"""Seconds before the second of them; each further pause is twice as long."""


@dataclass(frozen=True)
class Refusal:
    """What a server says instead of an answer.

    Attributes:
        status: as HTTP numbers it; 0 where no answer came.
        text: its own words.
        wait: seconds after which it wants to be asked again, if it says so.
    """

    status: int
    text: str
    wait: str = ""


class Remote(Index):
    """A collection of a server.

    A subclass writes ``_connected`` (a client), ``_create``, ``_put``, ``_finish``, ``_mark`` and
    ``_drop`` (what fills it), ``_marked``, ``_count`` and ``_sample`` (what it holds), ``_nearest``
    (to each query) and ``_refusal`` (what its client's errors mean).

    Attributes:
        told: hears how far filling is.
    """

    batch = 1000
    """Vectors that are handed over at once."""
    together = 1
    """Queries that are asked at once, and answered in the time that one has."""
    patience = math.inf
    """Seconds that a server which indexes may show no progress."""
    close_to = 0.0
    """How far a number that comes back may be from what was handed over."""

    def __init__(self, spec: Spec, metric: Metric, **knobs: int) -> None:
        super().__init__(spec, metric, **knobs)
        self.told: Progress | None = None
        self._name = ""
        self._clients: dict[float, Any] = {}
        self._turn = threading.Lock()

    @property
    def variable(self) -> str:
        """The environment variable with the address."""
        return str(self.spec.param("address"))

    @property
    def key(self) -> str:
        """The server's key; empty where none is set."""
        return os.environ.get(f"{self.variable}_KEY", "")

    @property
    def where(self) -> str:
        """The server, for people: no user, no password."""
        address = self._address()
        return f"{self.spec.family} at {address.hostname}:{servers.port(address, self._port)}"

    def nbytes(self) -> int:
        """Bytes of the vectors that were handed over; what the server makes of them it keeps."""
        return 4 * self.count * self.width

    def reach(self) -> None:
        """See that the server answers, before anything is timed.

        Raises:
            Unreachable: it does not, in time.
        """
        if self.count:
            self._asked(self._marked)

    def close(self) -> None:
        """Let go of the client; twice is no harm. The collection stays and is found again."""
        super().close()
        self._clients = {}

    def _build(self, vectors: Vectors) -> None:
        vectors = straight(vectors)

        def make() -> None:
            if not self._whole(vectors):
                with self._alone():
                    if not self._whole(vectors):
                        self._fill(vectors)

        self._take(vectors, make)

    def _search(self, queries: Vectors, k: int) -> tuple[Rows, Scores]:
        return self._found(queries, k, min(k, self.count))

    def _filtered(self, queries: Vectors, k: int, where: Allowed) -> Filtered | None:
        columns = self._columns
        if not columns or where.where.column not in columns:
            return None
        plan = self._planned(k, where)
        if plan is None:
            return None
        chosen = Chosen(where.where, columns[where.where.column], plan[0])
        return Filtered(*self._found(queries, k, where.few(k), chosen), plan[1])

    def _planned(self, k: int, where: Allowed) -> tuple[dict[str, int], str] | None:
        """Knobs of a filtered search for ``k``, and what is other about it.

        None where comparing the rows that are allowed is cheaper.
        """
        return self.knobs, ""

    def _found(
        self, queries: Vectors, k: int, most: int, chosen: Chosen | None = None
    ) -> tuple[Rows, Scores]:
        rows, scores = padded(len(queries), k)
        if not most:  # closed by another thread a moment ago
            return rows, scores
        for start in range(0, len(queries), self.together):
            part = straight(queries[start : start + self.together])
            answers = self._asked(
                lambda client, part=part: self._nearest(client, part, most, chosen)
            )
            for place, (found, values) in enumerate(answers, start):
                rows[place, : len(found)], scores[place, : len(found)] = found, values
        return rows, scores

    def _kept(self, row: int) -> dict[str, Any]:
        """The values of a row's columns, by which the server filters."""
        columns = (self._columns or {}).items()
        return {
            name: int(column[row]) if isinstance(column, np.ndarray) else column[row]
            for name, column in columns
        }

    def _save(self, folder: Path) -> None:
        if self.count:
            (folder / FILE).write_text(json.dumps({"collection": self._name}), "utf-8")

    def _load(self, folder: Path, vectors: Vectors) -> None:
        vectors = straight(vectors)

        def make() -> None:
            saved = read(folder / FILE)
            if saved != self._name:
                raise Damaged(
                    f"{FILE} names {saved[:80]!r}, the collection of these vectors is "
                    f"{self._name}; build the index again"
                )
            if not self._whole(vectors):
                raise Damaged(
                    f"{self.where} does not hold the collection of {FILE} with these vectors; "
                    "build the index again"
                )

        self._take(vectors, make)

    def _take(self, vectors: Vectors, make: Callable[[], None]) -> None:
        """Nothing is searchable where ``make`` fails."""
        if not self.count:
            return
        try:
            self._name = self._named(vectors)
            make()
        except BaseException:
            self.count = 0
            raise

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
        if self._asked(self._marked):  # marked, and yet not these vectors: somebody changed it
            self._asked(self._drop, WRITE)
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
            self._again(lambda client, start=start, part=part: self._put(client, start, part))
            self._tell("loading", start + len(part))

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

    def _asked(self, call: Callable[[Any], Answer], limit: float = 0.0) -> Answer:
        """What the server answers, in time; its errors as sentences.

        Raises:
            Unreachable: no answer, none in time, or one that says later.
            NotReady: it wants another key.
            Damaged: the collection is gone.
            LabError: the server's own refusal.
        """
        self._ready()
        where, limit = self.where, limit or servers.seconds()
        try:
            return servers.within(where, limit, lambda: call(self._connection(OWN * limit)))
        except LabError as error:
            if isinstance(error, Unreachable):
                self._clients = {}  # the next asks by a new one
            raise
        except Exception as error:  # each client has its own kinds
            said = self._refusal(error)
            if said.status == 0 or said.status >= 500:
                self._clients = {}
            raise sentence(where, self.variable, said) from error

    def _connection(self, limit: float) -> Any:
        with self._turn:
            if limit not in self._clients:
                self._clients[limit] = self._connected(limit)
            return self._clients[limit]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else on this machine fills the same collection meanwhile."""
        from filelock import FileLock

        folder = cache() / "locks"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / f"{self._name}.lock")
            lock.acquire()
        except OSError as error:
            raise LabError(
                f"cannot write {folder}: {error.strerror or error}; "
                "set PARALLAX_CACHE to a folder that can be written"
            ) from error
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                lock.release()

    def _address(self) -> Any:
        given = os.environ.get(self.variable, "")
        if not given:
            raise NotReady(f"{self.spec.name} needs a server: set {self.variable} to its address")
        return servers.parts(self.variable, given)

    @property
    def _port(self) -> int:
        return int(self.spec.param("port"))

    def _named(self, vectors: Vectors) -> str:
        """The collection's name, from the vectors and the build-time knobs."""
        build = {
            each.name: self.knobs[each.name] for each in self.spec.knobs if each.when == "build"
        }
        told = hashlib.sha256(json.dumps([vectors.shape, sorted(build.items())]).encode())
        told.update(vectors.data)
        for name, column in sorted((self._columns or {}).items()):
            numbers = column.tolist() if isinstance(column, np.ndarray) else list(column)
            told.update(json.dumps([name, numbers]).encode())
        kind = "".join(part.capitalize() for part in self.spec.name.split("-"))
        return f"Parallax{kind}_{told.hexdigest()[:24]}"

    @abstractmethod
    def _ready(self) -> None:
        """Import the client, which may take longer than a server has to answer."""

    @abstractmethod
    def _connected(self, limit: float) -> Any: ...

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

    @abstractmethod
    def _nearest(self, client: Any, queries: Vectors, k: int, chosen: Chosen | None) -> list[Found]:
        """The answer to each of at most ``together`` queries."""

    @abstractmethod
    def _refusal(self, error: Exception) -> Refusal: ...


def sentence(where: str, variable: str, said: Refusal) -> LabError:
    """The error for what a server says instead of an answer.

    Args:
        where: the server, for people.
        variable: of its address; the one of its key is named after it.
        said: its refusal.
    """
    text = (said.text.strip() or "no reason given").splitlines()[0][:200]
    if said.status in (401, 403):
        return NotReady(f"{where} wants another key ({said.status}): set {variable}_KEY to one")
    if said.status == 404:
        return Damaged(
            f"{where} has lost a collection ({text}); start Parallax again to build it again"
        )
    if said.status == 429:
        when = f"in {said.wait} s" if said.wait else "in a while"
        return Unreachable(f"{where} is asked too often (429); ask again {when}")
    if said.status == 0:
        return Unreachable(f"{where} does not answer ({text}); ask again once it does")
    if said.status >= 500:
        return Unreachable(f"{where} fails ({said.status}: {text}); ask again once it works")
    return LabError(f"{where} refuses ({said.status}): {text}")


def read(path: Path) -> str:
    """The collection that a file names.

    Raises:
        Damaged: it cannot be read.
    """
    try:
        return str(json.loads(path.read_text("utf-8"))["collection"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{path.name} names no collection; build the index again") from error
