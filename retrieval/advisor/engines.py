"""Indexes and databases that may be recommended: what each can do, beyond its own spec."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from retrieval.types import Spec

FAISS = "https://github.com/facebookresearch/faiss/wiki/Guidelines-to-choose-an-index"


@dataclass(frozen=True)
class Engine:
    """An index or a database.

    Attributes:
        name: what rules call it.
        title: what people read.
        lab: its name in the registry, or that of the same engine in process; empty for none.
        server: words of a name in the registry that is the server itself.
        licence: of the software.
        free: whether that allows commercial use.
        filters: it filters by columns in the search itself.
        tenants: it keeps tenants apart.
        link: its own page.
        against: what speaks against it.
        service: it is somebody's service, or a server of its own.
    """

    name: str
    title: str
    lab: str
    licence: str
    link: str
    merit: str
    against: str
    server: tuple[str, ...] = ()
    free: bool = True
    filters: bool = False
    tenants: bool = False
    service: bool = False


ENGINES = {
    each.name: each
    for each in (
        Engine(
            "exact",
            "Exact search (NumPy)",
            "exact",
            "BSD-3-Clause",
            "https://numpy.org/doc/stable/license.html",
            "Nothing is lost: recall 1 without a setting, as long as it is fast enough.",
            "Every query reads every vector: time and memory grow with the gallery.",
        ),
        Engine(
            "hnsw",
            "FAISS HNSW",
            "faiss-hnsw",
            "MIT",
            FAISS,
            "The fastest at high recall while all fits in memory; ready when the gallery grows.",
            "Holds whole vectors and links in memory; its rows cannot be deleted.",
        ),
        Engine(
            "hnsw-sq8",
            "FAISS HNSW over SQ8",
            "faiss-hnsw-sq8",
            "MIT",
            FAISS,
            "The same graph over a quarter of the vectors' memory.",
            "One byte a dimension costs a little recall; its rows cannot be deleted.",
        ),
        Engine(
            "ivf-rabitq",
            "FAISS IVF-RaBitQ, refined",
            "faiss-ivf-rabitq",
            "MIT",
            "https://arxiv.org/abs/2405.12497",
            "One bit a dimension in memory, with a bound on its error.",
            "The whole vectors must lie on a fast disk for the last comparison; it is trained.",
        ),
        Engine(
            "ivfpq",
            "FAISS IVF-PQ, refined",
            "faiss-ivfpq",
            "MIT",
            FAISS,
            "The long-proven way to keep a billion codes on one machine.",
            "Trained on the vectors of its day: when they drift, it is trained again.",
        ),
        Engine(
            "lancedb",
            "LanceDB",
            "lancedb-hnsw-sq",
            "Apache-2.0",
            "https://docs.lancedb.com",
            "Files in the process's own folder: nothing to run, and it filters.",
            "In files, in process: slower to ask than memory.",
            filters=True,
        ),
        Engine(
            "pgvector",
            "PostgreSQL with pgvector",
            "pgvector-hnsw",
            "PostgreSQL",
            "https://github.com/pgvector/pgvector#filtering",
            "Filters are SQL, and rights, backups and joins are the database's.",
            "Slower than an index in process; HNSW wants to fit in memory while it is built.",
            filters=True,
            tenants=True,
            service=True,
        ),
        Engine(
            "qdrant",
            "Qdrant",
            "qdrant-hnsw",
            "Apache-2.0",
            "https://qdrant.tech/documentation/guides/multiple-partitions/",
            "Filters inside the graph, tenants as partitions, rows come and go; one server.",
            "A server more to run, or a service to pay; every query crosses a socket.",
            server=("qdrant-server", "qdrant-remote", "qdrant-address"),
            filters=True,
            tenants=True,
            service=True,
        ),
        Engine(
            "milvus",
            "Milvus",
            "milvus-hnsw",
            "Apache-2.0",
            "https://milvus.io/docs/index.md",
            "Made for billions: storage, search and building scale apart.",
            "Several services to run; below some millions of vectors that is much for little.",
            server=("milvus-server", "milvus-remote", "milvus-address"),
            filters=True,
            tenants=True,
            service=True,
        ),
        Engine(
            "weaviate",
            "Weaviate",
            "",
            "BSD-3-Clause",
            "https://docs.weaviate.io/weaviate/concepts/filtering",
            "Filters inside the graph, few rows compared exactly; one shard a tenant.",
            "A server more to run, or a service to pay; ef is a collection's, not a query's.",
            server=("weaviate",),
            filters=True,
            tenants=True,
            service=True,
        ),
        Engine(
            "pinecone",
            "Pinecone",
            "",
            "proprietary service",
            "https://docs.pinecone.io/guides/index-data/implement-multitenancy",
            "Nothing to run: namespaces for tenants, filters on metadata.",
            "A service alone: vectors leave the house, every query costs, no index of your own.",
            server=("pinecone",),
            filters=True,
            tenants=True,
            service=True,
        ),
    )
}


def registered(engine: Engine, specs: Sequence[Spec]) -> list[tuple[Spec, bool]]:
    """An engine's specs in the registry, each with whether it is the engine without its server."""
    servers = [
        (spec, False) for spec in specs if any(spec.name.startswith(word) for word in engine.server)
    ]
    inside = [(spec, bool(engine.server)) for spec in specs if spec.name == engine.lab]
    return servers + inside


def filters(engine: Engine, spec: Spec | None) -> bool:
    """Whether it filters: its spec in this lab declares it, or the table knows it of the engine."""
    return bool(getattr(spec, "filters", "")) or engine.filters
