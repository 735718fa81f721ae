"""How tests ask a store."""

from __future__ import annotations

from pathlib import Path

from retrieval.embedders.base import Embedder
from retrieval.indexes import INDEXES
from retrieval.store import Built, Store, vectors_key
from retrieval.types import Metric, Spec, Vectors
from tests.fakes import COLOUR, Colour, Colours

HNSW = INDEXES.spec("faiss-hnsw")


def loaded() -> Embedder:
    return Colour(COLOUR)


def never() -> Embedder:
    raise AssertionError("this should have been on disk")


def built(shop: Store, gallery: Colours, spec: Spec = COLOUR) -> Vectors:
    return shop.vectors(gallery, spec, loaded)


def indexed(shop: Store, gallery: Colours, **knobs: int) -> Built:
    vectors = built(shop, gallery)
    return shop.index(vectors, vectors_key(gallery, COLOUR), HNSW, Metric.COSINE, knobs)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
