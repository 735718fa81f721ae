"""One connection to PostgreSQL with pgvector: tables made whole, searches that give up.

Holds no index of its own, so it has no ``SPECS``.
"""

from __future__ import annotations

import importlib
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from retrieval.errors import Damaged, LabError, NotReady, Unreachable
from retrieval.indexes.pgcopy import Only, Packed, copied, declared, indexed, pack
from retrieval.runtime.machine import memory
from retrieval.runtime.paths import cache as cache_folder
from retrieval.runtime.postgres import cluster
from retrieval.types import Rows, Scores, Vectors
from retrieval.where import Columns

VARIABLE = "PARALLAX_POSTGRES"
"""Environment variable with the address of a server, ``postgresql://user@host/database``."""
SECONDS = 5
"""Seconds that a search, and each step of connecting, may take."""
START = 30
"""Seconds that the server started here has before something is built or loaded."""
READ = 60
"""Seconds that reading a whole table may take, once to count its rows and once to find a sample."""
OLDEST = (0, 8)
"""The first pgvector that goes on with a search which found too few."""
SCHEMA = "parallax"
PLAIN = {
    "statement_timeout": f"{SECONDS}s",
    "enable_seqscan": "off",  # it would answer exactly, by another plan than the one asked for
    "max_parallel_workers_per_gather": "0",  # one query, one process
    "jit": "off",
}
SAMPLE = 64
"""Rows that are compared with what was given when a table is taken up."""


@cache
def library() -> Any:
    """psycopg, imported by name: it need not be installed."""
    return importlib.import_module("psycopg")


class Session:
    """A connection, prepared for searches. Not for two threads at once.

    Args:
        seconds: that a server started here may take.

    Raises:
        Unreachable: nobody answers.
        NotReady: no server, no pgvector, or one that is too old.
    """

    def __init__(self, seconds: float = START) -> None:
        given = os.environ.get(VARIABLE, "")
        self.where = address(given) if given else "the PostgreSQL of Parallax itself"
        with told(self.where):
            self._connection = bounded().connect(
                given or cluster(cache_folder() / "postgres").address(seconds),
                autocommit=True,
                connect_timeout=SECONDS,
                application_name="parallax",
            )
        self._set: dict[str, str] = {}
        self.end = weakref.finalize(self, self._connection.close)
        with told(self.where):
            self._prepare()

    def _prepare(self) -> None:
        (found,) = self._rows("SELECT to_regtype('vector')::oid, to_regnamespace(%s)::oid", SCHEMA)
        if None in found:
            with self._alone(SCHEMA):
                self._run("CREATE EXTENSION IF NOT EXISTS vector")
                self._run(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        ((kind, version),) = self._rows(
            "SELECT 'vector'::regtype::oid, extversion FROM pg_extension WHERE extname = 'vector'"
        )
        if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
            wanted = ".".join(str(part) for part in OLDEST)
            raise NotReady(f"{self.where} has pgvector {version}; {wanted} or later is needed")
        self._connection.adapters.register_dumper(Packed, dumper(kind))

    def set(self, settings: dict[str, str]) -> None:
        """Change settings of the session; those that are so already cost nothing."""
        with told(self.where):
            for name, value in settings.items():
                if self._set.get(name) != value:
                    self._rows("SELECT set_config(%s, %s, false)", name, value)
                    self._set[name] = value

    def use(self, table: str) -> None:
        """Have nobody drop a table while this session lasts; one who does is waited for."""
        with told(self.where):
            self._rows("SELECT pg_advisory_lock_shared(hashtextextended(%s, 0))", table)

    def make(self, table: str, vectors: Vectors, index: str, room: int, columns: Columns) -> bool:
        """Make a table with its index in one transaction, unless it is there.

        Args:
            table: its name.
            vectors: (n, dim) float32, C order.
            index: the definition of the index.
            room: bytes of memory that the build would like.
            columns: kept beside the vectors, each with an index of its own.

        Returns:
            Whether it was made.
        """
        fresh = f"{table}_loading"
        with told(self.where), self._alone(table):
            if self.holds(table, vectors):
                return False
            self._run(f"SET LOCAL maintenance_work_mem = '{min(room, memory() // 4) >> 10}kB'")
            width = vectors.shape[1]
            kept = declared(columns)
            self._run(f"CREATE TABLE {SCHEMA}.{fresh} (id int4, v vector({width}){kept})")
            copy = f"COPY {SCHEMA}.{fresh} FROM STDIN (FORMAT BINARY)"
            with self._connection.cursor() as cursor, cursor.copy(copy) as sink:
                for part in copied(vectors, columns):
                    sink.write(part)
            self._run(f"DROP TABLE IF EXISTS {SCHEMA}.{table}")
            self._run(f"CREATE INDEX {table}_index ON {SCHEMA}.{fresh} {index}")
            for each in indexed(columns):
                self._run(f"CREATE INDEX ON {SCHEMA}.{fresh} {each}")
            self._run(f"ALTER TABLE {SCHEMA}.{fresh} RENAME TO {table}")
            self._run(f"ANALYZE {SCHEMA}.{table}")
        return True

    def holds(self, table: str, vectors: Vectors) -> bool:
        """Whether a table is there, has as many rows as ``vectors`` and the same in a sample."""
        rows = np.unique(np.linspace(0, len(vectors) - 1, SAMPLE).astype(np.int64)).tolist()
        with told(self.where), self._patient():
            whole = self._rows(
                "SELECT FROM pg_index WHERE indisvalid "
                "AND indrelid = to_regclass(%s) AND indexrelid = to_regclass(%s)",
                f"{SCHEMA}.{table}",
                f"{SCHEMA}.{table}_index",
            )
            if not whole:
                return False
            ((count,),) = self._rows(f"SELECT count(*) FROM {SCHEMA}.{table}")
            sample = f"SELECT id, v FROM {SCHEMA}.{table} WHERE id = ANY(%s) ORDER BY id"
            held = self._rows(sample, rows)
        return count == len(vectors) and held == [(row, pack(vectors[row])) for row in rows]

    def check(self, table: str, order: str = "v <#> (SELECT v FROM one)") -> None:
        """See that searches walk the index.

        Args:
            table: whose.
            order: what it sorts by; ``one`` has a vector.

        Raises:
            LabError: the planner takes another way.
        """
        with told(self.where):
            asked = f"WITH one AS (SELECT v FROM {SCHEMA}.{table} LIMIT 1) "
            asked += f"SELECT id FROM {SCHEMA}.{table} ORDER BY {order} LIMIT 1"
            plan = "\n".join(line for (line,) in self._rows(f"EXPLAIN {asked}"))
        if f"Index Scan using {table}_index" not in plan:
            raise LabError(f"{self.where} does not use the index of {table}: {plan[:200]}")

    def size(self, table: str) -> int:
        """Bytes of a table and its index."""
        with told(self.where):
            ((found,),) = self._rows("SELECT pg_total_relation_size(%s)", f"{SCHEMA}.{table}")
        return int(found)

    def nearest(
        self, table: str, query: Vectors, k: int, only: Only | None = None
    ) -> tuple[Rows, Scores]:
        """At most k rows by inner product and these, (found,) each, best first."""
        source, given = f"{SCHEMA}.{table}", []
        if only is not None:
            source, given = only.source(source), [only.value]
        if only is not None and only.few:
            statement = f"WITH few AS MATERIALIZED (SELECT id, v FROM {source}) "
            statement += "SELECT id, v <#> %s AS far FROM few ORDER BY far LIMIT %s"
            values = [*given, pack(query), k]
        else:
            statement = f"SELECT id, v <#> %s AS far FROM {source} ORDER BY far LIMIT %s"
            values = [pack(query), *given, k]
        with told(self.where):
            found = self._rows(statement, *values)
        rows = np.array([row for row, _ in found], dtype=np.int64)
        scores = np.array([-far for _, far in found], dtype=np.float32)
        best = np.argsort(-scores, kind="stable")  # a scan that goes on is not in order
        return rows[best], scores[best]

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """What a statement finds."""
        with told(self.where):
            return self._rows(statement, *values)

    def drop(self, table: str) -> None:
        """Drop a table unless another session uses it."""
        with told(self.where):
            ((sole,),) = self._rows("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", table)
            if sole:
                self._run(f"DROP TABLE IF EXISTS {SCHEMA}.{table}")

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """A transaction without time limits that nobody else runs for the same name."""
        try:
            with self._connection.transaction():
                self._connection.limit = None
                self._run("SET LOCAL statement_timeout = 0")
                making = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))"
                self._rows(making, name)
                yield
        finally:
            self._connection.limit = SECONDS

    @contextmanager
    def _patient(self) -> Iterator[None]:
        """Statements that read a whole table, however large."""
        before = self._connection.limit
        self._connection.limit = before and READ  # none stays none
        try:
            yield
        finally:
            self._connection.limit = before

    def _run(self, statement: str) -> None:
        self._connection.execute(statement)

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self._connection.execute(
            statement, values, prepare=True, binary=True
        ).fetchall()
        return found


@contextmanager
def told(where: str) -> Iterator[None]:
    """Errors of psycopg as sentences.

    Raises:
        Damaged: a table is not there.
        Unreachable: no answer, none in time, or the connection is gone.
        LabError: the server's own refusal.
    """
    psycopg = library()
    try:
        yield
    except psycopg.errors.UndefinedTable as error:
        raise Damaged(
            f"{where} has lost a table ({first(error)}); start Parallax again to build it again"
        ) from error
    except (psycopg.Error, UnicodeError) as error:  # the latter of what is no name of a host
        said = getattr(error, "sqlstate", None) or ""
        if said and said[:2] not in ("08", "57"):  # neither the connection nor a shutdown
            raise LabError(f"{where} refuses: {first(error)}") from error
        raise Unreachable(
            f"{where} does not answer ({first(error)}); ask again once it does"
        ) from error


def first(error: Exception) -> str:
    """The first line of what an error says."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def address(given: str) -> str:
    """A server's address for people: no user, no password."""
    try:
        told_of = library().conninfo.conninfo_to_dict(given)
    except library().Error as error:
        raise NotReady(
            f"{VARIABLE} is no address of PostgreSQL; it looks like "
            "postgresql://user:password@host:5432/database"
        ) from error
    host, port = told_of.get("host", "localhost"), told_of.get("port", 5432)
    return f"PostgreSQL at {host}:{port}"


@cache
def bounded() -> Any:
    """Connections that wait for an answer no longer than their ``limit``."""
    base = library().Connection

    def wait(self: Any, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        return base.wait(self, gen, interval, timeout or self.limit)

    return type("Bounded", (base,), {"limit": SECONDS, "wait": wait})


def dumper(oid: int) -> Any:
    """What hands a packed vector to PostgreSQL, whose type has a number of its own."""

    def dump(self: Any, value: Packed) -> bytes:
        return value

    members = {"format": library().pq.Format.BINARY, "oid": oid, "dump": dump}
    return type("VectorDumper", (library().adapt.Dumper,), members)
