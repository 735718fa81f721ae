"""Indexes: the nearest vectors. A new file with ``SPECS`` is a new index."""

from retrieval.indexes.base import Index
from retrieval.registry import Registry

INDEXES: Registry[Index] = Registry("index", __name__)
