"""HNSW by FAISS, over whole vectors and over one byte a dimension.

Malkov and Yashunin, Efficient and robust approximate nearest neighbor search using Hierarchical
Navigable Small World graphs, arXiv 1603.09320.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

from retrieval.errors import Damaged
from retrieval.indexes.faiss_base import INSTALL, NEEDS, FaissIndex, engine_read, library
from retrieval.indexes.faiss_graph import (
    GRAPH,
    KNOBS,
    check_graph,
    filtered_params,
    graph_bytes,
    search_params,
)
from retrieval.types import Spec, Vectors
from retrieval.where import Allowed

SPECS = (
    Spec(
        name="faiss-hnsw",
        title="FAISS HNSW",
        target="retrieval.indexes.faiss_hnsw:Hnsw",
        family="FAISS",
        knobs=KNOBS,
        filters="rows",
        needs=NEEDS,
        install=INSTALL,
    ),
    Spec(
        name="faiss-hnsw-sq8",
        title="FAISS HNSW over SQ8",
        target="retrieval.indexes.faiss_hnsw:HnswSq8",
        family="FAISS",
        note="one byte a dimension",
        knobs=KNOBS,
        filters="rows",
        needs=NEEDS,
        install=INSTALL,
    ),
)


class Graph(FaissIndex):
    """A graph over a storage, which a subclass makes; the file holds the graph alone."""

    def nbytes(self) -> int:
        """Bytes of the storage and of the graph."""
        if self._engine is None:
            return 0
        return self.count * self._bytes_each() + graph_bytes(self._engine.hnsw)

    def _params(self) -> Any:
        return search_params(self.knobs)

    def _limited(self, k: int, where: Allowed) -> tuple[Any, str] | None:
        return filtered_params(self.knobs, k, where)

    def _made(self, vectors: Vectors) -> Any:
        engine = self._empty()
        engine.hnsw.efConstruction = self.knobs["efConstruction"]
        engine.train(vectors)
        engine.add(vectors)
        return engine

    def _packed(self, folder: Path) -> None:
        faiss = library()
        data = faiss.serialize_index(self._engine, faiss.IO_FLAG_SKIP_STORAGE)
        data.tofile(folder / GRAPH)

    def _unpacked(self, folder: Path, vectors: Vectors) -> Any:
        engine = engine_read(folder / GRAPH, library().IO_FLAG_SKIP_STORAGE)
        empty = self._empty()
        if type(engine) is not type(empty) or engine.storage is not None:
            raise Damaged(f"{GRAPH} is no graph of {self.spec.name}; build the index again")
        check_graph(engine, self.width, self.count)
        storage = empty.storage
        storage.train(vectors)
        storage.add(vectors)
        empty.own_fields, engine.own_fields = False, True  # the storage changes its owner
        engine.storage = storage
        return engine

    @abstractmethod
    def _empty(self) -> Any: ...

    @abstractmethod
    def _bytes_each(self) -> int: ...


class Hnsw(Graph):
    """``faiss.IndexHNSWFlat`` by inner product."""

    def _empty(self) -> Any:
        faiss = library()
        return faiss.IndexHNSWFlat(self.width, self.knobs["M"], faiss.METRIC_INNER_PRODUCT)

    def _bytes_each(self) -> int:
        return 4 * self.width


class HnswSq8(Graph):
    """``faiss.IndexHNSWSQ`` by inner product: each dimension between its least and greatest."""

    def _empty(self) -> Any:
        faiss = library()
        kind = faiss.ScalarQuantizer.QT_8bit
        return faiss.IndexHNSWSQ(self.width, kind, self.knobs["M"], faiss.METRIC_INNER_PRODUCT)

    def _bytes_each(self) -> int:
        return self.width
