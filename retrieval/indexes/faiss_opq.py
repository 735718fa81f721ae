"""OPQ before IVF-PQ by FAISS: a learnt rotation to fewer dimensions, in which parts lose less.

Ge, He, Ke and Sun, Optimized product quantization, IEEE TPAMI 36(4), 2014.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from retrieval.errors import BadKnob, BadVectors
from retrieval.indexes.faiss_base import INSTALL, NEEDS, library, straight
from retrieval.indexes.faiss_lists import NLIST, Lists, members, nprobe, sizes
from retrieval.indexes.faiss_pq import cut
from retrieval.indexes.faiss_refined import Rotated, k_factor, rotated
from retrieval.runtime import threads
from retrieval.types import Spec, Vectors
from retrieval.where import Allowed

BITS = 4
"""Bits of a code of one sub-quantiser; fast-scan reads no other."""
BLOCK = 32
"""Codes that fast-scan compares at once."""
EACH = 4
"""Dimensions that a sub-quantiser gets, where there are as many."""
ROUNDS = 10
"""Rotations learnt one from the other, of FAISS's 50: the later ones change little."""
SPECS = (
    Spec(
        name="faiss-opq-ivfpq",
        title="FAISS OPQ, IVF-PQ fast-scan, refined",
        target="retrieval.indexes.faiss_opq:OpqIvfPq",
        family="FAISS",
        note=f"needs {2**BITS} vectors or more",
        knobs=(
            nprobe(8),
            k_factor(32),
            NLIST,
            cut(f"{BITS} bits each; {EACH} dimensions each are kept"),
        ),
        filters="rows",
        needs=NEEDS,
        install=INSTALL,
    ),
)


class OpqIvfPq(Rotated, Lists):
    """``OPQm_4m,IVFx,PQmx4fs,RFlat``."""

    def _below(self, where: Allowed | None = None) -> Any:
        return rotated(self._probes(where))

    def _empty(self) -> Any:
        faiss, parts = library(), self._parts()
        width = min(EACH * parts, self.width // parts * parts)
        rotation = faiss.OPQMatrix(self.width, parts, width)
        rotation.niter = ROUNDS
        engine = faiss.IndexIVFPQFastScan(
            faiss.IndexFlatIP(width), width, self.nlist, parts, BITS, faiss.METRIC_INNER_PRODUCT
        )
        engine.cp.min_points_per_centroid = engine.pq.cp.min_points_per_centroid = 1
        return self._rotated(rotation, engine)

    def _train(self, engine: Any, vectors: Vectors) -> None:
        faiss = library()
        rotation, inner = faiss.downcast_VectorTransform(engine.chain.at(0)), self._within(engine)
        quantizer = faiss.ProductQuantizer(inner.d, inner.pq.M, BITS)
        quantizer.cp.min_points_per_centroid = 1
        rotation.pq = quantizer
        with threads.single():  # many tiny k-means: two threads wait for each other
            engine.train(filled(vectors))
        rotation.pq = None  # it is not the rotation's own

    def _parts(self) -> int:
        """The knob ``m``, where it and the vectors allow to train.

        Raises:
            BadKnob: more parts than dimensions.
            BadVectors: fewer vectors than a sub-quantiser has centroids.
        """
        parts = self.knobs["m"]
        if parts > self.width:
            raise BadKnob(f"m is {parts}; the vectors have {self.width} dimensions: take fewer")
        if self.count < 2**BITS:
            raise BadVectors(
                f"{self.spec.name} needs {2**BITS} vectors to train, got {self.count}; "
                "take exact or faiss-ivf"
            )
        return parts

    def _bytes_coded(self, engine: Any) -> int:
        inner = self._within(engine)
        counts = sizes(inner.invlists)
        codes = sum(-(-size // BLOCK) * BLOCK for size in counts) * inner.pq.M * BITS // 8
        trained = self.width * inner.d + inner.d * (self.nlist + 2**BITS)
        return int(codes + 8 * self.count + 4 * trained)

    def _shape(self, engine: Any) -> tuple[Any, ...]:
        if not hasattr(engine, "chain"):
            return super()._shape(engine)
        inner = self._within(engine)
        return *super()._shape(engine), getattr(inner, "nlist", 0), inner.sa_code_size()

    def _sound(self, engine: Any) -> bool:
        rows = np.sort(np.concatenate(members(self._within(engine).invlists)))
        return np.array_equal(rows, np.arange(self.count))


def filled(vectors: Vectors) -> Vectors:
    """The vectors again and again until they are as many as their dimensions.

    FAISS writes outside its memory where it learns a rotation from fewer.
    """
    count, width = vectors.shape
    return vectors if count >= width else straight(np.tile(vectors, (-(-width // count), 1)))
