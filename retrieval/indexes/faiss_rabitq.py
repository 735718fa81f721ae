"""RaBitQ by FAISS: one bit a dimension, over all rows or over some lists, the best compared again.

Gao and Long, RaBitQ: Quantizing high-dimensional vectors with a theoretical error bound for
approximate nearest neighbor search, arXiv 2405.12497. Its random rotation is a Hadamard one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from retrieval.indexes.faiss_base import INSTALL, NEEDS, library
from retrieval.indexes.faiss_lists import NLIST, Lists, members, nprobe, sizes
from retrieval.indexes.faiss_refined import Rotated, k_factor, rotated
from retrieval.runtime import threads
from retrieval.types import Spec, Vectors
from retrieval.where import Allowed

BLOCK = 32
"""Codes that fast-scan compares at once."""
SPECS = (
    Spec(
        name="faiss-rabitq",
        title="FAISS RaBitQ fast-scan, refined",
        target="retrieval.indexes.faiss_rabitq:RaBitQ",
        family="FAISS",
        note="one bit a dimension",
        knobs=(k_factor(8),),
        needs=NEEDS,
        install=INSTALL,
    ),
    Spec(
        name="faiss-ivf-rabitq",
        title="FAISS IVF-RaBitQ fast-scan, refined",
        target="retrieval.indexes.faiss_rabitq:IvfRaBitQ",
        family="FAISS",
        note="one bit a dimension",
        knobs=(nprobe(8), k_factor(8), NLIST),
        filters="rows",
        needs=NEEDS,
        install=INSTALL,
    ),
)


class Hadamard(Rotated):
    """Codes of vectors after a random rotation that takes no matrix."""

    def _hadamard(self) -> Any:
        return library().HadamardRotation(self.width)


class RaBitQ(Hadamard):
    """``HR,RaBitQfs,RFlat``: every code is compared."""

    def _empty(self) -> Any:
        faiss, rotation = library(), self._hadamard()
        engine = faiss.IndexRaBitQFastScan(rotation.d_out, faiss.METRIC_INNER_PRODUCT, BLOCK, 1)
        return self._rotated(rotation, engine)

    def _train(self, engine: Any, vectors: Vectors) -> None:
        engine.train(vectors)
        if not np.ptp(vectors, axis=0).any():  # all on their centre, which FAISS never finds
            inner = self._within(engine)
            library().copy_array_to_vector(np.zeros(inner.d, dtype=np.float32), inner.center)

    def _bytes_coded(self, engine: Any) -> int:
        inner = self._within(engine)
        return int(inner.codes.size() + 4 * inner.center.size())


class IvfRaBitQ(Hadamard, Lists):
    """``HR,IVFx,RaBitQfs,RFlat``: the codes of the nearest lists are compared."""

    def _below(self, where: Allowed | None = None) -> Any:
        return rotated(self._probes(where))

    def _empty(self) -> Any:
        faiss, rotation = library(), self._hadamard()
        metric, width = faiss.METRIC_INNER_PRODUCT, rotation.d_out
        quantizer = faiss.IndexFlatIP(width)
        engine = faiss.IndexIVFRaBitQFastScan(quantizer, width, self.nlist, metric, BLOCK, True, 1)
        engine.cp.min_points_per_centroid = 1  # a gallery below 39 rows has one list
        return self._rotated(rotation, engine)

    def _train(self, engine: Any, vectors: Vectors) -> None:
        with threads.single():  # on two threads k-means of so little is slower, not faster
            engine.train(vectors)

    def _bytes_coded(self, engine: Any) -> int:
        inner = self._within(engine)
        counts = sizes(inner.invlists)
        codes = sum(-(-size // BLOCK) * BLOCK for size in counts) * inner.code_size
        return int(codes + 8 * self.count + 4 * inner.d * self.nlist)

    def _shape(self, engine: Any) -> tuple[Any, ...]:
        lists = self._within(engine).nlist if hasattr(engine, "chain") else 0
        return *super()._shape(engine), lists

    def _sound(self, engine: Any) -> bool:
        rows = np.sort(np.concatenate(members(self._within(engine).invlists)))
        return np.array_equal(rows, np.arange(self.count))
