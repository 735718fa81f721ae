"""IVF-PQ by FAISS as it was first described: codes alone, eight bits a part, compared with nothing.

Jégou, Douze and Schmid, Product quantization for nearest neighbor search, IEEE TPAMI 33(1), 2011.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from retrieval.errors import Damaged
from retrieval.indexes.faiss_base import INSTALL, NEEDS, engine_read, library, straight
from retrieval.indexes.faiss_lists import NLIST, Lists, members, nprobe
from retrieval.indexes.faiss_pq import cut, sub_quantisers
from retrieval.runtime import threads
from retrieval.types import Spec, Vectors

BITS = 8
"""Bits of a code of one sub-quantiser."""
CODES = "codes.faiss"
SPECS = (
    Spec(
        name="faiss-ivfpq8",
        title="FAISS IVF-PQ, codes alone",
        target="retrieval.indexes.faiss_ivfpq8:IvfPq8",
        family="FAISS",
        note="not refined: holds no vectors",
        knobs=(
            nprobe(8),
            NLIST,
            cut("a byte each; must divide its dimensions", "bytes"),
        ),
        filters="rows",
        needs=NEEDS,
        install=INSTALL,
    ),
)


class IvfPq8(Lists):
    """``IVFx,PQm``: lists of codes, and nothing to compare them again by."""

    def nbytes(self) -> int:
        """Bytes of codes, ids (int64), centroids and code book."""
        if not self.count:
            return 0
        trained: int = 4 * self.width * (self.nlist + 2**BITS)
        return self.count * (self.knobs["m"] + 8) + trained

    def _params(self) -> Any:
        return self._probes()

    def _made(self, vectors: Vectors) -> Any:
        faiss, parts = library(), sub_quantisers(self, 0, "faiss-ivf")
        engine = faiss.IndexIVFPQ(
            self._quantizer(), self.width, self.nlist, parts, BITS, faiss.METRIC_INNER_PRODUCT
        )
        engine.cp.min_points_per_centroid = engine.pq.cp.min_points_per_centroid = 1
        with threads.single():  # many small k-means: two threads wait for each other
            engine.train(enough(vectors))
        engine.add(vectors)
        return engine

    def _packed(self, folder: Path) -> None:
        library().serialize_index(self._engine).tofile(folder / CODES)

    def _unpacked(self, folder: Path, vectors: Vectors) -> Any:
        engine = engine_read(folder / CODES)
        if not isinstance(engine, library().IndexIVFPQ):
            raise Damaged(f"{CODES} is no index of {self.spec.name}; build it again")
        held = (engine.d, engine.ntotal, engine.nlist, engine.pq.M, engine.pq.nbits)
        wanted = (self.width, self.count, self.nlist, self.knobs["m"], BITS)
        if held != wanted:
            raise Damaged(
                f"{CODES} holds width, vectors, lists, m and bits of {held}, wanted {wanted}; "
                "build the index again"
            )
        rows = np.sort(np.concatenate(members(engine.invlists)))
        if not np.array_equal(rows, np.arange(self.count)):
            raise Damaged(f"{CODES} does not hold each row once; build the index again")
        return engine


def enough(vectors: Vectors) -> Vectors:
    """The vectors again and again until there is one for each centroid of a part."""
    count = len(vectors)
    return vectors if count >= 2**BITS else straight(np.tile(vectors, (-(-(2**BITS) // count), 1)))
