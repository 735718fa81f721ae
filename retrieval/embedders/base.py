"""What an embedder is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from PIL.Image import Image

from retrieval.errors import BadVectors, Unsupported
from retrieval.types import Metric, Spec, Vectors


class Embedder(ABC):
    """Turns pictures, and texts where it can, into vectors. Constructing is loading.

    Args:
        spec: what to load.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec

    def images(self, batch: Sequence[Image]) -> Vectors:
        """Embed RGB pictures.

        Returns:
            (n, dim) float32 rows of length 1, or (n, dim / 8) uint8.

        Raises:
            Unsupported: it reads no pictures.
            BadVectors: the network gave something that is no embedding.
        """
        if not self.spec.reads_images:
            raise Unsupported(f"{self.spec.title} reads text only; give it a text")
        return self._checked(self._images(batch) if batch else self._none(), len(batch))

    def texts(self, batch: Sequence[str]) -> Vectors:
        """Embed texts into the space of the pictures.

        Returns:
            (n, dim) float32 rows of length 1.

        Raises:
            Unsupported: it reads no text.
            BadVectors: the network gave something that is no embedding.
        """
        if not self.spec.reads_text:
            raise Unsupported(f"{self.spec.title} reads pictures only; give it a picture")
        return self._checked(self._texts(batch) if batch else self._none(), len(batch))

    def asked(self, picture: Image) -> tuple[Vectors, str]:
        """A query's picture as (1, width), and what must be said of how it was read, if anything.

        Raises:
            Unsupported: it reads no pictures, or finds nothing in this one.
            BadVectors: the network gave something that is no embedding.
        """
        return self.images([picture]), ""

    def remark(self, vectors: Vectors) -> str:
        """What must be said of rows that were found, by their vectors; empty: nothing."""
        return ""

    def way(self, text: str | None) -> str:
        """What decides how a query runs: the first one of each way is a cold call."""
        return "picture" if text is None else "text"

    def nbytes(self) -> int:
        """Bytes that it holds in memory, about as many as its download has where it has one."""
        return max(self.spec.bytes, 4 * self.spec.parameters)

    @abstractmethod
    def _images(self, batch: Sequence[Image]) -> Vectors: ...

    def _texts(self, batch: Sequence[str]) -> Vectors:
        raise Unsupported(f"{self.spec.title} declares text but does not read it")

    def _none(self) -> Vectors:
        if self.spec.metric is Metric.HAMMING:
            return np.empty((0, self.spec.dim // 8), np.uint8)
        return np.empty((0, self.spec.dim), np.float32)

    def _checked(self, vectors: Vectors, count: int) -> Vectors:
        none = self._none()
        declared = (count, none.shape[1])
        if vectors.shape != declared or vectors.dtype != none.dtype:
            raise BadVectors(
                f"{self.spec.name} gave {vectors.dtype} of shape {vectors.shape}; "
                f"declared is {none.dtype} of shape {declared}"
            )
        return vectors if self.spec.metric is Metric.HAMMING else unit(vectors)


def unit(vectors: Vectors) -> Vectors:
    """Rows scaled to length 1, in a new array.

    Raises:
        BadVectors: a row is not finite or has no length.
    """
    floats = vectors.astype(np.float32)
    lengths = np.linalg.norm(floats, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or (lengths == 0).any():
        bad = int(np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)).ravel())[0])
        raise BadVectors(f"row {bad} is no embedding: its length is {float(lengths[bad, 0])}")
    floats /= lengths
    return floats
