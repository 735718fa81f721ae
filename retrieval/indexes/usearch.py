"""HNSW by usearch, over whole vectors, over bfloat16 and over one byte a dimension."""

from __future__ import annotations

import importlib
import threading
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.errors import Damaged
from retrieval.indexes.base import Index, padded
from retrieval.indexes.faiss_base import array_read, straight
from retrieval.indexes.graph_knobs import graph_knobs
from retrieval.runtime import threads
from retrieval.types import Metric, Rows, Scores, Spec, Vectors

GRAPH, ORDER = "graph.npy", "order.npy"
HEAD = 8
"""Bytes of what usearch saves that stand before the vectors: how many, and how long each."""
KNOBS = graph_knobs(32, 64)


def spec(kind: str, note: str = "") -> Spec:
    """One index of the family by the type that its vectors are kept in."""
    return Spec(
        name=f"usearch-{kind}",
        title=f"usearch HNSW, {kind}",
        target="retrieval.indexes.usearch:Usearch",
        family="usearch",
        note=note,
        knobs=KNOBS,
        needs=("usearch",),
        install="pip install usearch",
        params=(("kind", kind),),
    )


SPECS = (
    spec("f32"),
    spec("bf16", "two bytes a dimension"),
    spec("i8", "one byte a dimension"),
)


@cache
def library() -> Any:
    """The module of indexes, imported by name: it need not be installed."""
    return importlib.import_module("usearch.index")


class Usearch(Index):
    """``usearch.Index`` by cosine.

    Its candidates are a setting of the engine and its scratch memory is one a thread of its own,
    so that searches take turns. What it saves holds its vectors: they are cut out where they are
    those given to ``load``, and stay where they are rounded.

    Rows are added shuffled, since a gallery in order of its labels makes a worse graph, and on
    one thread: of rows that are added at the same time some are never found again.
    """

    def __init__(self, spec: Spec, metric: Metric, **knobs: int) -> None:
        super().__init__(spec, metric, **knobs)
        self._engine: Any = None
        self._turn = threading.Lock()
        self._order: Rows = np.empty(0, dtype=np.int64)

    def nbytes(self) -> int:
        """Bytes of vectors and graph; its figure without the room that it keeps for more."""
        return int(self._engine.serialized_length) if self.count else 0

    def close(self) -> None:
        """Let go of the engine; twice is no harm."""
        super().close()
        self._engine = None

    def _build(self, vectors: Vectors) -> None:
        self._engine = None
        engine = self._empty()
        if self.count:
            rows = self._order = np.random.default_rng(0).permutation(self.count)
            engine.add(rows.astype(np.uint64), straight(vectors[rows]), threads=1)
        self._engine = engine

    def _search(self, queries: Vectors, k: int) -> tuple[Rows, Scores]:
        rows, scores = padded(len(queries), k)
        engine, most = self._engine, min(k, self.count)
        if engine is None or not most:  # closed by another thread a moment ago
            return rows, scores
        workers = 1 if len(queries) == 1 else threads.cores()
        with self._turn:
            engine.expansion_search = self.knobs["efSearch"]
            found = engine.search(straight(queries), most, threads=workers)
        if len(queries) == 1:
            rows[0, : len(found)], scores[0, : len(found)] = found.keys, 1 - found.distances
            return rows, scores
        held = np.arange(most) < found.counts[:, None]
        rows[:, :most] = np.where(held, found.keys, np.uint64(0)).astype(np.int64)
        rows[:, :most][~held] = -1
        scores[:, :most] = np.where(held, 1 - found.distances, -np.inf)
        return rows, scores

    def _empty(self) -> Any:
        return library().Index(
            ndim=self.width,
            metric="cos",
            dtype=self.spec.param("kind"),
            connectivity=self.knobs["M"],
            expansion_add=self.knobs["efConstruction"],
        )

    @property
    def _whole(self) -> bool:
        return bool(self.spec.param("kind") == "f32")

    def _save(self, folder: Path) -> None:
        if not self.count:
            return
        data = np.frombuffer(self._engine.save(), dtype=np.uint8)
        if self._whole:
            np.save(folder / ORDER, self._order)
            data = data[HEAD + 4 * self.count * self.width :]  # the vectors, as they were added
        np.save(folder / GRAPH, data)

    def _load(self, folder: Path, vectors: Vectors) -> None:
        self._engine = None
        try:
            self._engine = self._read(folder, vectors) if self.count else self._empty()
        finally:
            if self._engine is None:
                self.count = 0

    def _read(self, folder: Path, vectors: Vectors) -> Any:
        data = array_read(folder / GRAPH, np.uint8, (-1,))
        if self._whole:
            order = self._order = array_read(folder / ORDER, np.int64, (self.count,))
            if not np.array_equal(np.sort(order), np.arange(self.count)):
                raise Damaged(f"{ORDER} does not name each row once; build the index again")
            size = np.array([self.count, 4 * self.width], dtype=np.uint32)
            kept = straight(vectors[order]).reshape(-1)
            data = np.concatenate([size.view(np.uint8), kept.view(np.uint8), data])
        engine, empty = self._empty(), self._empty()
        try:
            engine.load(data.tobytes())
        except RuntimeError as error:
            raise Damaged(f"{GRAPH} is no index that usearch reads; build it again") from error
        held = (engine.ndim, len(engine), engine.dtype, engine.connectivity)
        wanted = (self.width, self.count, empty.dtype, empty.connectivity)
        if held != wanted:
            raise Damaged(
                f"{GRAPH} holds width, vectors, type and links of {held}, wanted {wanted}; "
                "build the index again"
            )
        return engine
