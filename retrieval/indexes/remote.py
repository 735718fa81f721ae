"""An index in a collection of a server that somebody runs, found by its address.

Holds no index of its own, so it has no ``SPECS``.

One collection for the same vectors and build-time knobs, named by a hash of both, so that all who
want it share it, whichever machine they are on. It is filled in order, a batch at a time, and what
fills it may be killed: the next goes on from what is there. A mark, set last, says that it is
whole; nobody searches one without. Two machines that fill it at once write the same points under
the same numbers, which costs time and nothing else; on one machine a lock lets one do it.
"""

from __future__ import annotations

import hashlib
import json
import os
from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.errors import Damaged, LabError, NotReady, Unreachable
from retrieval.indexes.archive import Chosen, Found
from retrieval.indexes.base import Filtered, padded
from retrieval.indexes.faiss_base import straight
from retrieval.indexes.remote_fill import Answer, Filled
from retrieval.indexes.remote_refusal import Refusal, read, sentence
from retrieval.runtime import servers
from retrieval.types import Metric, Rows, Scores, Spec, Vectors
from retrieval.where import Allowed, value

FILE = "collection.json"
OWN = 0.9
"""Share of the time that a client itself has, so that it can still say why it gave up."""


class Remote(Filled):
    """A collection of a server.

    A subclass writes ``_connected`` (a client), ``_create``, ``_put``, ``_finish``, ``_mark`` and
    ``_drop`` (what fills it), ``_marked``, ``_count`` and ``_sample`` (what it holds), ``_nearest``
    (to each query) and ``_refusal`` (what its client's errors mean).
    """

    together = 1
    """Queries that are asked at once, and answered in the time that one has."""

    def __init__(self, spec: Spec, metric: Metric, **knobs: int) -> None:
        super().__init__(spec, metric, **knobs)
        self._clients: dict[float, Any] = {}

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
            answers = self._asked(partial(self._answers, part, most, chosen))
            for place, (found, values) in enumerate(answers, start):
                rows[place, : len(found)], scores[place, : len(found)] = found, values
        return rows, scores

    def _answers(self, part: Vectors, most: int, chosen: Chosen | None, client: Any) -> list[Found]:
        return self._nearest(client, part, most, chosen)

    def _kept(self, row: int) -> dict[str, Any]:
        """The values of a row's columns, by which the server filters."""
        columns = (self._columns or {}).items()
        return {name: value(column, row) for name, column in columns}

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
            client = servers.within(where, limit, partial(self._connection, OWN * limit))
            return servers.within(where, limit, lambda: call(client))
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
        found = self._clients.get(limit)
        if found is None:  # no lock: one that hangs while it is made would keep it
            found = self._clients[limit] = self._connected(limit)
        return found

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
    def _nearest(self, client: Any, queries: Vectors, k: int, chosen: Chosen | None) -> list[Found]:
        """The answer to each of at most ``together`` queries."""

    @abstractmethod
    def _refusal(self, error: Exception) -> Refusal: ...
