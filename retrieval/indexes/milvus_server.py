"""HNSW, lists and flat search by a Milvus server, a cluster or Zilliz in ``PARALLAX_MILVUS``."""

from __future__ import annotations

import importlib
import logging
from functools import cache, partial
from typing import Any

from retrieval.indexes import milvus
from retrieval.indexes.archive import Chosen, Found
from retrieval.indexes.milvus import KEPT, ROW, VECTOR, expression, field
from retrieval.indexes.remote import Remote
from retrieval.indexes.remote_refusal import Refusal, causes
from retrieval.runtime import servers
from retrieval.types import Spec, Vectors
from retrieval.where import Allowed

STATUS = {"UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403, "RESOURCE_EXHAUSTED": 429}
REFUSALS = {1: 0, 2: 0, 8: 429, 9: 429, 100: 404, 1100: 400, 1800: 401}
"""Milvus's own numbers."""
KNOBS = {each.param("kind"): each.knobs for each in milvus.SPECS}
"""Of Milvus Lite's indexes, which are the same by name."""


def _spec(kind: str, after: str = "") -> Spec:
    return Spec(
        name=f"milvus-server{after}",
        title=f"Milvus {kind} (server)",
        target="retrieval.indexes.milvus_server:Server",
        family="Milvus",
        knobs=KNOBS[kind],
        filters="columns",
        needs=("pymilvus",),
        install="pip install pymilvus",
        params=(
            ("kind", kind),
            ("address", "PARALLAX_MILVUS"),
            ("port", 19530),
            ("scheme", "milvus"),
        ),
    )


SPECS = (
    _spec("HNSW"),
    _spec("IVF_FLAT", "-ivf-flat"),
    _spec("IVF_SQ8", "-ivf-sq8"),
    _spec("FLAT", "-flat"),
)


@cache
def library() -> Any:
    """The client's module, imported by name: it need not be installed."""
    module = importlib.import_module("pymilvus")
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it logs what it raises too
    return module


class Timed:
    """A client each of whose calls ends in time; without a limit it tries for many minutes."""

    def __init__(self, client: Any, limit: float) -> None:
        self._client, self._limit = client, limit

    def __getattr__(self, name: str) -> Any:
        return partial(getattr(self._client, name), timeout=self._limit)


class Server(Remote):
    """A collection by inner product; its alias is the mark that it is whole."""

    batch = 2000
    together = 64

    def _ready(self) -> None:
        library()

    def _connected(self, limit: float) -> Any:
        address = self._address()
        uri = f"{address.scheme}://{address.hostname}:{servers.port(address, self._port)}"
        # one of its own, for all with one address share a channel that backs off for minutes
        client = library().MilvusClient(uri, token=self.key, timeout=limit, dedicated=True)
        return Timed(client, limit)

    def _create(self, client: Any) -> None:
        if not client.has_collection(self._rows):
            client.create_collection(self._rows, schema=self._schema())
        if not client.list_indexes(self._rows, VECTOR):  # nor where it was made and no more
            index = library().MilvusClient.prepare_index_params()
            index.add_index(VECTOR, **milvus.definition(self.spec, self.knobs, self.count))
            client.create_index(self._rows, index)
        client.load_collection(self._rows)

    def _schema(self) -> Any:
        kinds = library().DataType
        schema = library().MilvusClient.create_schema(auto_id=False)
        schema.add_field(ROW, kinds.INT64, is_primary=True)
        schema.add_field(VECTOR, kinds.FLOAT_VECTOR, dim=self.width)
        for name, column in (self._columns or {}).items():
            declared = field(column, kinds)
            schema.add_field(KEPT + name, declared.pop("dtype"), **declared)
        return schema

    def _put(self, client: Any, start: int, vectors: Vectors) -> None:
        part = enumerate(vectors.tolist(), start)
        client.upsert(
            self._rows, [{ROW: row, VECTOR: vector, **self._kept(row)} for row, vector in part]
        )

    def _finish(self, client: Any) -> None:
        client.flush(self._rows)  # until then all rows are compared
        client.load_collection(self._rows)

    def _indexed(self, client: Any) -> int:
        told = client.describe_index(self._rows, VECTOR)
        waiting = int(told.get("pending_index_rows", 0))
        return self.count - min(waiting, self.count)

    def _mark(self, client: Any) -> None:
        if not self._marked(client):
            client.create_alias(self._rows, self._name)

    def _marked(self, client: Any) -> bool:
        if not client.has_collection(self._rows):
            return False
        return self._name in client.list_aliases(self._rows)["aliases"]

    def _drop(self, client: Any) -> None:
        client.drop_alias(self._name)
        client.drop_collection(self._rows)

    def _kept(self, row: int) -> dict[str, Any]:
        return {KEPT + name: value for name, value in super()._kept(row).items()}

    def _count(self, client: Any) -> int:
        client.load_collection(self._rows)
        told = client.query(
            self._rows, filter="", output_fields=["count(*)"], consistency_level="Strong"
        )
        return int(told[0]["count(*)"])

    def _sample(self, client: Any, rows: list[int]) -> dict[int, Any]:
        found = client.get(self._rows, ids=rows, output_fields=[VECTOR])
        return {each[ROW]: each[VECTOR] for each in found}

    def _nearest(self, client: Any, queries: Vectors, k: int, chosen: Chosen | None) -> list[Found]:
        tuned = self._tuned(k, chosen.knobs if chosen else self.knobs)
        answers = client.search(
            self._name,
            data=queries,
            limit=k,
            filter=expression(chosen) if chosen else "",
            anns_field=VECTOR,
            search_params={"metric_type": "IP", "params": tuned},
            output_fields=[ROW],
        )
        return [
            ([each[ROW] for each in found], [each["distance"] for each in found])
            for found in answers
        ]

    def _tuned(self, k: int, knobs: dict[str, int]) -> dict[str, int]:
        """What is set with a search for ``k``, within what a server takes."""
        tuned = milvus.settings(self.spec, knobs, "query")
        if "ef" in tuned:
            tuned["ef"] = max(k, tuned["ef"])
        if "nprobe" in tuned:
            tuned["nprobe"] = min(milvus.lists(knobs, self.count), tuned["nprobe"])
        return tuned

    def _planned(self, k: int, where: Allowed) -> tuple[dict[str, int], str] | None:
        return milvus.planned(self.knobs, self.count, k, where)

    def _refusal(self, error: Exception) -> Refusal:
        told = getattr(error, "details", None)  # of gRPC, whose own text is a table
        text = str(told() if callable(told) else getattr(error, "message", error))
        for each in causes(error):  # a client that cannot connect hides why
            code = getattr(each, "code", None)
            code = code() if callable(code) else code
            if (status := STATUS.get(getattr(code, "name", ""))) is not None:
                return Refusal(status, text)
        code = getattr(error, "code", None)
        return Refusal(REFUSALS.get(code, 500) if isinstance(code, int) else 0, text)

    @property
    def _rows(self) -> str:
        """The collection behind the alias."""
        return f"{self._name}_rows"
