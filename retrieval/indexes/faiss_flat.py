"""FAISS Flat: every vector is compared. Exact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from retrieval.indexes.faiss_base import INSTALL, NEEDS, FaissIndex, library
from retrieval.types import Spec, Vectors

SPECS = (
    Spec(
        name="faiss-flat",
        title="FAISS Flat",
        target="retrieval.indexes.faiss_flat:Flat",
        family="FAISS",
        note="exact",
        filters="rows",
        needs=NEEDS,
        install=INSTALL,
    ),
)


class Flat(FaissIndex):
    """``faiss.IndexFlatIP``: inner products with all vectors."""

    keeps = False

    def nbytes(self) -> int:
        """Bytes of FAISS's copy of the vectors."""
        return self.count * self.width * 4

    def _made(self, vectors: Vectors) -> Any:
        engine = library().IndexFlatIP(self.width)
        engine.add(vectors)
        return engine

    def _packed(self, folder: Path) -> None:
        """Nothing besides the vectors."""

    def _unpacked(self, folder: Path, vectors: Vectors) -> Any:
        return self._made(vectors)
