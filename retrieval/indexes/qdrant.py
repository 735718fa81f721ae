"""HNSW by Qdrant: ``qdrant-edge``, the engine of the server in process."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.errors import LabError
from retrieval.indexes.archive import Archived, Chosen, Found
from retrieval.indexes.beams import beam
from retrieval.indexes.graph_knobs import graph_knobs
from retrieval.runtime import threads
from retrieval.types import Spec, Vectors
from retrieval.where import Allowed, Column, value

PART = 10_000
"""Points that are handed over at once."""
EXACT = "exact"
"""Set where all points that a filter allows are compared."""
INDEXED_FROM = 1
"""Kilobytes of vectors from which on they get a graph; below, all are compared."""
SPECS = (
    Spec(
        name="qdrant-hnsw",
        title="Qdrant HNSW (in process)",
        target="retrieval.indexes.qdrant:Hnsw",
        family="Qdrant",
        knobs=graph_knobs(64, 100, ("hnsw_ef", "m", "ef_construct")),
        filters="columns",
        needs=("qdrant_edge",),
        install="pip install qdrant-edge-py",
    ),
)


@cache
def library() -> Any:
    """The engine's module, imported by name: it need not be installed."""
    return importlib.import_module("qdrant_edge")


class Hnsw(Archived):
    """``EdgeShard`` by inner product, one segment, one thread a query."""

    def _answers(
        self, engine: Any, queries: Vectors, k: int, chosen: Chosen | None
    ) -> Iterator[Found]:
        qdrant = library()
        knobs = chosen.knobs if chosen else self.knobs
        params = self._params(knobs)
        only = condition(chosen) if chosen else None
        for query in queries.tolist():
            near = qdrant.Query.Nearest(query)
            found = engine.query(
                qdrant.QueryRequest(limit=k, query=near, params=params, filter=only)
            )
            yield [point.id for point in found], [point.score for point in found]

    def _params(self, knobs: dict[str, int]) -> Any:
        return library().SearchParams(hnsw_ef=knobs["hnsw_ef"], exact=EXACT in knobs)

    def _codes(self) -> Any:
        """How vectors are made small for the walk; none where they are not."""
        return None

    def _planned(self, k: int, where: Allowed) -> tuple[dict[str, int], str] | None:
        if beam(self.knobs["hnsw_ef"], k, where) is None:
            few = f"exact in the engine over the {len(where.rows):,} allowed"
            return {**self.knobs, EXACT: 1}, few
        return self.knobs, ""

    def _filled(self, folder: Path, vectors: Vectors) -> Any:
        qdrant = library()
        engine = qdrant.EdgeShard.create(str(folder), self._config())
        for start in range(0, len(vectors), PART):
            part = enumerate(vectors[start : start + PART].tolist(), start)
            points = [qdrant.Point(row, vector, self._payload(row)) for row, vector in part]
            engine.update(qdrant.UpdateOperation.upsert_points(points))
        for name, column in (self._columns or {}).items():
            make = qdrant.UpdateOperation.create_field_index
            engine.update(make(name, kind(column)))
        engine.optimize()
        engine.flush()
        held = engine.info()
        if held.indexed_vectors_count < self.count and vectors.nbytes > INDEXED_FROM << 10:
            raise LabError(
                f"{self.spec.title} has a graph of {held.indexed_vectors_count} of {self.count} "
                "vectors; take another index"
            )
        return engine

    def _payload(self, row: int) -> dict[str, Any]:
        columns = (self._columns or {}).items()
        return {name: value(column, row) for name, column in columns}

    def _config(self) -> Any:
        qdrant = library()
        return qdrant.EdgeConfig(
            vectors=qdrant.EdgeVectorParams(size=self.width, distance=qdrant.Distance.Dot),
            hnsw_config=qdrant.HnswIndexConfig(
                m=self.knobs["m"],
                ef_construct=self.knobs["ef_construct"],
                full_scan_threshold=0,  # it would compare all of a small gallery
                max_indexing_threads=threads.cores(),
            ),
            quantization_config=self._codes(),
            optimizers=qdrant.EdgeOptimizersConfig(
                default_segment_number=1,
                indexing_threshold=INDEXED_FROM,
                max_segment_size=1 << 40,
            ),
            max_search_threads=1,
            wal_enabled=False,  # it is whole once it is flushed, and nothing changes it then
        )

    def _opened(self, folder: Path) -> Any:
        return library().EdgeShard.load(str(folder), self._config())

    def _count(self, engine: Any) -> int:
        return int(engine.info().points_count)

    def _sample(self, engine: Any, rows: list[int]) -> Vectors:
        found = {each.id: each.vector for each in engine.retrieve(rows, False, True)}
        return np.array([found[row] for row in rows], dtype=np.float32)


def kind(column: Column) -> Any:
    """How a column is indexed: by its words, or by its numbers."""
    types = library().PayloadSchemaType
    return types.Integer if isinstance(column, np.ndarray) else types.Keyword


def condition(chosen: Chosen) -> Any:
    """A filter as Qdrant takes it."""
    qdrant, where = library(), chosen.where
    if where.sign == "=":
        match = qdrant.MatchAny(chosen.wanted)
        return qdrant.Filter(must=[qdrant.FieldCondition(where.column, match=match)])
    named = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}[where.sign]
    bound = qdrant.RangeFloat(**{named: where.bound})
    return qdrant.Filter(must=[qdrant.FieldCondition(where.column, range=bound)])
