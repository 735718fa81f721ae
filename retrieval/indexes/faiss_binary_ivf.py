"""Binary IVF by FAISS: packed bits in lists by their nearest centroid, of which some are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from retrieval.errors import Damaged
from retrieval.indexes.faiss_base import INSTALL, NEEDS, array_read, library
from retrieval.indexes.faiss_binary import Binary
from retrieval.indexes.faiss_lists import NLIST, Lists, members, nprobe
from retrieval.runtime import threads
from retrieval.types import Metric, Spec, Vectors

CENTROIDS, LISTS = "centroids.npy", "lists.npy"
SPECS = (
    Spec(
        name="faiss-binary-ivf",
        title="FAISS binary IVF",
        target="retrieval.indexes.faiss_binary_ivf:BinaryIvf",
        family="FAISS",
        metrics=(Metric.HAMMING,),
        knobs=(nprobe(6), NLIST),
        needs=NEEDS,
        install=INSTALL,
    ),
)


class BinaryIvf(Binary, Lists):
    """``faiss.IndexBinaryIVF``."""

    def nbytes(self) -> int:
        """Bytes of the codes, their ids (int64) and the centroids."""
        return self.count * (self.width + 8) + (self.count > 0) * self.width * self.nlist

    def _quantizer(self) -> Any:
        return library().IndexBinaryFlat(8 * self.width)

    def _params(self) -> Any:
        return self._probes()

    def _empty(self, quantizer: Any) -> Any:
        engine = library().IndexBinaryIVF(quantizer, 8 * self.width, self.nlist)
        engine.cp.min_points_per_centroid = 1  # a gallery below 39 rows has one list
        return engine

    def _made(self, vectors: Vectors) -> Any:
        engine = self._empty(self._quantizer())
        with threads.single():  # on two threads k-means of so little is slower, not faster
            engine.train(vectors)
        engine.add(vectors)
        return engine

    def _packed(self, folder: Path) -> None:
        faiss = library()
        codes = faiss.vector_to_array(faiss.downcast_IndexBinary(self._engine.quantizer).xb)
        lists = np.empty(self.count, dtype=np.int16)
        for place, rows in enumerate(members(self._engine.invlists)):
            lists[rows] = place
        np.save(folder / CENTROIDS, codes.reshape(self.nlist, self.width))
        np.save(folder / LISTS, lists)

    def _unpacked(self, folder: Path, vectors: Vectors) -> Any:
        centroids = array_read(folder / CENTROIDS, np.uint8, (self.nlist, self.width))
        lists = array_read(folder / LISTS, np.int16, (self.count,)).astype(np.int64)
        if lists.min() < 0 or lists.max() >= self.nlist:
            raise Damaged(f"{LISTS} names lists that are not there; build the index again")
        quantizer = self._quantizer()
        quantizer.add(centroids)
        engine = self._empty(quantizer)  # takes a quantiser that is filled as trained
        pointer, ids = library().swig_ptr, np.arange(self.count, dtype=np.int64)
        engine.add_core(self.count, pointer(vectors), pointer(ids), pointer(lists))
        return engine
