"""What the contract of indexes is asked of, and what an engine is allowed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from retrieval.indexes import INDEXES

CASES = [(spec.name, metric) for spec in INDEXES.specs() for metric in spec.metrics]
KNOBS = [(spec.name, spec.metric, knob) for spec in INDEXES.specs() for knob in spec.knobs]
QUERY_KNOBS = [case for case in KNOBS if case[2].when == "query"]
SCORED_AGAIN = {
    ("pgvector-bit", "ef_search"),
    ("qdrant-binary", "hnsw_ef"),
    ("qdrant-pq", "hnsw_ef"),
    ("qdrant-server-binary", "hnsw_ef"),
    ("qdrant-server-pq", "hnsw_ef"),
    ("qdrant-server-sq8", "hnsw_ef"),
    ("qdrant-sq8", "hnsw_ef"),
}
"""Knobs that change little but the work: how many are scored again widens the beam as well."""
BUILD_KNOBS = [case for case in KNOBS if case[2].when == "build"]
FEWEST = {
    "faiss-ivfpq": 16,
    "faiss-opq-ivfpq": 16,
    "faiss-hnsw-pq": 16,
    "faiss-nsg": 10,
    "scann": 16,
    "lancedb-ivf-pq": 16,
}
LOSSY = {
    "faiss-hnsw-sq8": 0.95,
    "faiss-ivfpq8": 0.95,  # 64 dimensions are 64 parts
    "faiss-sq8": 0.95,
    "milvus-ivf-sq8": 0.95,
    "milvus-server-ivf-sq8": 0.95,
    "qdrant-binary": 0.85,  # 64 dimensions are 64 bits
    "qdrant-server-binary": 0.85,
    "usearch-i8": 0.85,
    "usearch-bf16": 0.98,
}
"""Fewer bytes a dimension lose neighbours whatever is compared."""
EACH = {
    "faiss-hnsw-sq8": 1,
    "faiss-ivfpq8": 1,
    "faiss-sq8": 1,
    "faiss-sqbf16": 2,
    "lancedb-hnsw-sq": 5,
    "milvus-hnsw": 8,  # the rows hold them and the index again
    "milvus-flat": 8,
    "milvus-ivf-flat": 8,
    "milvus-ivf-sq8": 5,
    "pgvector-bit": 4,
    "pgvector-halfvec": 6,
    "pgvector-hnsw": 8,
    "pgvector-ivfflat": 8,
    "usearch-i8": 1,
    "usearch-bf16": 2,
}
"""Bytes of a dimension where it is not the vectors' own four (or an eighth, for bits)."""
TABLES = {
    "faiss-hnsw-pq": 4 * 64 * 256 * 256,
    "pgvector-bit": 1 << 20,
    "pgvector-halfvec": 1 << 20,
    "pgvector-hnsw": 1 << 20,
    "pgvector-ivfflat": 1 << 20,
    "qdrant-pq": 1 << 19,
}
"""Bytes beside rows: distances between all centroids of each part; pages taken ahead;
Qdrant's centroids."""
every = pytest.mark.parametrize(("name", "metric"), CASES)


def exactest(name: str) -> dict[str, int]:
    """Every query knob at its highest."""
    return {knob.name: knob.high for knob in INDEXES.spec(name).knobs if knob.when == "query"}


def run(script: list[str]) -> str:
    """What another Python prints, started in the project's folder."""
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", *script], cwd=root, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


BARE = {"exact", "faiss-binary-flat", "faiss-flat", "faiss-sq8", "faiss-sqbf16"}
"""What follows from the vectors alone, and writes nothing."""
SAVING = [name for name in INDEXES.names() if name not in BARE]
