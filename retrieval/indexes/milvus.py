"""HNSW and IVF_FLAT by Milvus Lite, the edition of Milvus that runs in process.

Since its third version it is Milvus's data model in Python over segments that FAISS indexes; it
looks at every row's number for each query, so that its time grows with the gallery.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.errors import LabError
from retrieval.indexes.archive import Archived, Found
from retrieval.runtime import threads
from retrieval.types import Knob, Spec, Vectors

COLLECTION, ROW, VECTOR = "gallery", "row", "vector"
PART = 10_000
"""Rows that are handed over at once."""
ROWS_A_LIST = 39
"""Rows for each centroid that is trained, at least."""
FAMILY, NEEDS, INSTALL = "Milvus", ("milvus_lite",), "pip install milvus-lite"
SPECS = (
    Spec(
        name="milvus-hnsw",
        title="Milvus Lite HNSW",
        target="retrieval.indexes.milvus:Milvus",
        family=FAMILY,
        note="Milvus in Python over FAISS",
        knobs=(
            Knob(
                name="ef",
                low=1,
                high=512,
                default=64,
                when="query",
                unit="candidates",
                help="Candidates kept while walking the graph; below k it counts as k.",
            ),
            Knob(
                name="M",
                low=4,
                high=64,
                default=16,
                when="build",
                unit="links",
                help="Links of a vector in each layer, twice as many in the lowest.",
            ),
            Knob(
                name="efConstruction",
                low=8,
                high=512,
                default=64,
                when="build",
                unit="candidates",
                help="Candidates kept while a vector's links are chosen.",
            ),
        ),
        needs=NEEDS,
        install=INSTALL,
        params=(("kind", "HNSW"),),
    ),
    Spec(
        name="milvus-ivf-flat",
        title="Milvus Lite IVF_FLAT",
        target="retrieval.indexes.milvus:Milvus",
        family=FAMILY,
        note="Milvus in Python over FAISS",
        knobs=(
            Knob(
                name="nprobe",
                low=1,
                high=256,
                default=6,
                when="query",
                unit="lists",
                help="Lists read for a query, nearest centroid first; more than all means all.",
            ),
            Knob(
                name="nlist",
                low=1,
                high=1024,
                default=64,
                when="build",
                unit="lists",
                help="Most lists that a segment is split into: one for each 39 vectors.",
            ),
        ),
        needs=NEEDS,
        install=INSTALL,
        params=(("kind", "IVF_FLAT"),),
    ),
)


@cache
def library() -> Any:
    """Milvus Lite, imported by name: it need not be installed."""
    return importlib.import_module("milvus_lite")


class Milvus(Archived):
    """A collection by inner product, loaded once all its segments have an index."""

    def _answers(self, engine: Any, queries: Vectors, k: int) -> Iterator[Found]:
        tuned = [each.name for each in self.spec.knobs if each.when == "query"]
        params = {name: self.knobs[name] for name in tuned}
        with threads.single() if len(queries) == 1 else threads.every_core():
            answers = engine[1].search(
                queries.tolist(), k, "IP", output_fields=[], search_params=params
            )
        for found in answers:
            yield [each["id"] for each in found], [each["distance"] for each in found]

    def _filled(self, folder: Path, vectors: Vectors) -> Any:
        milvus = library()
        kinds = milvus.DataType
        fields = [
            milvus.FieldSchema(name=ROW, dtype=kinds.INT64, is_primary=True),
            milvus.FieldSchema(name=VECTOR, dtype=kinds.FLOAT_VECTOR, dim=self.width),
        ]
        with milvus.MilvusLite(str(folder)) as database, threads.every_core():
            schema = milvus.CollectionSchema(fields=fields)
            collection = database.create_collection(COLLECTION, schema)
            collection.create_index(VECTOR, self._definition())
            for start in range(0, len(vectors), PART):
                part = enumerate(vectors[start : start + PART].tolist(), start)
                collection.insert([{ROW: row, VECTOR: vector} for row, vector in part])
            collection.flush()  # until then, and until close has waited, all rows are compared
        unindexed = segments(folder, "data/*.parquet") - segments(folder, "indexes/*.idx")
        if unindexed:
            raise LabError(f"{self.spec.title} left {len(unindexed)} segments without an index")
        return self._opened(folder)

    def _definition(self) -> dict[str, Any]:
        build = {
            each.name: self.knobs[each.name] for each in self.spec.knobs if each.when == "build"
        }
        if "nlist" in build:
            build["nlist"] = max(1, min(build["nlist"], self.count // ROWS_A_LIST))
        return {"index_type": self.spec.param("kind"), "metric_type": "IP", "params": build}

    def _opened(self, folder: Path) -> Any:
        database = library().MilvusLite(str(folder))
        try:
            collection = database.get_collection(COLLECTION)
            collection.load()
        except BaseException:
            database.close()
            raise
        return database, collection

    def _count(self, engine: Any) -> int:
        return int(engine[1].num_entities)

    def _sample(self, engine: Any, rows: list[int]) -> Vectors:
        found = {each[ROW]: each[VECTOR] for each in engine[1].get(rows, output_fields=[VECTOR])}
        return np.array([found[row] for row in rows], dtype=np.float32)

    def _let_go(self, engine: Any) -> None:
        engine[0].close()


def segments(folder: Path, pattern: str) -> set[str]:
    """The names of a collection's segments that have a file of a kind."""
    return {path.name.partition(".")[0] for path in folder.rglob(pattern)}
