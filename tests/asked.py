"""What a lab of colours answers, in the order of its panels."""

from __future__ import annotations

from collections.abc import Sequence

from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.types import Result

EXACT = Panel("colour", "exact")
HNSW = Panel("colour", "faiss-hnsw")


def answered(lab: Lab, panels: Sequence[Panel], query: Query, k: int = 5) -> list[Result]:
    return sorted(lab.compare("colours", panels, query, k), key=lambda result: result.position)
