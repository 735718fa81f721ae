"""FAISS over packed bits: every code, or a graph of them. Hamming distance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
from retrieval.indexes.topk import similarity
from retrieval.types import Metric, Scores, Spec, Vectors
from retrieval.where import Allowed

SPECS = (
    Spec(
        name="faiss-binary-flat",
        title="FAISS binary Flat",
        target="retrieval.indexes.faiss_binary:BinaryFlat",
        family="FAISS",
        metrics=(Metric.HAMMING,),
        note="exact",
        filters="rows",
        needs=NEEDS,
        install=INSTALL,
    ),
    Spec(
        name="faiss-binary-hnsw",
        title="FAISS binary HNSW",
        target="retrieval.indexes.faiss_binary:BinaryHnsw",
        family="FAISS",
        metrics=(Metric.HAMMING,),
        knobs=KNOBS,
        filters="rows",
        needs=NEEDS,
        install=INSTALL,
    ),
)


class Binary(FaissIndex):
    """Scores are the share of equal bits."""

    def _scores(self, values: NDArray[Any]) -> Scores:
        return similarity(values, 8 * self.width)


class BinaryFlat(Binary):
    """``faiss.IndexBinaryFlat``: the distance to all codes. Exact."""

    keeps = False

    def nbytes(self) -> int:
        """Bytes of FAISS's copy of the codes."""
        return self.count * self.width

    def _made(self, vectors: Vectors) -> Any:
        engine = library().IndexBinaryFlat(8 * self.width)
        engine.add(vectors)
        return engine

    def _packed(self, folder: Path) -> None:
        """Nothing besides the codes."""

    def _unpacked(self, folder: Path, vectors: Vectors) -> Any:
        return self._made(vectors)


class BinaryHnsw(Binary):
    """``faiss.IndexBinaryHNSW``.

    FAISS refuses to read such a graph without its codes, so the file holds them too (8 bytes
    beside about 140 of links); they must equal the vectors given to ``load``.
    """

    def nbytes(self) -> int:
        """Bytes of the codes and of the graph."""
        if self._engine is None:
            return 0
        return self.count * self.width + graph_bytes(self._engine.hnsw)

    def _params(self) -> Any:
        return search_params(self.knobs)

    def _limited(self, k: int, where: Allowed) -> tuple[Any, str] | None:
        return filtered_params(self.knobs, k, where)

    def _made(self, vectors: Vectors) -> Any:
        engine = library().IndexBinaryHNSW(8 * self.width, self.knobs["M"])
        engine.hnsw.efConstruction = self.knobs["efConstruction"]
        engine.add(vectors)
        return engine

    def _packed(self, folder: Path) -> None:
        library().serialize_index_binary(self._engine).tofile(folder / GRAPH)

    def _unpacked(self, folder: Path, vectors: Vectors) -> Any:
        faiss = library()
        engine = engine_read(folder / GRAPH, binary=True)
        if not isinstance(engine, faiss.IndexBinaryHNSW):
            raise Damaged(f"{GRAPH} is no graph of {self.spec.name}; build the index again")
        check_graph(engine, 8 * self.width, self.count)
        codes = faiss.vector_to_array(faiss.downcast_IndexBinary(engine.storage).xb)
        if not np.array_equal(codes, vectors.ravel()):
            raise Damaged(f"{GRAPH} was built from other codes; build the index again")
        return engine
