"""Weaviate's REST and gRPC interfaces on loopback: real graphs, exact under a filter.

As the real one does, it answers exactly where a filter leaves fewer than 40,000 rows, finds a
collection by its alias, and makes one by itself when vectors come for one that is not there.
"""

from __future__ import annotations

import operator
from concurrent import futures
from typing import Any
from uuid import UUID

import grpc
import numpy as np
from weaviate.proto.v1 import aggregate_pb2, base_pb2, batch_pb2, search_get_pb2, weaviate_pb2_grpc

from tests.fakegraph import Nearest
from tests.fakegrpc import Bearer
from tests.fakeserver import Answer, Fake

HNSW = {
    "cleanupIntervalSeconds": 300,
    "distance": "cosine",
    "dynamicEfFactor": 8,
    "dynamicEfMax": 500,
    "dynamicEfMin": 100,
    "ef": -1,
    "efConstruction": 128,
    "filterStrategy": "acorn",
    "flatSearchCutoff": 40_000,
    "maxConnections": 32,
    "skip": False,
    "vectorCacheMaxObjects": 10**12,
}
FLAT = {"distance": "cosine", "vectorCacheMaxObjects": 10**12}
OFF = {each: {"enabled": False} for each in ("pq", "bq", "sq", "rq")}
PROPERTY = {"indexFilterable": True, "indexSearchable": True, "indexRangeFilters": False}
REST = {
    "invertedIndexConfig": {
        "bm25": {"b": 0.75, "k1": 1.2},
        "cleanupIntervalSeconds": 60,
        "stopwords": {"additions": None, "preset": "en", "removals": None},
    },
    "multiTenancyConfig": {"enabled": False},
    "replicationConfig": {"factor": 1, "asyncEnabled": False},
    "shardingConfig": {
        "virtualPerPhysical": 128,
        "desiredCount": 1,
        "actualCount": 1,
        "desiredVirtualCount": 128,
        "actualVirtualCount": 128,
        "key": "_id",
        "strategy": "hash",
        "function": "murmur3",
    },
}
"""What it says of a collection where nothing was said when it was made."""
COMPARED = {
    base_pb2.Filters.OPERATOR_LESS_THAN: operator.lt,
    base_pb2.Filters.OPERATOR_LESS_THAN_EQUAL: operator.le,
    base_pb2.Filters.OPERATOR_GREATER_THAN: operator.gt,
    base_pb2.Filters.OPERATOR_GREATER_THAN_EQUAL: operator.ge,
}


class Weaviate(Fake):
    """Collections, aliases and objects.

    Attributes:
        version: what it says it is.
        slowly: times that it says that vectors are waiting to be indexed.
        full: objects of a batch that it does not take.
    """

    header = "authorization"

    def __init__(self) -> None:
        self.held: dict[str, Collection] = {}
        self.aliases: dict[str, str] = {}
        self.version, self.slowly, self.full, self.grpc_port = "1.34.0", 0, 0, 0
        super().__init__()

    @property
    def address(self) -> str:
        return f"{super().address}?grpc={self.grpc_port}"

    def start(self) -> None:
        super().start()
        pool = futures.ThreadPoolExecutor(8)
        options = [("grpc.so_reuseport", 1), ("grpc.max_receive_message_length", 1 << 26)]
        self._calls = grpc.server(pool, interceptors=[Bearer(self)], options=options)
        add: Any = weaviate_pb2_grpc.add_WeaviateServicer_to_server
        add(Service(self), self._calls)
        self.grpc_port = self._calls.add_insecure_port(f"127.0.0.1:{self.grpc_port}")
        self._calls.start()

    def stop(self) -> None:
        super().stop()
        self._calls.stop(None).wait(10)

    def close(self) -> None:
        self.stop()

    def refused(self, status: int) -> Any:
        return {"error": [{"message": f"mood {status}"}]}

    def answer(self, method: str, path: list[str], query: dict[str, Any], body: Any) -> Answer:
        match (method, *path[1:]):
            case ("GET", "meta"):
                return 200, {"hostname": self.address, "version": self.version, "modules": {}}
            case ("POST", "schema"):
                return self._create(body)
            case (_, "schema", name):
                return self._schema(method, name)
            case ("POST", "aliases"):
                return self._alias(body["alias"], body["class"])
            case ("GET", "aliases", name):
                found = self.aliases.get(name)
                return (200, {"alias": name, "class": found}) if found else (404, None)
            case ("DELETE", "aliases", name):
                return (204 if self.aliases.pop(name, None) else 404), None
            case ("GET", "nodes", name):
                return 200, {"nodes": [self._node(name)]}
        return 404, {"code": 404, "message": f"path /{'/'.join(path)} was not found"}

    def _create(self, body: Any) -> Answer:
        if body["class"] in self.held or body["class"] in self.aliases:
            message = f"class name {body['class']} already exists"
            return 422, {"error": [{"message": message}]}
        self.held[body["class"]] = made = Collection(body)
        return 200, made.config

    def _schema(self, method: str, name: str) -> Answer:
        if method == "DELETE":
            self.held.pop(name, None)
            return 200, None
        return (200, self.held[name].config) if name in self.held else (404, None)

    def _alias(self, alias: str, name: str) -> Answer:
        if alias in self.aliases or alias in self.held or name not in self.held:
            return 422, {"error": [{"message": f"alias {alias} cannot be made"}]}
        self.aliases[alias] = name
        return 200, {"alias": alias, "class": name}

    def _node(self, name: str) -> dict[str, Any]:
        count, waiting = len(self.held[name].objects), self.slowly > 0
        self.slowly -= waiting
        shard = {
            "class": name,
            "name": "shard",
            "objectCount": count,
            "vectorIndexingStatus": "INDEXING" if waiting else "READY",
            "vectorQueueLength": count // 2 if waiting else 0,
            "compressed": False,
            "loaded": True,
        }
        return {"name": "node1", "status": "HEALTHY", "version": self.version, "shards": [shard]}


class Collection:
    """Objects by their names, and a graph over them once it is asked for."""

    def __init__(self, body: dict[str, Any]) -> None:
        (vector,) = (body.get("vectorConfig") or {"default": {}}).values()
        kind = vector.get("vectorIndexType", "hnsw")
        given = dict(vector.get("vectorIndexConfig") or {})
        for codes in set(given) & set(OFF):
            given[codes] = {"enabled": True, **given[codes]}
        index = {**(FLAT if kind == "flat" else HNSW), **OFF, **given}
        told = {"vectorizer": {"none": {}}, "vectorIndexType": kind, "vectorIndexConfig": index}
        kept = [{**PROPERTY, **each} for each in body.get("properties", [])]
        vectors = {"default": told}
        self.config = {**REST, **body, "properties": kept, "vectorConfig": vectors}
        self.index, self.flat = index, kind == "flat"
        self.objects: dict[UUID, tuple[Any, dict[str, Any]]] = {}
        self._made: Any = None

    def put(self, given: Any) -> None:
        (vector,) = given.vectors
        kept = dict(given.properties.non_ref_properties)
        kept |= {each.prop_name: [*each.values] for each in given.properties.text_array_properties}
        self.objects[UUID(given.uuid)] = np.frombuffer(vector.vector_bytes, np.float32), kept
        self._made = None

    def near(self, query: Any, k: int, only: Any) -> list[tuple[UUID, float]]:
        """Names and distances of the k nearest, nearest first."""
        if not self.objects:
            return []
        if self._made is None:
            rows = np.stack([vector for vector, _ in self.objects.values()])
            self._made = list(self.objects), Nearest(rows, None if self.flat else self.index)
        names, made = self._made
        among = None
        if only is not None:
            among = np.array([at for at, each in enumerate(names) if self.fits(each, only)], int)
        return [(names[at], -score) for at, score in made.best(query, k, among)]

    def fits(self, name: UUID, only: Any) -> bool:
        """Whether an object passes a filter."""
        if only.operator == base_pb2.Filters.OPERATOR_OR:
            return any(self.fits(name, each) for each in only.filters)
        if only.target.property == "_id":
            return str(name) == str(only.value_text)
        mine: Any = self.objects[name][1][only.target.property]
        if only.operator == base_pb2.Filters.OPERATOR_CONTAINS_ANY:
            wanted = only.value_text_array.values or only.value_int_array.values
            having = mine if isinstance(mine, list) else [mine]
            return not {token(each) for each in having}.isdisjoint(token(each) for each in wanted)
        return bool(COMPARED[only.operator](mine, only.value_int))


def token(value: Any) -> Any:
    """A word as an inverted index has it."""
    return value.strip() if isinstance(value, str) else value


class Service(weaviate_pb2_grpc.WeaviateServicer):
    """The calls that Parallax makes."""

    def __init__(self, server: Weaviate) -> None:
        self.server = server

    def _found(self, name: str, context: Any) -> Any:
        name = self.server.aliases.get(name, name)
        if name not in self.server.held:
            context.abort(grpc.StatusCode.UNKNOWN, f"could not find class {name} in schema")
        return self.server.held[name]

    def Search(self, request: Any, context: Any) -> Any:
        with self.server.turn:
            held = self._found(request.collection, context)
            only = request.filters if request.HasField("filters") else None
            if request.HasField("near_vector"):
                (given,) = request.near_vector.vectors
                query = np.frombuffer(given.vector_bytes, np.float32)
                found = held.near(query, request.limit, only)
            else:
                passed = (each for each in held.objects if only is None or held.fits(each, only))
                found = [(each, 0.0) for each in passed][: request.limit]
            vectors = request.metadata.vector
            return search_get_pb2.SearchReply(
                results=[result(held, named, far, vectors) for named, far in found]
            )

    def BatchObjects(self, request: Any, context: Any) -> Any:
        with self.server.turn:
            if self.server.full:
                full = [{"index": at, "error": "no room"} for at in range(len(request.objects))]
                return batch_pb2.BatchObjectsReply(errors=full[: self.server.full])
            for each in request.objects:
                if each.collection not in self.server.held:  # as its auto-schema does
                    self.server.held[each.collection] = Collection({"class": each.collection})
                self.server.held[each.collection].put(each)
            return batch_pb2.BatchObjectsReply()

    def Aggregate(self, request: Any, context: Any) -> Any:
        with self.server.turn:
            count = len(self._found(request.collection, context).objects)
            single = aggregate_pb2.AggregateReply.Single(objects_count=count)
            return aggregate_pb2.AggregateReply(single_result=single)


def result(held: Collection, name: UUID, distance: float, vectors: bool) -> Any:
    """An object of an answer."""
    told = search_get_pb2.MetadataResult(
        id_as_bytes=name.bytes, distance=distance, distance_present=True
    )
    if vectors:
        told.vectors.add(
            name="default",
            vector_bytes=held.objects[name][0].tobytes(),
            type=base_pb2.Vectors.VECTOR_TYPE_SINGLE_FP32,
        )
    return search_get_pb2.SearchResult(metadata=told)
