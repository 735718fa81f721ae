"""IVF-PQ fast-scan by FAISS, its best candidates compared again by their whole vectors.

Jégou, Douze and Schmid, Product quantization for nearest neighbor search, IEEE TPAMI 33(1), 2011.
Fast-scan: André, Kermarrec and Le Scouarnec, Quicker ADC, arXiv 1812.09162.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from retrieval.errors import Damaged
from retrieval.indexes.faiss_base import INSTALL, NEEDS, engine_read, library
from retrieval.indexes.faiss_lists import NLIST, Lists, members, nprobe, sizes
from retrieval.indexes.faiss_pq import cut, sub_quantisers
from retrieval.indexes.faiss_refined import times
from retrieval.runtime import threads
from retrieval.types import Knob, Spec, Vectors
from retrieval.where import Allowed

BITS = 4
"""Bits of a code of one sub-quantiser; fast-scan reads no other."""
CODES = "codes.faiss"
SPECS = (
    Spec(
        name="faiss-ivfpq",
        title="FAISS IVF-PQ fast-scan, refined",
        target="retrieval.indexes.faiss_ivfpq:IvfPq",
        family="FAISS",
        note=f"needs {2**BITS} vectors or more",
        knobs=(
            nprobe(8),
            Knob(
                name="k_factor",
                low=1,
                high=256,
                default=32,
                when="query",
                unit="x k",
                help="How many times k candidates are compared again by their whole vectors.",
            ),
            NLIST,
            cut("4 bits each; must divide its dimensions"),
        ),
        filters="rows",
        needs=NEEDS,
        install=INSTALL,
    ),
)


class IvfPq(Lists):
    """``IVFx,PQmx4fs,RFlat``: lists of 4-bit codes, the best compared again as whole vectors."""

    def nbytes(self) -> int:
        """Bytes of vectors, codes (in blocks of 32), ids (int64), centroids and code book."""
        if self._engine is None:
            return 0
        counts = sizes(self._coarse(self._engine).invlists)
        codes = sum(-(-size // 32) * 32 for size in counts) * self.knobs["m"] * BITS // 8
        trained = 4 * self.width * (self.nlist + 2**BITS)
        return int(self.count * (4 * self.width + 8) + codes + trained)

    def _params(self) -> Any:
        return self._refined(self.knobs["k_factor"])

    def _asked(self, k: int, held: int) -> Any:
        if self.knobs["k_factor"] * k <= held:
            return self._prepared
        return self._refined(times(held, k))  # no more candidates than there are vectors

    def _limits(self, k: int, where: Allowed) -> Any:
        again = min(self.knobs["k_factor"] * k, len(where.rows))
        return self._refined(times(again, k), where)

    def _refined(self, factor: float, where: Allowed | None = None) -> Any:
        faiss, probes = library(), self._probes(where)
        params = faiss.IndexRefineSearchParameters(k_factor=factor, base_index_params=probes)
        params.probes = probes  # FAISS keeps a bare pointer to it
        return params

    def _made(self, vectors: Vectors) -> Any:
        faiss, parts = library(), sub_quantisers(self, BITS, "faiss-ivf")
        coarse = faiss.IndexIVFPQFastScan(
            self._quantizer(), self.width, self.nlist, parts, BITS, faiss.METRIC_INNER_PRODUCT
        )
        coarse.cp.min_points_per_centroid = coarse.pq.cp.min_points_per_centroid = 1
        with threads.single():  # many tiny k-means: two threads wait for each other, 5 x slower
            coarse.train(vectors)
        coarse.add(vectors)
        return self._whole(coarse, vectors)

    def _whole(self, coarse: Any, vectors: Vectors) -> Any:
        faiss = library()
        return faiss.IndexRefineFlat(coarse, faiss.swig_ptr(vectors))

    def _coarse(self, engine: Any) -> Any:
        return library().downcast_index(engine.base_index)

    def _packed(self, folder: Path) -> None:
        library().serialize_index(self._coarse(self._engine)).tofile(folder / CODES)

    def _unpacked(self, folder: Path, vectors: Vectors) -> Any:
        coarse = engine_read(folder / CODES)
        if not isinstance(coarse, library().IndexIVFPQFastScan):
            raise Damaged(f"{CODES} is no index of {self.spec.name}; build it again")
        held = (coarse.d, coarse.ntotal, coarse.nlist, coarse.pq.M)
        wanted = (self.width, self.count, self.nlist, self.knobs["m"])
        if held != wanted:
            raise Damaged(
                f"{CODES} holds width, vectors, lists and m of {held}, wanted {wanted}; "
                "build the index again"
            )
        rows = np.sort(np.concatenate(members(coarse.invlists)))
        if not np.array_equal(rows, np.arange(self.count)):
            raise Damaged(f"{CODES} does not hold each row once; build the index again")
        return self._whole(coarse, vectors)
