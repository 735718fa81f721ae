"""NSG by FAISS: a graph with one way in, of which few links are kept.

Fu, Xiang, Wang and Cai, Fast approximate nearest neighbor search with the navigating
spreading-out graph, PVLDB 12(5), 2019.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import BadVectors, Damaged
from retrieval.indexes.faiss_base import INSTALL, NEEDS, FaissIndex, array_read, library
from retrieval.types import Knob, Scores, Spec, Vectors

FEWEST = 10
"""FAISS takes any graph of fewer rows for a broken one."""
WHOLE = 50_000
"""Rows up to which the neighbours to start from are exact; beyond, NN-descent finds them."""
NEIGHBOURS = 64
"""Neighbours of a row that the graph is made from."""
JITTER = 1e-4
"""Deviation by which coordinates are shaken while the graph is made, and only then.

Among rows equally far from each other (copies above all) no link is longer than another, so that
none is left out. Once all rows have ``R`` of them, FAISS looks for a free one and never ends.
"""
GRAPH = "graph.npy"
SPECS = (
    Spec(
        name="faiss-nsg",
        title="FAISS NSG",
        target="retrieval.indexes.faiss_nsg:Nsg",
        family="FAISS",
        note=f"needs {FEWEST} vectors or more",
        knobs=(
            Knob(
                name="search_L",
                low=1,
                high=512,
                default=32,
                when="query",
                unit="candidates",
                help="Candidates kept while walking the graph; below k it counts as k.",
            ),
            Knob(
                name="R",
                low=24,
                high=64,
                default=32,
                when="build",
                unit="links",
                help="Most links of a vector.",
            ),
        ),
        needs=NEEDS,
        install=INSTALL,
    ),
)


class Nsg(FaissIndex):
    """``faiss.IndexNSGFlat`` by Euclidean distance: for rows of length 1 the order of cosines."""

    @property
    def links(self) -> int:
        """Most links of a vector."""
        return self.knobs["R"]

    def nbytes(self) -> int:
        """Bytes of the vectors and of the graph's table of links (int32)."""
        return self.count * 4 * (self.width + self.links)

    def _scores(self, values: NDArray[Any]) -> Scores:
        scores: Scores = np.subtract(1, values / 2, dtype=np.float32)
        return scores

    def _asked(self, k: int, held: int) -> Any:
        """FAISS reads ``search_L`` from the engine, once, when a search begins.

        More than the rows there are would make it draw new ones for ever.
        """
        engine = self._engine
        if engine is not None:  # closed by another thread a moment ago
            engine.nsg.search_L = min(self.knobs["search_L"], held)

    def _made(self, vectors: Vectors) -> Any:
        if self.count < FEWEST:
            raise BadVectors(
                f"{self.spec.name} needs {FEWEST} vectors to link, got {self.count}; "
                "take exact or faiss-hnsw"
            )
        faiss = library()
        engine = faiss.IndexNSGFlat(self.width, self.links, faiss.METRIC_L2)
        engine.nsg.L = min(self.links + 32, self.count)
        engine.nsg.C = engine.nsg.L + 100
        shaken = vectors + JITTER * noise(vectors.shape)
        if self.count > WHOLE:
            engine.build_type = 1
            engine.add(shaken)
        else:
            engine.build(shaken, neighbours(shaken, min(NEIGHBOURS, self.count - 1)))
        engine.storage.reset()
        engine.storage.add(vectors)
        return engine

    def _packed(self, folder: Path) -> None:
        data = library().serialize_index(self._engine)
        np.save(folder / GRAPH, data[: -4 * self.count * self.width])  # it ends with the vectors

    def _unpacked(self, folder: Path, vectors: Vectors) -> Any:
        faiss = library()
        head = array_read(folder / GRAPH, np.uint8, (-1,))
        try:
            engine = faiss.deserialize_index(np.append(head, vectors.ravel().view(np.uint8)))
        except RuntimeError as error:
            raise Damaged(f"{GRAPH} is no graph of these vectors; build it again") from error
        if not isinstance(engine, faiss.IndexNSGFlat):
            raise Damaged(f"{GRAPH} is no graph of {self.spec.name}; build it again")
        held = (engine.d, engine.ntotal, engine.nsg.R)
        wanted = (self.width, self.count, self.links)
        if held != wanted or not sound(engine.nsg, self.count):
            raise Damaged(
                f"{GRAPH} holds width, vectors and links of {held}, wanted {wanted}, "
                "or links that lead outside them; build it again"
            )
        return engine


def noise(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The same normal numbers every time."""
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def neighbours(vectors: Vectors, count: int) -> NDArray[np.int64]:
    """The nearest other rows of each row, (n, count), nearest first."""
    faiss = library()
    _, rows = faiss.knn(vectors, vectors, count + 1, metric=faiss.METRIC_INNER_PRODUCT)
    own = rows == np.arange(len(vectors))[:, None]
    own[~own.any(axis=1), -1] = True  # it stands behind its copies: the last one gives way
    return np.ascontiguousarray(rows[~own].reshape(len(vectors), count))


def sound(nsg: Any, count: int) -> bool:
    """Whether every link and the entry point lead to one of ``count`` vectors."""
    graph = nsg.get_final_graph()
    links = library().rev_swig_ptr(graph.data, graph.N * graph.K)
    return bool(
        graph.N == count
        and links.min() >= -1
        and links.max() < count
        and 0 <= nsg.enterpoint < count
    )
