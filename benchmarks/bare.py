"""One query by an engine's own client, as its manual has it, beside the lab's way to it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from retrieval.indexes.base import Index
from retrieval.indexes.pgcopy import pack
from retrieval.indexes.postgres import SCHEMA

Client = Callable[[NDArray[Any]], object]
"""Called with one query, (1, width)."""


def client(index: Any, k: int) -> Client:
    """The bare call of what an index holds, with the settings that it has.

    Raises:
        KeyError: no bare call is written for its family.
    """
    family = index.spec.family or "Exact"
    made: Client = CLIENTS[family](index, k)
    return made


def _faiss(index: Any, k: int) -> Client:
    engine, params = index._engine, index._asked(k, index.count)
    return lambda query: engine.search(query, k, params=params)


def _usearch(index: Any, k: int) -> Client:
    engine = index._engine
    return lambda query: engine.search(query, k, threads=1)


def _hnswlib(index: Any, k: int) -> Client:
    engine = index._engine
    return lambda query: engine.knn_query(query, k, num_threads=1)


def _annoy(index: Any, k: int) -> Client:
    engine, wide = index._engine, max(index.knobs["search_k"], k)
    return lambda query: engine.get_nns_by_vector(query[0].tolist(), k, wide, True)


def _scann(index: Any, k: int) -> Client:
    engine, most = index._engine, min(k * index.knobs["k_factor"], index.count)
    lists = min(index.knobs["nprobe"], index.nlist)
    return lambda query: engine.search(query[0], k, most, lists)


def _qdrant(index: Any, k: int) -> Client:
    qdrant = importlib.import_module("qdrant_edge")
    engine = index._engine
    params = index._params(index.knobs)  # oversampling too, where there are codes

    def ask(query: NDArray[Any]) -> object:
        near = qdrant.Query.Nearest(query[0].tolist())
        return engine.query(qdrant.QueryRequest(limit=k, query=near, params=params))

    return ask


def _milvus(index: Any, k: int) -> Client:
    collection = index._engine[1]
    params = {
        each.name: index.knobs[each.name] for each in index.spec.knobs if each.when == "query"
    }
    return lambda query: collection.search(
        query.tolist(), k, "IP", output_fields=[], search_params=params
    )


def _lancedb(index: Any, k: int) -> Client:
    table = index._engine

    def ask(query: NDArray[Any]) -> object:
        asked = table.search(query[0], vector_column_name="vector").distance_type("dot")
        return index._tuned(asked, k).limit(k).select(["row", "_distance"]).to_arrow()

    return ask


def _postgres(index: Any, k: int) -> Client:
    session, table = index._session, f"{SCHEMA}.{index._table}"
    order = f"SELECT id, v <#> %s AS far FROM {table} ORDER BY far LIMIT {k}"

    def ask(query: NDArray[Any]) -> object:
        sent = (pack(query[0]),)  # as pgvector's own package sends it, in binary
        return session._connection.execute(order, sent, prepare=True, binary=True).fetchall()

    return ask


CLIENTS: dict[str, Callable[[Index, int], Client]] = {
    "FAISS": _faiss,
    "usearch": _usearch,
    "hnswlib": _hnswlib,
    "Museum": _annoy,
    "ScaNN": _scann,
    "LanceDB": _lancedb,
    "Milvus": _milvus,
    "PostgreSQL": _postgres,
    "Qdrant": _qdrant,
}
"""By the family of an index."""
