"""HNSW by a Qdrant server, cloud or cluster at the address in ``PARALLAX_QDRANT``."""

from __future__ import annotations

import importlib
import os
from functools import cache
from typing import Any

import numpy as np

from retrieval.errors import LabError, NotReady
from retrieval.indexes import qdrant
from retrieval.indexes.archive import Chosen, Found
from retrieval.indexes.remote import Remote
from retrieval.indexes.remote_refusal import Refusal
from retrieval.types import Spec, Vectors

SHARDS, REPLICAS = "PARALLAX_QDRANT_SHARDS", "PARALLAX_QDRANT_REPLICAS"
"""Environment variables: how a cluster splits and copies what is loaded from now on."""
WHOLE = 10
"""Kilobytes of a segment up to which the server may compare all; it takes no less."""
SPECS = (
    Spec(
        name="qdrant-server",
        title="Qdrant HNSW (server)",
        target="retrieval.indexes.qdrant_server:Server",
        family="Qdrant",
        knobs=qdrant.SPECS[0].knobs,
        filters="columns",
        needs=("qdrant_client",),
        install="pip install qdrant-client",
        params=(("address", "PARALLAX_QDRANT"), ("port", 6333), ("scheme", "qdrant")),
    ),
)


@cache
def library() -> Any:
    """The client's module, imported by name: it need not be installed."""
    return importlib.import_module("qdrant_client")


class Server(Remote):
    """A collection by inner product; its alias is the mark that it is whole."""

    together = 32

    def _ready(self) -> None:
        library()

    def _connected(self, limit: float) -> Any:
        address = self._address()
        return library().QdrantClient(
            url=f"{address.scheme}://{address.netloc.rpartition('@')[2]}{address.path}",
            port=None if address.port else (443 if address.scheme == "https" else self._port),
            headers={"api-key": self.key} if self.key else None,
            timeout=max(1, round(limit)),
            check_compatibility=False,  # it would ask another server before the first question
        )

    def _create(self, client: Any) -> None:
        models = library().models
        if client.collection_exists(self._rows):
            return
        try:
            client.create_collection(
                self._rows,
                vectors_config=models.VectorParams(size=self.width, distance=models.Distance.DOT),
                hnsw_config=models.HnswConfigDiff(
                    m=self.knobs["m"],
                    ef_construct=self.knobs["ef_construct"],
                    full_scan_threshold=WHOLE,
                ),
                optimizers_config=models.OptimizersConfigDiff(
                    indexing_threshold=0
                ),  # once it is filled
                quantization_config=self._codes(),
                shard_number=number(SHARDS),
                replication_factor=number(REPLICAS),
            )
            for name, column in (self._columns or {}).items():
                kind = "integer" if isinstance(column, np.ndarray) else "keyword"
                client.create_payload_index(self._rows, name, kind)
        except Exception:
            if not client.collection_exists(self._rows):  # else another was faster
                raise

    def _put(self, client: Any, start: int, vectors: Vectors) -> None:
        ids = list(range(start, start + len(vectors)))
        kept = [self._kept(row) for row in ids] if self._columns else None
        batch = library().models.Batch(ids=ids, vectors=vectors.tolist(), payloads=kept)
        client.upsert(self._rows, batch, wait=True)

    def _finish(self, client: Any) -> None:
        threshold = library().models.OptimizersConfigDiff(indexing_threshold=qdrant.INDEXED_FROM)
        client.update_collection(self._rows, optimizers_config=threshold)

    def _indexed(self, client: Any) -> int:
        told = client.get_collection(self._rows)
        if str(told.status) == str(library().models.CollectionStatus.RED):
            raise LabError(f"{self.where} cannot index {self._rows}; see its log")
        if told.status != library().models.CollectionStatus.GREEN:
            return min(told.indexed_vectors_count or 0, self.count - 1)
        small = 4 * self.count * self.width <= WHOLE << 10
        return self.count if small else int(told.indexed_vectors_count or 0)

    def _mark(self, client: Any) -> None:
        models = library().models
        alias = models.CreateAlias(collection_name=self._rows, alias_name=self._name)
        client.update_collection_aliases([models.CreateAliasOperation(create_alias=alias)])

    def _marked(self, client: Any) -> bool:
        if not client.collection_exists(self._rows):
            return False
        found = client.get_collection_aliases(self._rows).aliases
        return any(each.alias_name == self._name for each in found)

    def _drop(self, client: Any) -> None:
        client.delete_collection(self._rows)  # its alias goes with it

    def _count(self, client: Any) -> int:
        return int(client.count(self._rows, exact=True).count)

    def _sample(self, client: Any, rows: list[int]) -> dict[int, Any]:
        found = client.retrieve(self._rows, rows, with_payload=False, with_vectors=True)
        return {int(each.id): each.vector for each in found}

    def _nearest(self, client: Any, queries: Vectors, k: int, chosen: Chosen | None) -> list[Found]:
        models, params = library().models, self._params()
        only = condition(chosen) if chosen else None
        asked = [
            models.QueryRequest(
                query=query, params=params, limit=k, filter=only, with_payload=False
            )
            for query in queries.tolist()
        ]
        answers = client.query_batch_points(self._name, asked)
        return [
            ([int(each.id) for each in found.points], [each.score for each in found.points])
            for found in answers
        ]

    def _params(self) -> Any:
        return library().models.SearchParams(hnsw_ef=self.knobs["hnsw_ef"])

    def _codes(self) -> Any:
        """How the server makes vectors small for the walk; none where it does not."""
        return None

    def _refusal(self, error: Exception) -> Refusal:
        wait = getattr(error, "retry_after_s", None)
        if wait is not None:
            return Refusal(429, str(error), str(wait))
        status = getattr(error, "status_code", None)
        if status is not None:
            return Refusal(int(status), getattr(error, "content", b"").decode("utf-8", "replace"))
        return Refusal(0, str(error) or type(error).__name__)

    @property
    def _rows(self) -> str:
        """The collection behind the alias."""
        return f"{self._name}_rows"


def condition(chosen: Chosen) -> Any:
    """A filter as Qdrant takes it."""
    models, where = library().models, chosen.where
    if where.sign == "=":
        match: Any = {"match": models.MatchAny(any=chosen.wanted)}
    else:
        named = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}[where.sign]
        match = {"range": models.Range(**{named: where.bound})}
    return models.Filter(must=[models.FieldCondition(key=where.column, **match)])


def number(variable: str) -> int | None:
    """A whole number from the environment; none where it is not set.

    Raises:
        NotReady: it is no number from 1.
    """
    given = os.environ.get(variable, "")
    if not given:
        return None
    if not given.isdecimal() or int(given) < 1:
        raise NotReady(f"{variable} is {given[:40]!r}; it must be a whole number from 1")
    return int(given)
