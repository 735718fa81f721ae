"""HNSW by hnswlib, the code of the paper's authors, in the build that comes as a wheel.

Malkov and Yashunin, Efficient and robust approximate nearest neighbor search using Hierarchical
Navigable Small World graphs, arXiv 1603.09320.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import Damaged
from retrieval.indexes.base import Filtered, Index, padded
from retrieval.indexes.beams import beam
from retrieval.indexes.faiss_base import array_read, straight
from retrieval.indexes.graph_knobs import graph_knobs
from retrieval.runtime import threads
from retrieval.types import Metric, Rows, Scores, Spec, Vectors
from retrieval.where import Allowed

Asks: TypeAlias = Callable[[int], bool]
"""Whether a row is allowed."""
LINKS, UPPER, LEVELS = "links.npy", "upper.npy", "levels.npy"
ROWS, ENTRY = "rows.npy", "entry.npy"
SPECS = (
    Spec(
        name="hnswlib",
        title="hnswlib HNSW (Chroma's build)",
        target="retrieval.indexes.hnswlib:Hnswlib",
        family="hnswlib",
        knobs=graph_knobs(32, 64),
        filters="rows",
        needs=("hnswlib",),
        install="pip install chroma-hnswlib",
    ),
)


@cache
def library() -> Any:
    """hnswlib, imported by name: it need not be installed."""
    return importlib.import_module("hnswlib")


class Hnswlib(Index):
    """``hnswlib.Index`` by inner product. Its candidates are a setting of the engine: in turns."""

    def __init__(self, spec: Spec, metric: Metric, **knobs: int) -> None:
        super().__init__(spec, metric, **knobs)
        self._engine: Any = None
        self._turn = threading.Lock()
        self._size = 0

    def nbytes(self) -> int:
        """Bytes of vectors, labels and links, from the engine's own state."""
        return self._size if self.count else 0

    def close(self) -> None:
        """Let go of the engine; twice is no harm."""
        super().close()
        self._engine = None

    def _build(self, vectors: Vectors) -> None:
        self._engine = None
        if not self.count:
            return
        engine = self._empty()
        engine.add_items(straight(vectors), np.arange(self.count), num_threads=threads.cores())
        self._hold(engine)

    def _hold(self, engine: Any) -> None:
        self._engine = engine
        arrays = (each for each in state(engine).values() if isinstance(each, np.ndarray))
        self._size = sum(each.nbytes for each in arrays)

    def _search(self, queries: Vectors, k: int) -> tuple[Rows, Scores]:
        return self._asked(queries, k, min(k, self.count))

    def _filtered(self, queries: Vectors, k: int, where: Allowed) -> Filtered | None:
        if beam(self.knobs["efSearch"], k, where) is None:
            return None
        asks = where.listed.__getitem__  # of each row that it meets; it goes on by itself
        return Filtered(*self._asked(queries, k, where.few(k), asks))

    def _asked(
        self, queries: Vectors, k: int, most: int, asks: Asks | None = None
    ) -> tuple[Rows, Scores]:
        rows, scores = padded(len(queries), k)
        engine = self._engine
        if engine is None:  # closed by another thread a moment ago
            return rows, scores
        queries = straight(queries)
        workers = 1 if len(queries) == 1 or asks else threads.cores()  # what asks is Python
        with self._turn:
            engine.set_ef(self.knobs["efSearch"])
            try:
                found, distances = engine.knn_query(queries, most, workers, asks)
            except RuntimeError:  # one of them reaches fewer than k
                for place, query in enumerate(queries):
                    found, distances = reached(engine, query, most, asks)
                    rows[place, : found.size], scores[place, : found.size] = found, 1 - distances
                return rows, scores
        rows[:, :most], scores[:, :most] = found, 1 - distances
        return rows, scores

    def _save(self, folder: Path) -> None:
        if not self.count:
            return
        held = state(self._engine)
        table = held["data_level0"].view(np.uint8).reshape(self.count, -1)
        links, labels = held["offset_data"], held["label_offset"]
        np.save(folder / LINKS, table[:, :links].copy().view(np.int32))
        np.save(folder / ROWS, table[:, labels:].copy().view(np.int64).ravel())
        np.save(folder / UPPER, held["link_lists"].view(np.int32))
        np.save(folder / LEVELS, held["element_levels"])
        entry = [self.width, held["enterpoint_node"], held["max_level"]]
        np.save(folder / ENTRY, np.array(entry, dtype=np.int64))

    def _load(self, folder: Path, vectors: Vectors) -> None:
        self._engine = None
        try:
            if self.count:
                self._hold(self._read(folder, straight(vectors)))
        finally:
            if self._engine is None:
                self.count = 0

    def _empty(self) -> Any:
        engine = library().Index("ip", self.width)
        engine.init_index(self.count, self.knobs["M"], self.knobs["efConstruction"])
        return engine

    def _read(self, folder: Path, vectors: Vectors) -> Any:
        held = state(self._empty())
        wide = held["size_links_per_element"] // 4
        shape = (self.count, held["offset_data"] // 4)
        links = array_read(folder / LINKS, np.int32, shape)
        rows = array_read(folder / ROWS, np.int64, (self.count,))
        levels = array_read(folder / LEVELS, np.int32, (self.count,))
        upper = array_read(folder / UPPER, np.int32, (-1,))
        width, entry, top = array_read(folder / ENTRY, np.int64, (3,)).tolist()
        if width != self.width:
            raise Damaged(f"{ENTRY} is for width {width}, not {self.width}; build the index again")
        if not np.array_equal(np.sort(rows), np.arange(self.count)):
            raise Damaged(f"{ROWS} does not name each row once; build the index again")
        whole = levels.min() >= 0 and levels.sum(dtype=np.int64) * wide == len(upper)
        if not whole or not (0 <= entry < self.count and levels[entry] == levels.max() == top):
            raise Damaged(f"{LEVELS}, {UPPER} and {ENTRY} disagree; build the index again")
        if not inside(links, self.count) or not inside(upper.reshape(-1, wide), self.count):
            raise Damaged(f"{LINKS} has links that lead outside its vectors; build the index again")
        parts = (links, vectors[rows], rows[:, None])
        table = np.concatenate([each.view(np.uint8) for each in parts], axis=1)
        return library().Index(
            {
                **held,
                "ep_added": True,
                "cur_element_count": self.count,
                "max_level": top,
                "enterpoint_node": entry,
                "data_level0": table.ravel().view(np.int8),
                "link_lists": upper.view(np.int8),
                "element_levels": levels,
                "label_lookup_external": rows.astype(np.uint64),
                "label_lookup_internal": np.arange(self.count, dtype=np.uint32),
            }
        )


def state(engine: Any) -> dict[str, Any]:
    """What the engine holds: numbers, and arrays by name."""
    held: dict[str, Any] = engine.__getstate__()[0]
    return held


def inside(links: NDArray[np.int32], count: int) -> bool:
    """Whether lists of links, each after its length (n, 1 + most), name only ``count`` vectors."""
    lengths = links[:, :1] & 0xFFFF  # above it stands whether the vector is deleted
    most = links.shape[1] - 1
    used = np.arange(most) < lengths
    return bool(
        (lengths <= most).all() and ((links[:, 1:] >= 0) & (links[:, 1:] < count))[used].all()
    )


def reached(engine: Any, query: Vectors, k: int, asks: Asks | None = None) -> tuple[Rows, Scores]:
    """The nearest rows of one query and their distances: as many of ``k`` as it reaches."""
    low, high = 0, k
    while low < high:
        middle = (low + high + 1) // 2
        try:
            engine.knn_query(query, middle, 1, asks)
            low = middle
        except RuntimeError:
            high = middle - 1
    if not low:  # not even one
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
    found, distances = engine.knn_query(query, low, 1, asks)
    return found[0], distances[0]
