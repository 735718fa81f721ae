"""IVF-Flat by FAISS: the vectors in lists by their nearest centroid, of which some are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from retrieval.errors import Damaged
from retrieval.indexes.faiss_base import INSTALL, NEEDS, array_read, library
from retrieval.indexes.faiss_lists import NLIST, Lists, members, nprobe
from retrieval.runtime import threads
from retrieval.types import Spec, Vectors

CENTROIDS, LISTS = "centroids.npy", "lists.npy"
SPECS = (
    Spec(
        name="faiss-ivf",
        title="FAISS IVF-Flat",
        target="retrieval.indexes.faiss_ivf:Ivf",
        family="FAISS",
        knobs=(nprobe(6), NLIST),
        filters="rows",
        needs=NEEDS,
        install=INSTALL,
    ),
)


class Ivf(Lists):
    """``faiss.IndexIVFFlat`` by inner product, its centroids of length 1."""

    def nbytes(self) -> int:
        """Bytes of vectors, their ids (int64) and the centroids."""
        return self.count * (4 * self.width + 8) + (self.count > 0) * 4 * self.width * self.nlist

    def _params(self) -> Any:
        return self._probes()

    def _made(self, vectors: Vectors) -> Any:
        engine = self._empty(self._quantizer())
        with threads.single():  # on two threads k-means of so little is slower, not faster
            engine.train(vectors)
        engine.add(vectors)
        return engine

    def _empty(self, quantizer: Any) -> Any:
        faiss = library()
        engine = faiss.IndexIVFFlat(quantizer, self.width, self.nlist, faiss.METRIC_INNER_PRODUCT)
        engine.cp.min_points_per_centroid = 1  # a gallery below 39 rows has one list
        return engine

    def _packed(self, folder: Path) -> None:
        centroids = self._engine.quantizer.reconstruct_n(0, self.nlist)
        lists = np.empty(self.count, dtype=np.int16)
        for place, rows in enumerate(members(self._engine.invlists)):
            lists[rows] = place
        np.save(folder / CENTROIDS, centroids)
        np.save(folder / LISTS, lists)

    def _unpacked(self, folder: Path, vectors: Vectors) -> Any:
        centroids = array_read(folder / CENTROIDS, np.float32, (self.nlist, self.width))
        lists = array_read(folder / LISTS, np.int16, (self.count,)).astype(np.int64)
        if lists.min() < 0 or lists.max() >= self.nlist or not np.isfinite(centroids).all():
            raise Damaged(f"{LISTS} names lists that are not there; build the index again")
        quantizer = self._quantizer()
        quantizer.add(centroids)
        engine = self._empty(quantizer)  # takes a quantiser that is filled as trained
        pointer, ids = library().swig_ptr, np.arange(self.count, dtype=np.int64)
        engine.add_core(self.count, pointer(vectors), pointer(ids), pointer(lists))
        return engine
