"""Pinecone by the address of one of its indexes, in ``PARALLAX_PINECONE``.

It takes no settings of a search, so that there are no knobs. A gallery is a namespace; a vector in
a namespace of its own is the mark that it is whole. What was written shows some seconds later.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

from retrieval.errors import BadVectors, LabError
from retrieval.indexes.archive import Chosen, Found
from retrieval.indexes.remote import Remote
from retrieval.indexes.remote_client import Held
from retrieval.indexes.remote_refusal import Refusal
from retrieval.runtime import servers
from retrieval.types import Spec, Vectors

MARKS = "parallax"
"""The namespace of the marks."""
FITTING = ("dotproduct", "cosine")
"""Metrics that are the inner product of vectors of length 1."""
SPECS = (
    Spec(
        name="pinecone",
        title="Pinecone",
        target="retrieval.indexes.pinecone:Pinecone",
        family="Pinecone",
        note="by address only",
        filters="columns",
        needs=("pinecone",),
        install="pip install pinecone",
        key="PARALLAX_PINECONE_KEY",
        params=(("address", "PARALLAX_PINECONE"), ("port", 443), ("scheme", "pinecone")),
    ),
)


@cache
def library() -> Any:
    """The client's module, imported by name: it need not be installed."""
    return importlib.import_module("pinecone")


class Pinecone(Remote):
    """A namespace of an index that has the vectors' width and metric already."""

    batch = 100  # it takes two megabytes at once
    close_to = 1e-6
    patience = 60.0

    def _ready(self) -> None:
        library()

    def _connected(self, limit: float) -> Any:
        address = self._address()
        port = servers.port(address, self._port)
        with library().Pinecone(api_key=self.key, timeout=limit) as client:
            found = client.index(host=f"{address.scheme}://{address.hostname}:{port}")
        # it offers no other way to make each call once; more hold one of this server's places
        found._http._client._transport._config = library().RetryConfig(max_retries=0)
        return Held(found)

    def _create(self, client: Any) -> None:
        told = client.describe_index_stats()
        width, metric = getattr(told, "dimension", None), getattr(told, "metric", None)
        if width not in (None, self.width):
            raise BadVectors(
                f"the index at {self.where} takes {width:,} dimensions, the vectors have "
                f"{self.width:,}; make one of {self.width:,} and set {self.variable} to its address"
            )
        if metric and str(metric) not in FITTING:
            raise LabError(
                f"the index at {self.where} compares by {metric}; make one by dotproduct and set "
                f"{self.variable} to its address"
            )

    def _put(self, client: Any, start: int, vectors: Vectors) -> None:
        part = [
            (str(row), vector, self._kept(row))
            for row, vector in enumerate(vectors.tolist(), start)
        ]
        client.upsert(vectors=part, namespace=self._name, show_progress=False)

    def _indexed(self, client: Any) -> int:
        return self._count(client)

    def _mark(self, client: Any) -> None:
        least = [1.0] + [0.0] * (self.width - 1)  # it takes none of nothing but zeros
        mark = (self._name, least, {"rows": self.count})
        client.upsert(vectors=[mark], namespace=MARKS, show_progress=False)

    def _marked(self, client: Any) -> bool:
        return self._name in client.fetch(ids=[self._name], namespace=MARKS).vectors

    def _drop(self, client: Any) -> None:
        client.delete(ids=[self._name], namespace=MARKS)
        client.delete(delete_all=True, namespace=self._name)

    def _count(self, client: Any) -> int:
        found = client.describe_index_stats().namespaces.get(self._name)
        return int(found.vector_count) if found else 0

    def _sample(self, client: Any, rows: list[int]) -> dict[int, Any]:
        found = client.fetch(ids=[str(row) for row in rows], namespace=self._name).vectors
        return {int(name): each.values for name, each in found.items()}

    def _nearest(self, client: Any, queries: Vectors, k: int, chosen: Chosen | None) -> list[Found]:
        only = condition(chosen) if chosen else None
        (query,) = queries.tolist()
        found = client.query(vector=query, top_k=k, namespace=self._name, filter=only).matches
        return [([int(each.id) for each in found], [each.score for each in found])]

    def _refusal(self, error: Exception) -> Refusal:
        wait = (getattr(error, "headers", None) or {}).get("retry-after", "")
        text = str(getattr(error, "message", "")) or str(error) or type(error).__name__
        return Refusal(int(getattr(error, "status_code", 0)), text, wait)


def condition(chosen: Chosen) -> dict[str, Any]:
    """A filter as Pinecone takes it."""
    where = chosen.where
    if where.sign == "=":
        return {where.column: {"$in": chosen.wanted}}
    named = {"<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}[where.sign]
    return {where.column: {named: where.bound}}
