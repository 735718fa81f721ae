"""Bytes that an index holds for so many vectors, by arithmetic; a test asks the engines."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Footprint:
    """What an index keeps of each vector.

    Attributes:
        whole: bytes a dimension of vectors that are compared as they are.
        code: bytes a dimension of codes that stand for them.
        fixed: bytes a vector besides: ids, factors, codes of a fixed length.
        links: links a vector in its lowest layer; 0 for no graph.
        disk: the whole vectors may lie on disk: only the nearest codes' are read.
    """

    whole: float = 4
    code: float = 0
    fixed: float = 0
    links: int = 0
    disk: bool = False

    def bytes(self, dim: int, count: int) -> int:
        """All that it holds."""
        return round(count * (self.whole * dim + self._least(dim)))

    def memory(self, dim: int, count: int) -> int:
        """What must be in memory; the rest may be read from disk."""
        return round(count * self._least(dim)) if self.disk else self.bytes(dim, count)

    def _least(self, dim: int) -> float:
        # a graph's upper layers hold half as many links for one in M of the vectors
        upper = 1 + 1 / self.links if self.links else 0
        return self.code * dim + self.fixed + 4 * self.links * upper + (16 if self.links else 0)


FOOTPRINTS = {
    "exact": Footprint(),
    "faiss-flat": Footprint(),
    "faiss-sqbf16": Footprint(2),
    "faiss-sq8": Footprint(1),
    "faiss-hnsw": Footprint(links=32),
    "faiss-hnsw-sq8": Footprint(1, links=32),
    "faiss-ivf": Footprint(fixed=8),
    "faiss-ivfpq": Footprint(fixed=8 + 32, disk=True),
    "faiss-ivf-rabitq": Footprint(code=1 / 8, fixed=8 + 8, disk=True),
    "faiss-rabitq": Footprint(code=1 / 8, fixed=8, disk=True),
    "annoy": Footprint(fixed=12 + 20 * 12),
    "hnswlib": Footprint(links=32, fixed=12),
    "usearch-f32": Footprint(links=32, fixed=12),
    "pgvector-hnsw": Footprint(links=32, fixed=120),
    "qdrant-hnsw": Footprint(links=32, fixed=24),
    "milvus-hnsw": Footprint(links=32, fixed=16),
}
"""By name, at the default build-time knobs; databases keep what else they keep besides."""


def footprint(index: str) -> Footprint:
    """Of an index by name; a graph over whole vectors where it is not listed."""
    return FOOTPRINTS.get(index, Footprint(links=32))
