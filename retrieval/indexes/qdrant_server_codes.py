"""HNSW by a Qdrant server over vectors made small; the best by their codes are scored again.

Anybody can change there what codes a collection makes, and a server that is too old makes none and
says nothing. So they are looked at when a collection is made and when it is taken up: nothing else
is measured as these.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any

from retrieval.errors import LabError
from retrieval.indexes import qdrant_server
from retrieval.indexes.qdrant_codes import COMPRESSION, OVER
from retrieval.indexes.qdrant_server import Server, library
from retrieval.types import Knob, Spec, Vectors

PLACES = {"always_ram", "memory"}
"""Settings of codes that say where they are kept, not what they are."""


def _spec(name: str, title: str, made: str, *knobs: Knob) -> Spec:
    plain = qdrant_server.SPECS[0]
    return replace(
        plain,
        name=f"qdrant-server-{name}",
        title=f"Qdrant HNSW, {title} (server)",
        target=f"retrieval.indexes.qdrant_server_codes:{made}",
        knobs=(*plain.knobs, *knobs),
    )


SPECS = (
    _spec("sq8", "8 bits a number", "Scalar", OVER),
    _spec("pq", "product codes", "Product", OVER, COMPRESSION),
    _spec("binary", "1 bit a number", "Binary", OVER),
)


class Coded(Server):
    """A collection whose codes stay in memory; a subclass says which."""

    def _create(self, client: Any) -> None:
        if client.collection_exists(self._rows) and not self._coded(client):
            self._drop(client)  # nobody searches it: it has no mark
        super()._create(client)
        if not self._coded(client):
            raise LabError(
                f"{self.where} does not make the codes of {self.spec.name}; "
                "take qdrant-server, or a newer Qdrant"
            )

    def _same(self, vectors: Vectors) -> bool:
        return self._asked(self._coded) and super()._same(vectors)

    def _coded(self, client: Any) -> bool:
        """Whether the collection makes the codes that were asked for."""
        told = client.get_collection(self._rows).config.quantization_config
        return told is not None and settings(told) == settings(self._codes())

    def _params(self) -> Any:
        models = library().models
        again = models.QuantizationSearchParams(
            rescore=True, oversampling=float(self.knobs[OVER.name])
        )
        return models.SearchParams(hnsw_ef=self.knobs["hnsw_ef"], quantization=again)

    @abstractmethod
    def _codes(self) -> Any: ...


class Scalar(Coded):
    """A byte a number."""

    def _codes(self) -> Any:
        models = library().models
        made = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
        return models.ScalarQuantization(scalar=made)


class Product(Coded):
    """The nearest of 256 centroids for each part of a vector."""

    def _codes(self) -> Any:
        models = library().models
        ratio = models.CompressionRatio(f"x{self.knobs[COMPRESSION.name]}")
        made = models.ProductQuantizationConfig(compression=ratio, always_ram=True)
        return models.ProductQuantization(product=made)


class Binary(Coded):
    """The sign of each number."""

    def _codes(self) -> Any:
        models = library().models
        return models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=True))


def settings(codes: Any) -> dict[str, dict[str, Any]]:
    """The kind of codes and what decides them, without where they are kept."""
    told = codes.model_dump(mode="json", exclude_none=True)
    return {
        kind: {name: value for name, value in each.items() if name not in PLACES}
        for kind, each in told.items()
    }
