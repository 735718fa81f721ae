"""ScaNN: a tree of lists, codes that keep what decides an inner product, the best compared again.

Guo, Sun, Lindgren, Geng, Simcha, Chern and Kumar, Accelerating large-scale inference with
anisotropic vector quantization, arXiv 1908.10396.
"""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.errors import BadVectors, Damaged
from retrieval.indexes.base import Index, padded
from retrieval.indexes.faiss_base import array_read, straight
from retrieval.indexes.faiss_lists import NLIST, ROWS_A_LIST, nprobe
from retrieval.indexes.faiss_refined import k_factor
from retrieval.runtime import threads
from retrieval.runtime.working import Working
from retrieval.types import Metric, Rows, Scores, Spec, Vectors

FEWEST = 16
"""Centroids of a block of dimensions: it takes as many vectors to train them."""
BLOCK = 2
"""Dimensions of a block, whose code has 4 bits."""
THRESHOLD = 0.2
"""Cosine from which on an error along the vector weighs more than one across it."""
ASSETS = {
    "AH_CENTERS": "ah_codebook.pb",
    "PARTITIONER": "serialized_partitioner.pb",
    "TOKENIZATION_NPY": "datapoint_to_token.npy",
    "AH_DATASET_NPY": "hashed_dataset.npy",
    "DATASET_NPY": "dataset.npy",
}
"""What a saved searcher is made of, by the names that ScaNN gives; the last are the vectors."""
CONFIG, LIST, VECTORS = "scann_config.pb", "scann_assets.pbtxt", ASSETS["DATASET_NPY"]
KEPT = (CONFIG, *(name for name in ASSETS.values() if name != VECTORS))
SHAPE = "shape.npy"
SPECS = (
    Spec(
        name="scann",
        title="ScaNN, reordered",
        target="retrieval.indexes.scann:Scann",
        family="ScaNN",
        note=f"needs {FEWEST} vectors or more",
        knobs=(nprobe(16), k_factor(8), NLIST),
        needs=("scann",),
        install="pip install scann",
    ),
)


@cache
def library() -> Any:
    """The module of ScaNN's searchers, imported by name: it need not be installed."""
    return importlib.import_module("scann.scann_ops.py.scann_ops_pybind")


class Scann(Index):
    """``tree().score_ah(2).reorder()`` by inner product."""

    def __init__(self, spec: Spec, metric: Metric, **knobs: int) -> None:
        super().__init__(spec, metric, **knobs)
        self._engine: Any = None

    @property
    def nlist(self) -> int:
        """Lists in use: at most the knob ``nlist``, at most one for 39 vectors, at least 1."""
        return max(1, min(self.knobs["nlist"], self.count // ROWS_A_LIST))

    def nbytes(self) -> int:
        """Bytes of vectors, codes, places in lists (int32), centroids and code book."""
        if self._engine is None:
            return 0
        blocks = -(-self.width // BLOCK)
        each = 4 * self.width + -(-blocks // 2) + 4
        return self.count * each + 4 * self.width * self.nlist + 4 * blocks * BLOCK * FEWEST

    def close(self) -> None:
        """Let go of the engine; twice is no harm."""
        super().close()
        self._engine = None

    def _build(self, vectors: Vectors) -> None:
        self._engine = None
        if not self.count:
            return
        if self.count < FEWEST:
            few, self.count = self.count, 0
            raise BadVectors(
                f"{self.spec.name} needs {FEWEST} vectors to train, got {few}; "
                "take exact or hnswlib"
            )
        maker = library().builder(straight(vectors), 10, "dot_product")
        maker.set_n_training_threads(threads.cores())
        lists = self.nlist
        maker.tree(num_leaves=lists, num_leaves_to_search=lists, training_sample_size=self.count)
        maker.score_ah(BLOCK, anisotropic_quantization_threshold=THRESHOLD)
        maker.reorder(100)
        self._engine = maker.build()

    def _search(self, queries: Vectors, k: int) -> tuple[Rows, Scores]:
        rows, scores = padded(len(queries), k)
        engine, knobs, held = self._engine, self.knobs, self.count
        if engine is None or not held:  # closed by another thread a moment ago
            return rows, scores
        most = min(k, held)
        asked = (most, min(most * knobs["k_factor"], held), min(knobs["nprobe"], self.nlist))
        for place, query in enumerate(straight(queries)):  # its batches rank by coarser sums
            found, values = engine.search(query, *asked)
            rows[place, : len(found)], scores[place, : len(found)] = found, values
        return rows, scores

    def _save(self, folder: Path) -> None:
        if not self.count:
            return
        with Working() as beside:
            self._engine.serialize(str(beside.path), relative_path=True)
            made = {name: (beside.path / name).read_bytes() for name in KEPT}
        for name, data in made.items():  # each of a length that is checked
            np.save(folder / stored(name), np.frombuffer(data, dtype=np.uint8))
        np.save(folder / SHAPE, np.array(self._shape(), dtype=np.int64))

    def _load(self, folder: Path, vectors: Vectors) -> None:
        self._engine = None
        try:
            if self.count:
                self._engine = self._read(folder, straight(vectors))
        finally:
            if self._engine is None:
                self.count = 0

    def _read(self, folder: Path, vectors: Vectors) -> Any:
        shape = tuple(array_read(folder / SHAPE, np.int64, (3,)).tolist())
        if shape != self._shape():
            raise Damaged(
                f"{SHAPE} says vectors, width and lists are {shape}, wanted {self._shape()}; "
                "build the index again"
            )
        with Working(vectors.nbytes) as beside:
            for name in KEPT:
                data = array_read(folder / stored(name), np.uint8, (-1,))
                (beside.path / name).write_bytes(data.tobytes())
            np.save(beside.path / VECTORS, vectors)
            listed = (
                f'assets {{ asset_type: {kind} asset_path: "{name}" }}'
                for kind, name in ASSETS.items()
            )
            (beside.path / LIST).write_text("\n".join(listed), "utf-8")
            try:
                return library().load_searcher(str(beside.path), assets_backcompat_shim=False)
            except (RuntimeError, ValueError) as error:
                raise Damaged(
                    f"{CONFIG} and its like are no index that ScaNN reads; build it again"
                ) from error

    def _shape(self) -> tuple[int, int, int]:
        return self.count, self.width, self.nlist


def stored(name: str) -> str:
    """The file in which one of ScaNN's files is kept."""
    return f"{Path(name).stem}.bytes.npy"
