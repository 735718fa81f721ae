"""What users ask, and what they find."""

from __future__ import annotations

from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.types import Result
from tests.served import Served

PANELS = [
    *(f"conse-lite2@{index}" for index in ("exact", "faiss-flat", "faiss-hnsw?efSearch=8")),
    *(f"captions@{index}" for index in ("exact", "faiss-ivf?nprobe=2", "faiss-hnsw-sq8")),
    *(f"efficientnet-lite0@{index}" for index in ("exact", "faiss-hnsw", "faiss-ivfpq?nprobe=4")),
    *(f"phash@{index}" for index in ("exact", "faiss-binary-hnsw?efSearch=4")),
    *(f"conse-lite2@faiss-hnsw?efSearch={width}" for width in (1, 64)),
]


def answered(lab: Lab, panels: list[str], row: int, k: int = 10) -> list[Result]:
    results = lab.compare("stamps", [Panel.parse(each) for each in panels], Query(row=row), k)
    return sorted(results, key=lambda result: result.position)


def found(result: Result) -> list[tuple[int, float]]:
    assert result.problem == ""
    return [(hit.row, hit.score) for hit in result.hits]


def bird(web: Served) -> list[int]:
    return web.call("a bird", None, ["conse-lite2@exact"], "stamps", 3).rows
