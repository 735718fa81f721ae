"""IVF_PQ and HNSW_SQ by LanceDB: columns on disk, searched where they lie."""

from __future__ import annotations

import importlib
from abc import abstractmethod
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.errors import BadKnob, BadVectors, LabError
from retrieval.indexes.archive import Archived, Chosen, Found
from retrieval.indexes.beams import beam
from retrieval.types import Knob, Spec, Vectors
from retrieval.where import Allowed, Several

TABLE, ROW, VECTOR, FAR = "gallery", "row", "vector", "_distance"
ROWS_A_LIST, SAMPLED = 39, 256
"""Rows for each centroid that is trained: at least, and as many as LanceDB takes by itself."""
KEPT, EXACT = "kept_", "exact"
"""Before the name of a gallery's column; set where all rows that a filter allows are compared."""
WALKED = 64
"""Candidates that a search of partitions counts as, where it is weighed against all rows."""
FEWEST = 16
"""Rows that codes of 4 bits are trained from."""
FAMILY, NEEDS, INSTALL = "LanceDB", ("lancedb",), "pip install lancedb"
SPECS = (
    Spec(
        name="lancedb-ivf-pq",
        title="LanceDB IVF_PQ",
        target="retrieval.indexes.lancedb:IvfPq",
        family=FAMILY,
        note="on disk",
        knobs=(
            Knob(
                name="nprobe",
                low=1,
                high=256,
                default=6,
                when="query",
                unit="partitions",
                help="Partitions read for a query, nearest first; more than there are means all.",
            ),
            Knob(
                name="refine_factor",
                low=1,
                high=256,
                default=8,
                when="query",
                unit="x k",
                help="How many times k candidates are compared again by their whole vectors.",
            ),
            Knob(
                name="num_partitions",
                low=1,
                high=1024,
                default=64,
                when="build",
                unit="partitions",
                help="Most parts that the vectors are split into: one for each 39, at least 1.",
            ),
            Knob(
                name="num_sub_vectors",
                low=4,
                high=64,
                default=16,
                when="build",
                scale="log2",
                unit="parts",
                help="Parts that a vector is cut into, 8 bits each, 4 below 256 vectors.",
            ),
        ),
        filters="columns",
        needs=NEEDS,
        install=INSTALL,
    ),
    Spec(
        name="lancedb-hnsw-sq",
        title="LanceDB HNSW_SQ",
        target="retrieval.indexes.lancedb:HnswSq",
        family=FAMILY,
        note="on disk",
        knobs=(
            Knob(
                name="ef",
                low=1,
                high=512,
                default=64,
                when="query",
                unit="candidates",
                help="Candidates kept while walking the graph, all compared again as whole "
                "vectors; below k it counts as k.",
            ),
            Knob(
                name="m",
                low=4,
                high=64,
                default=20,
                when="build",
                unit="links",
                help="Links of a vector in each layer.",
            ),
            Knob(
                name="ef_construction",
                low=8,
                high=512,
                default=64,
                when="build",
                unit="candidates",
                help="Candidates kept while a vector's links are chosen; below m it counts as m.",
            ),
        ),
        filters="columns",
        needs=NEEDS,
        install=INSTALL,
    ),
)


@cache
def library() -> Any:
    """LanceDB, imported by name: it need not be installed."""
    return importlib.import_module("lancedb")


class LanceDb(Archived):
    """A table with one index, by inner product. LanceDB has threads of its own for a query.

    A subclass writes ``_definition`` (of the index) and ``_tuned`` (a search's knobs).
    """

    def _answers(
        self, engine: Any, queries: Vectors, k: int, chosen: Chosen | None
    ) -> Iterator[Found]:
        for query in queries:
            asked = engine.search(query, vector_column_name=VECTOR).distance_type("dot")
            if chosen is not None:
                asked = asked.where(predicate(chosen), prefilter=True)
            if chosen is not None and EXACT in chosen.knobs:
                asked = asked.bypass_vector_index()
            found = self._tuned(asked, k).limit(k).select([ROW, FAR]).to_arrow()
            yield found.column(ROW).to_numpy(), 1 - found.column(FAR).to_numpy()

    def _filled(self, folder: Path, vectors: Vectors) -> Any:
        import pyarrow as pa  # type: ignore[import-untyped]

        column = pa.FixedSizeListArray.from_arrays(vectors.ravel(), self.width)
        texts = pa.list_(pa.string())
        kept = {
            KEPT + name: pa.array(each, texts) if isinstance(each, Several) else each
            for name, each in (self._columns or {}).items()
        }
        data = pa.table({ROW: np.arange(self.count), VECTOR: column, **kept})
        index = self._definition()  # refuses before anything is written
        engine = library().connect(str(folder)).create_table(TABLE, data)
        engine.create_index(VECTOR, config=index)
        (named,) = engine.list_indices()
        left = engine.index_stats(named.name).num_unindexed_rows
        if left:
            raise LabError(f"{self.spec.title} left {left} of {self.count} rows without an index")
        return engine

    def _opened(self, folder: Path) -> Any:
        return library().connect(str(folder)).open_table(TABLE)

    def _count(self, engine: Any) -> int:
        return int(engine.count_rows())

    def _sample(self, engine: Any, rows: list[int]) -> Vectors:
        wanted = f"{ROW} IN ({', '.join(str(row) for row in rows)})"
        found = engine.search().where(wanted).limit(len(rows)).to_arrow().sort_by(ROW)
        flat = found.column(VECTOR).combine_chunks().flatten().to_numpy()
        vectors: Vectors = flat.reshape(-1, self.width)
        return vectors

    def _planned(self, k: int, where: Allowed) -> tuple[dict[str, int], str] | None:
        if beam(self.knobs.get("ef", WALKED), k, where) is None:
            few = f"exact in the engine over the {len(where.rows):,} allowed"
            return {**self.knobs, EXACT: 1}, few
        return self.knobs, ""

    @abstractmethod
    def _definition(self) -> Any: ...

    @abstractmethod
    def _tuned(self, asked: Any, k: int) -> Any: ...


class IvfPq(LanceDb):
    """Codes in partitions; the best are compared again."""

    def _definition(self) -> Any:
        parts = self.knobs["num_sub_vectors"]
        if self.width % parts:
            raise BadKnob(
                f"num_sub_vectors is {parts}; it must divide the vectors' {self.width} "
                "dimensions: take fewer, or lancedb-hnsw-sq"
            )
        if self.count < FEWEST:
            raise BadVectors(
                f"{self.spec.name} needs {FEWEST} vectors to train, got {self.count}; "
                "take exact or lancedb-hnsw-sq"
            )
        lists = max(1, min(self.knobs["num_partitions"], self.count // ROWS_A_LIST))
        return library().index.IvfPq(
            distance_type="dot",
            num_partitions=lists,
            num_sub_vectors=parts,
            num_bits=8 if self.count >= 2**8 else 4,
            sample_rate=max(ROWS_A_LIST, min(SAMPLED, self.count // lists)),
        )

    def _tuned(self, asked: Any, k: int) -> Any:
        return asked.nprobes(self.knobs["nprobe"]).refine_factor(self.knobs["refine_factor"])


class HnswSq(LanceDb):
    """One graph over vectors of one byte a dimension."""

    def _definition(self) -> Any:
        return library().index.HnswSq(
            distance_type="dot",
            num_partitions=1,
            m=self.knobs["m"],
            ef_construction=max(self.knobs["ef_construction"], self.knobs["m"]),  # refuses fewer
        )

    def _tuned(self, asked: Any, k: int) -> Any:
        factor = max(1, self.knobs["ef"] // k)
        kept = max(self.knobs["ef"], factor * k)  # it refuses fewer than are compared again
        return asked.nprobes(1).ef(kept).refine_factor(factor)


def predicate(chosen: Chosen) -> str:
    """A filter as SQL."""
    where = chosen.where
    if where.sign != "=":
        return f"{KEPT}{where.column} {where.sign} {where.bound}"
    wanted = ", ".join(map(literal, chosen.wanted))
    if isinstance(chosen.column, Several):
        return f"array_has_any({KEPT}{where.column}, make_array({wanted}))"
    return f"{KEPT}{where.column} IN ({wanted})"


def literal(value: str | int) -> str:
    """A value in SQL."""
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"
