"""HNSW by FAISS over product-quantised and RaBitQ codes, its candidates compared again.

A walk keeps ``efSearch`` candidates by their codes; all of them are compared by their whole
vectors, so that one knob says both.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any

from retrieval.indexes.faiss_base import INSTALL, NEEDS, library
from retrieval.indexes.faiss_graph import (
    KNOBS,
    filtered_params,
    graph_bytes,
    search_params,
    sound,
)
from retrieval.indexes.faiss_pq import cut, sub_quantisers
from retrieval.indexes.faiss_refined import Refined, refined, rotated, times
from retrieval.runtime import threads
from retrieval.types import Knob, Scores, Spec, Vectors
from retrieval.where import Allowed

FINE, COARSE = 8, 4
"""Bits of a code of one sub-quantiser; the fewer where there are too few vectors to train."""
WIDE = (
    replace(
        KNOBS[0],
        default=64,
        help="Candidates kept while walking the graph, then compared by their whole vectors.",
    ),
    *KNOBS[1:],
)
SPECS = (
    Spec(
        name="faiss-hnsw-pq",
        title="FAISS HNSW over PQ, refined",
        target="retrieval.indexes.faiss_hnsw_codes:HnswPq",
        family="FAISS",
        note=f"needs {2**COARSE} vectors or more",
        knobs=(
            *WIDE,
            cut("8 bits each; must divide its dimensions"),
        ),
        filters="rows",
        needs=NEEDS,
        install=INSTALL,
    ),
    Spec(
        name="faiss-hnsw-rabitq",
        title="FAISS HNSW over RaBitQ, refined",
        target="retrieval.indexes.faiss_hnsw_codes:HnswRaBitQ",
        family="FAISS",
        knobs=(
            *WIDE,
            Knob(
                name="bits",
                low=1,
                high=4,
                default=1,
                when="build",
                unit="bits",
                help="Bits of a code for each dimension.",
            ),
        ),
        filters="rows",
        needs=NEEDS,
        install=INSTALL,
    ),
)


class GraphOfCodes(Refined):
    """A graph by Euclidean distance: FAISS has no distance between two codes but this one."""

    def _params(self) -> Any:
        return (0, 0), None

    def _asked(self, k: int, held: int) -> Any:
        most = min(max(self.knobs["efSearch"], k), held)
        made, params = self._prepared
        if made != (most, k):
            params = refined(times(most, k), self._walk(search_params({"efSearch": most})))
            self._prepared = (most, k), params  # the next search is for as many, most often
        return params

    def _limited(self, k: int, where: Allowed) -> tuple[Any, str] | None:
        found = filtered_params(self.knobs, k, where)
        if found is None:
            return None
        params, how = found
        again = min(max(self.knobs["efSearch"], k), len(where.rows))
        return refined(times(again, k), self._walk(params)), how

    def _walk(self, params: Any) -> Any:
        return params

    def _scores(self, values: Any) -> Scores:
        scores: Scores = 1 - values / 2
        return scores

    def _train(self, engine: Any, vectors: Vectors) -> None:
        self._graph(engine).hnsw.efConstruction = self.knobs["efConstruction"]
        with threads.single():  # many tiny k-means: two threads wait for each other
            engine.train(vectors)

    def _graph(self, engine: Any) -> Any:
        return engine

    def _bytes_coded(self, engine: Any) -> int:
        graph = self._graph(engine)
        storage = library().downcast_index(graph.storage)
        return graph_bytes(graph.hnsw) + int(storage.codes.size()) + self._bytes_trained(storage)

    def _shape(self, engine: Any) -> tuple[Any, ...]:
        graph = self._graph(engine)
        links = graph.hnsw.nb_neighbors(1) if hasattr(graph, "hnsw") else 0
        size = graph.storage.sa_code_size() if links else 0
        return type(graph).__name__, engine.d, links, size

    def _sound(self, engine: Any) -> bool:
        graph = self._graph(engine)
        return graph.storage.ntotal == self.count and sound(graph.hnsw, self.count)

    @abstractmethod
    def _bytes_trained(self, storage: Any) -> int: ...


class HnswPq(GraphOfCodes):
    """``HNSWx_PQm,RFlat``."""

    def _empty(self) -> Any:
        faiss, parts = library(), sub_quantisers(self, COARSE, "faiss-hnsw")
        bits = FINE if self.count >= 2**FINE else COARSE
        engine = faiss.IndexHNSWPQ(self.width, parts, self.knobs["M"], bits, faiss.METRIC_L2)
        faiss.downcast_index(engine.storage).pq.cp.min_points_per_centroid = 1
        return engine

    def _bytes_trained(self, storage: Any) -> int:
        return 4 * int(storage.pq.centroids.size() + storage.pq.sdc_table.size())


class HnswRaBitQ(GraphOfCodes):
    """``HR,HNSWx_RaBitQ,RFlat``."""

    def _walk(self, params: Any) -> Any:
        return rotated(params)

    def _graph(self, engine: Any) -> Any:
        return library().downcast_index(engine.index) if hasattr(engine, "chain") else engine

    def _empty(self) -> Any:
        faiss, knobs = library(), self.knobs
        rotation = faiss.HadamardRotation(self.width)
        engine = faiss.IndexHNSWRaBitQ(rotation.d_out, knobs["M"], knobs["bits"], faiss.METRIC_L2)
        return faiss.IndexPreTransform(rotation, engine)

    def _bytes_trained(self, storage: Any) -> int:
        return 4 * int(storage.center.size())
