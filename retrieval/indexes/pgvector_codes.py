"""HNSW by pgvector over halves and over signs; what the walk finds is scored by whole vectors."""

from __future__ import annotations

import numpy as np

from retrieval.indexes import pgvector
from retrieval.indexes.pgcopy import Only, pack
from retrieval.indexes.pgvector import Hnsw
from retrieval.indexes.postgres import SCHEMA, Session
from retrieval.types import Knob, Rows, Scores, Spec, Vectors

MOST = 10_000
"""Rows that are scored again, at most; k where that is more."""
RERANK = Knob(
    name="rerank",
    low=1,
    high=32,
    default=8,
    when="query",
    unit="times k",
    help="Candidates by their signs, times k, that are scored again by their whole vectors.",
)


def _spec(name: str, title: str, target: str, *knobs: Knob) -> Spec:
    whole = pgvector.SPECS[0]
    return Spec(
        name=f"pgvector-{name}",
        title=f"pgvector HNSW, {title} (PostgreSQL)",
        target=f"retrieval.indexes.pgvector_codes:{target}",
        family=whole.family,
        knobs=(*whole.knobs, *knobs),
        filters=whole.filters,
        needs=whole.needs,
        install=whole.install,
    )


SPECS = (
    _spec("halfvec", "16 bits a number", "Halves"),
    _spec("bit", "1 bit a number", "Signs", RERANK),
)


class Coded(Hnsw):
    """An index over an expression of ``v``."""

    operators = ""

    def _code(self, vector: str) -> str:
        """A vector made small, in SQL."""
        raise NotImplementedError

    def _using(self) -> str:
        whole = super()._using()
        return whole.replace("(v vector_ip_ops)", f"(({self._code('v')}) {self.operators})")

    def _nearest(
        self, session: Session, query: Vectors, k: int, only: Only | None
    ) -> tuple[Rows, Scores]:
        if only is not None and only.few:
            return session.nearest(self._table, query, k, only)
        source, given = f"{SCHEMA}.{self._table}", []
        if only is not None:
            source, given = only.source(source), [only.value]
        wide = max(k, min(MOST, k * self.knobs.get(RERANK.name, 1)))
        found = session.rows(
            f"SELECT id, v <#> %s AS far FROM (SELECT id, v FROM {source} "
            f"ORDER BY {self._order('%s::vector')} LIMIT %s) AS near ORDER BY far LIMIT %s",
            *(pack(query), *given, pack(query), wide, k),
        )
        rows = np.array([row for row, _ in found], dtype=np.int64)
        return rows, np.array([-far for _, far in found], dtype=np.float32)


class Halves(Coded):
    """Half floats, compared by inner product."""

    operators = "halfvec_ip_ops"

    def _code(self, vector: str) -> str:
        return f"{vector}::halfvec({self.width})"

    def _order(self, query: str) -> str:
        return f"{self._code('v')} <#> {self._code(query)}"


class Signs(Coded):
    """A bit for each number, compared by how many differ."""

    operators = "bit_hamming_ops"

    def _code(self, vector: str) -> str:
        return f"binary_quantize({vector})::bit({self.width})"

    def _order(self, query: str) -> str:
        return f"{self._code('v')} <~> {self._code(query)}"
