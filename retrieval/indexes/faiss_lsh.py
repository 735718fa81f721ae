"""Locality-sensitive hashing by FAISS: the signs of random projections, the best compared again.

Charikar, Similarity estimation techniques from rounding algorithms, STOC 2002.
"""

from __future__ import annotations

from typing import Any

from retrieval.indexes.faiss_base import INSTALL, NEEDS, library
from retrieval.indexes.faiss_refined import Refined, k_factor
from retrieval.runtime import threads
from retrieval.types import Knob, Spec

SPECS = (
    Spec(
        name="faiss-lsh",
        title="FAISS LSH, refined",
        target="retrieval.indexes.faiss_lsh:Lsh",
        family="FAISS",
        knobs=(
            k_factor(32),
            Knob(
                name="nbits",
                low=64,
                high=2048,
                default=512,
                when="build",
                scale="log2",
                unit="bits",
                help="Random projections of a vector, one bit for the sign of each.",
            ),
        ),
        needs=NEEDS,
        install=INSTALL,
    ),
)


class Lsh(Refined):
    """``LSHxr,RFlat``: every code is compared by its bits."""

    def _empty(self) -> Any:
        faiss = library()
        with threads.single():  # of so small a matrix, which it turns into a rotation
            engine = faiss.IndexLSH(self.width, self.knobs["nbits"], True, False)
        engine.metric_type = faiss.METRIC_INNER_PRODUCT  # in which candidates are compared again
        return engine

    def _wanted(self) -> tuple[Any, ...]:
        return "IndexLSH", self.width, self.knobs["nbits"] // 8  # a new one would cost a rotation

    def _bytes_coded(self, engine: Any) -> int:
        return int(engine.codes.size() + 4 * engine.rrot.A.size())
