"""HNSW and IVF_FLAT by Milvus Lite, the edition of Milvus that runs in process.

Since its third version it is Milvus's data model in Python over segments that FAISS indexes; it
looks at every row's number for each query, so that its time grows with the gallery.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.errors import LabError
from retrieval.indexes.archive import Archived, Chosen, Found
from retrieval.indexes.beams import beam, told
from retrieval.indexes.graph_knobs import graph_knobs
from retrieval.runtime import threads
from retrieval.types import Knob, Spec, Vectors
from retrieval.where import Allowed, Column, Several, value

COLLECTION, ROW, VECTOR = "gallery", "row", "vector"
KEPT, LONGEST = "kept_", 65_535
"""Before the name of a gallery's column; bytes of its longest value."""
PART = 10_000
"""Rows that are handed over at once."""
ROWS_A_LIST = 39
"""Rows for each centroid that is trained, at least."""
FAMILY, NEEDS, INSTALL = "Milvus", ("milvus_lite",), "pip install milvus-lite"
_GRAPH_AND_LISTS = (
    Spec(
        name="milvus-hnsw",
        title="Milvus Lite HNSW",
        target="retrieval.indexes.milvus:Milvus",
        family=FAMILY,
        note="Milvus in Python over FAISS",
        knobs=graph_knobs(64, 64, ("ef", "M", "efConstruction")),
        filters="columns",
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
        filters="columns",
        needs=NEEDS,
        install=INSTALL,
        params=(("kind", "IVF_FLAT"),),
    ),
)
SPECS = (
    *_GRAPH_AND_LISTS,
    replace(
        _GRAPH_AND_LISTS[1],
        name="milvus-ivf-sq8",
        title="Milvus Lite IVF_SQ8",
        params=(("kind", "IVF_SQ8"),),
    ),
    replace(
        _GRAPH_AND_LISTS[1],
        name="milvus-flat",
        title="Milvus Lite FLAT",
        note="Milvus in Python over numpy",
        knobs=(),
        params=(("kind", "FLAT"),),
    ),
)


@cache
def library() -> Any:
    """Milvus Lite, imported by name: it need not be installed."""
    return importlib.import_module("milvus_lite")


class Milvus(Archived):
    """A collection by inner product, loaded once all its segments have an index."""

    def _answers(
        self, engine: Any, queries: Vectors, k: int, chosen: Chosen | None
    ) -> Iterator[Found]:
        params = settings(self.spec, chosen.knobs if chosen else self.knobs, "query")
        only = expression(chosen) if chosen else None
        with threads.single() if len(queries) == 1 else threads.every_core():
            answers = engine[1].search(
                queries.tolist(), k, "IP", expr=only, output_fields=[], search_params=params
            )
        for found in answers:
            yield [each["id"] for each in found], [each["distance"] for each in found]

    def _planned(self, k: int, where: Allowed) -> tuple[dict[str, int], str] | None:
        return planned(self.knobs, self.count, k, where)

    def _filled(self, folder: Path, vectors: Vectors) -> Any:
        milvus = library()
        kinds, columns = milvus.DataType, self._columns or {}
        fields = [
            milvus.FieldSchema(name=ROW, dtype=kinds.INT64, is_primary=True),
            milvus.FieldSchema(name=VECTOR, dtype=kinds.FLOAT_VECTOR, dim=self.width),
        ]
        fields += [
            milvus.FieldSchema(name=KEPT + name, **field(column, kinds))
            for name, column in columns.items()
        ]
        with milvus.MilvusLite(str(folder)) as database, threads.every_core():
            schema = milvus.CollectionSchema(fields=fields)
            collection = database.create_collection(COLLECTION, schema)
            collection.create_index(VECTOR, definition(self.spec, self.knobs, self.count))
            for start in range(0, len(vectors), PART):
                part = enumerate(vectors[start : start + PART].tolist(), start)
                collection.insert(
                    [{ROW: row, VECTOR: vector, **self._kept(row)} for row, vector in part]
                )
            collection.flush()  # until then, and until close has waited, all rows are compared
        unindexed = segments(folder, "data/*.parquet") - segments(folder, "indexes/*.idx")
        if unindexed:
            raise LabError(f"{self.spec.title} left {len(unindexed)} segments without an index")
        return self._opened(folder)

    def _kept(self, row: int) -> dict[str, Any]:
        columns = (self._columns or {}).items()
        return {KEPT + name: value(column, row) for name, column in columns}

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


def settings(spec: Spec, knobs: dict[str, int], when: str) -> dict[str, int]:
    """The knobs of a search, or of a build."""
    return {each.name: knobs[each.name] for each in spec.knobs if each.when == when}


def lists(knobs: dict[str, int], count: int) -> int:
    """Lists that ``count`` rows are split into: no more than can be trained."""
    return max(1, min(knobs["nlist"], count // ROWS_A_LIST))


def definition(spec: Spec, knobs: dict[str, int], count: int) -> dict[str, Any]:
    """An index over ``count`` rows, as Milvus takes it."""
    build = settings(spec, knobs, "build")
    if "nlist" in build:
        build["nlist"] = lists(knobs, count)
    return {"index_type": spec.param("kind"), "metric_type": "IP", "params": build}


def planned(
    knobs: dict[str, int], count: int, k: int, where: Allowed
) -> tuple[dict[str, int], str] | None:
    """Knobs of a filtered search, and what is other about it.

    None where comparing the rows that are allowed is cheaper.
    """
    if "nprobe" in knobs:
        usual = knobs["nprobe"]
        read = min(lists(knobs, count), math.ceil(usual / where.share))
        how = f"{read:,} lists instead of {usual:,}" if read > usual else ""
        return {**knobs, "nprobe": max(read, usual)}, how
    if "ef" not in knobs:  # all rows are compared
        return knobs, ""
    wide = beam(knobs["ef"], k, where)
    return None if wide is None else ({**knobs, "ef": wide}, told(wide, knobs["ef"]))


def expression(chosen: Chosen) -> str:
    """A filter as Milvus takes it."""
    where = chosen.where
    if where.sign != "=":
        return f"{KEPT}{where.column} {where.sign} {where.bound}"
    wanted = f"[{', '.join(map(literal, chosen.wanted))}]"
    if isinstance(chosen.column, Several):
        return f"array_contains_any({KEPT}{where.column}, {wanted})"
    return f"{KEPT}{where.column} in {wanted}"


def field(column: Column, kinds: Any) -> dict[str, Any]:
    """How a column is declared, in the words of Milvus's own kinds."""
    if isinstance(column, np.ndarray):
        return {"dtype": kinds.INT64}
    if isinstance(column, Several):
        texts = {"element_type": kinds.VARCHAR, "max_capacity": column.most}
        return {"dtype": kinds.ARRAY, "max_length": LONGEST, **texts}
    return {"dtype": kinds.VARCHAR, "max_length": LONGEST}


_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r"})


def literal(value: str | int) -> str:
    """A value in an expression of Milvus."""
    if isinstance(value, int):
        return str(value)
    return '"' + value.translate(_ESCAPED) + '"'


def segments(folder: Path, pattern: str) -> set[str]:
    """The names of a collection's segments that have a file of a kind."""
    return {path.name.partition(".")[0] for path in folder.rglob(pattern)}
