"""A connection to PostgreSQL that fills tables a batch at a time. Holds no index: no ``SPECS``.

What was committed stays when the loader is killed, in a table that nobody searches; the next goes
on behind it. The index, the table's last name and its visibility come in one transaction.
"""

from __future__ import annotations

from retrieval.errors import LabError
from retrieval.indexes.pgcopy import copied, declared, indexed
from retrieval.indexes.postgres import SCHEMA, Session, told
from retrieval.runtime.machine import memory
from retrieval.types import Progress, Vectors
from retrieval.where import Columns, cut

PART = 10_000
"""Rows of a transaction."""


class Loader(Session):
    """A session whose tables are made in steps.

    Args:
        seconds: that a server started here may take.
        heard: is told of rows done.
    """

    def __init__(self, seconds: float, heard: Progress) -> None:
        super().__init__(seconds)
        self._heard = heard

    def make(self, table: str, vectors: Vectors, index: str, room: int, columns: Columns) -> bool:
        """As ``Session.make``, but what is stopped is not lost.

        Raises:
            LabError: somebody else loads the same table now.
        """
        part = f"{table}_part"
        with told(self.where):
            ((mine,),) = self._rows("SELECT pg_try_advisory_lock(hashtextextended(%s, 2))", table)
            if not mine:
                raise LabError(f"{self.where} is being loaded with these vectors; wait for that")
            if self.holds(table, vectors):
                return False
            self._fill(part, vectors, columns)
            with self._alone(table):
                self._run(f"SET LOCAL maintenance_work_mem = '{min(room, memory() // 4) >> 10}kB'")
                self._tell("indexing", 0, len(vectors))
                self._run(f"DROP TABLE IF EXISTS {SCHEMA}.{table}")
                self._run(f"CREATE INDEX {table}_index ON {SCHEMA}.{part} {index}")
                for sort in indexed(columns):
                    self._run(f"CREATE INDEX ON {SCHEMA}.{part} {sort}")
                self._run(f"ALTER TABLE {SCHEMA}.{part} RENAME TO {table}")
                self._run(f"ANALYZE {SCHEMA}.{table}")
            self._tell("indexing", len(vectors), len(vectors))
            if not self.holds(table, vectors):
                raise LabError(f"{self.where} holds other vectors than were loaded; load again")
        return True

    def _fill(self, part: str, vectors: Vectors, columns: Columns) -> None:
        with self._alone(part):
            self._run(
                f"CREATE TABLE IF NOT EXISTS {SCHEMA}.{part} "
                f"(id int4, v vector({vectors.shape[1]}){declared(columns)})"
            )
            ((held,),) = self._rows(f"SELECT count(*) FROM {SCHEMA}.{part}")
        self._tell("loading", held, len(vectors))
        for start in range(held, len(vectors), PART):
            rows = slice(start, min(start + PART, len(vectors)))
            kept = {name: cut(each, rows.start, rows.stop) for name, each in columns.items()}
            copy = f"COPY {SCHEMA}.{part} FROM STDIN (FORMAT BINARY)"
            with self._alone(part), self._connection.cursor() as cursor, cursor.copy(copy) as sink:
                for piece in copied(vectors[rows], kept, start):
                    sink.write(piece)
            self._tell("loading", rows.stop, len(vectors))

    def _tell(self, what: str, done: int, total: int) -> None:
        self._heard(f"{what} into {self.where}", done, total)
