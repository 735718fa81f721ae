"""FAISS Flat over smaller numbers: every vector is compared, each dimension in one or two bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from retrieval.indexes.faiss_base import INSTALL, NEEDS, FaissIndex, library
from retrieval.types import Spec, Vectors

SPECS = (
    Spec(
        name="faiss-sq8",
        title="FAISS Flat over SQ8",
        target="retrieval.indexes.faiss_sq:Scalar",
        family="FAISS",
        note="one byte a dimension",
        filters="rows",
        needs=NEEDS,
        install=INSTALL,
        params=(("kind", "QT_8bit"),),
    ),
    Spec(
        name="faiss-sqbf16",
        title="FAISS Flat over bfloat16",
        target="retrieval.indexes.faiss_sq:Scalar",
        family="FAISS",
        note="two bytes a dimension",
        filters="rows",
        needs=NEEDS,
        install=INSTALL,
        params=(("kind", "QT_bf16"),),
    ),
)


class Scalar(FaissIndex):
    """``faiss.IndexScalarQuantizer`` by inner product. The codes follow from the vectors."""

    def nbytes(self) -> int:
        """Bytes of the codes and of each dimension's range, where it has one."""
        if self._engine is None:
            return 0
        quantizer = self._engine.sq
        return int(self.count * quantizer.code_size + 4 * quantizer.trained.size())

    def _made(self, vectors: Vectors) -> Any:
        faiss = library()
        kind = getattr(faiss.ScalarQuantizer, self.spec.param("kind"))
        engine = faiss.IndexScalarQuantizer(self.width, kind, faiss.METRIC_INNER_PRODUCT)
        engine.train(vectors)
        engine.add(vectors)
        return engine

    def _packed(self, folder: Path) -> None:
        """Nothing besides the vectors."""

    def _unpacked(self, folder: Path, vectors: Vectors) -> Any:
        return self._made(vectors)
