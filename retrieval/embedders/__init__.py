"""Embedders: pictures and texts into vectors. A new file with ``SPECS`` is a new embedder."""

from retrieval.embedders.base import Embedder
from retrieval.registry import Registry

EMBEDDERS: Registry[Embedder] = Registry("embedder", __name__)
