"""Qdrant's REST interface over its own engine in process: real graphs, real knobs."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from retrieval.indexes import qdrant
from tests.fakeserver import Answer, Fake


@dataclass
class Collection:
    config: dict[str, Any]
    engine: Any
    folder: Path
    patched: dict[str, Any] = field(default_factory=dict)
    aliases: set[str] = field(default_factory=set)


class Bad(Exception):
    """What the server refuses: a status and its words."""


class Qdrant(Fake):
    """Collections, points and aliases, as far as Parallax asks for them."""

    def __init__(self) -> None:
        self.held: dict[str, Collection] = {}
        super().__init__()

    def close(self) -> None:
        self.stop()
        for each in self.held.values():
            shutil.rmtree(each.folder, ignore_errors=True)

    def refused(self, status: int) -> Any:
        return {"status": {"error": f"mood {status}"}, "time": 0}

    def answer(self, method: str, path: list[str], query: dict[str, Any], body: Any) -> Answer:
        try:
            return self._answer(method, path, body)
        except Bad as error:
            status, words = error.args
            return status, {"status": {"error": f"{words}"}, "time": 0}

    def _answer(self, method: str, path: list[str], body: Any) -> Answer:
        if path == ["collections", "aliases"]:
            return self._alias(body["actions"])
        name = path[1]
        if method == "GET" and path[2:] == ["exists"]:
            return good({"exists": name in self.held})
        if method == "PUT" and len(path) == 2:
            return self._create(name, body)
        found = self._find(name)
        if found is None:
            return 404, {"status": {"error": f"Not found: Collection `{name}` doesn't exist!"}}
        return self._on(method, path, found, name, body)

    def _on(self, method: str, path: list[str], found: Collection, name: str, body: Any) -> Answer:
        action = (method, *path[2:])
        if action == ("DELETE",):
            shutil.rmtree(self.held.pop(name).folder)
            return good(True)
        if action == ("PATCH",):
            found.patched = body
            found.engine.optimize()
            return good(True)
        if action == ("GET",):
            return good(told(found))
        if action == ("GET", "aliases"):
            listed = [{"alias_name": each, "collection_name": name} for each in found.aliases]
            return good({"aliases": listed})
        answers = {
            ("PUT", "points"): put,
            ("PUT", "index"): index,
            ("POST", "points", "count"): count,
            ("POST", "points"): retrieve,
            ("POST", "points", "query", "batch"): nearest,
        }
        return good(answers[action](found.engine, body))

    def _find(self, name: str) -> Collection | None:
        behind = (each for each in self.held.values() if name in each.aliases)
        return self.held.get(name) or next(behind, None)

    def _alias(self, actions: list[dict[str, Any]]) -> Answer:
        for each in actions:
            made = each["create_alias"]
            self.held[made["collection_name"]].aliases.add(made["alias_name"])
        return good(True)

    def _create(self, name: str, body: dict[str, Any]) -> Answer:
        if name in self.held:
            return 409, {"status": {"error": f"Collection `{name}` already exists!"}}
        library, hnsw = qdrant.library(), body["hnsw_config"]
        folder = Path(tempfile.mkdtemp(prefix="fakeqdrant-"))
        config = library.EdgeConfig(
            vectors=library.EdgeVectorParams(
                size=body["vectors"]["size"],
                distance=getattr(library.Distance, body["vectors"]["distance"]),
            ),
            hnsw_config=library.HnswIndexConfig(
                m=hnsw["m"], ef_construct=hnsw["ef_construct"], full_scan_threshold=0
            ),
            quantization_config=codes(body.get("quantization_config")),
            optimizers=library.EdgeOptimizersConfig(
                default_segment_number=1, indexing_threshold=1, max_segment_size=1 << 40
            ),
            max_search_threads=1,
        )
        self.held[name] = Collection(body, library.EdgeShard.create(str(folder), config), folder)
        return good(True)


def good(result: Any) -> Answer:
    return 200, {"result": result, "status": "ok", "time": 0.001}


def codes(given: dict[str, dict[str, Any]] | None) -> Any:
    """Quantisation as the engine takes it; what the server would not take is refused."""
    if given is None:
        return None
    for kind, made in (("scalar", scalar), ("product", product), ("binary", binary)):
        if kind in given:
            return made(given[kind])
    raise unknown()


def scalar(given: dict[str, Any]) -> Any:
    library, quantile = qdrant.library(), given.get("quantile")
    if given.get("type") != "int8":
        raise unknown()
    if quantile is not None and not 0.5 <= quantile <= 1:
        raise invalid("quantization_config.scalar.quantile", quantile, "must be from 0.5 to 1.0")
    kept = given.get("always_ram")
    return library.ScalarQuantizationConfig(library.ScalarType.Int8, quantile, kept)


def product(given: dict[str, Any]) -> Any:
    library, ratio = qdrant.library(), given.get("compression")
    if ratio not in ("x4", "x8", "x16", "x32", "x64"):
        raise unknown()
    small = getattr(library.CompressionRatio, ratio.upper())
    return library.ProductQuantizationConfig(small, given.get("always_ram"))


def binary(given: dict[str, Any]) -> Any:
    return qdrant.library().BinaryQuantizationConfig(given.get("always_ram"))


def unknown() -> Bad:
    words = "data did not match any variant of untagged enum QuantizationConfig"
    return Bad(400, f"Format error in JSON body: {words}")


def invalid(place: str, value: float, rule: str) -> Bad:
    return Bad(422, f"Validation error in JSON body: [{place}: value {value} invalid, {rule}]")


def told(found: Collection) -> dict[str, Any]:
    held = found.engine.info()
    return {
        "status": "green",
        "optimizer_status": "ok",
        "indexed_vectors_count": held.indexed_vectors_count,
        "points_count": held.points_count,
        "segments_count": held.segments_count,
        "config": {
            "params": {"vectors": found.config["vectors"]},
            "hnsw_config": found.config["hnsw_config"],
            "quantization_config": found.config.get("quantization_config"),
            "optimizer_config": {
                "deleted_threshold": 0.2,
                "vacuum_min_vector_number": 1000,
                "default_segment_number": 1,
                "flush_interval_sec": 5,
            },
        },
        "payload_schema": {},
    }


def put(engine: Any, body: dict[str, Any]) -> Any:
    library, batch = qdrant.library(), body["batch"]
    kept = batch.get("payloads") or [None] * len(batch["ids"])
    points = [
        library.Point(row, vector, payload)
        for row, vector, payload in zip(batch["ids"], batch["vectors"], kept, strict=True)
    ]
    engine.update(library.UpdateOperation.upsert_points(points))
    return {"operation_id": 0, "status": "completed"}


def count(engine: Any, body: dict[str, Any]) -> Any:
    return {"count": engine.info().points_count}


def retrieve(engine: Any, body: dict[str, Any]) -> Any:
    return [
        {"id": each.id, "vector": each.vector} for each in engine.retrieve(body["ids"], False, True)
    ]


def nearest(engine: Any, body: dict[str, Any]) -> Any:
    return [near(engine, each) for each in body["searches"]]


def near(engine: Any, body: dict[str, Any]) -> Any:
    library = qdrant.library()
    params = library.SearchParams(
        hnsw_ef=body["params"]["hnsw_ef"], quantization=again(body["params"].get("quantization"))
    )
    query = library.Query.Nearest(body["query"]["nearest"])
    only = condition(body["filter"]) if body.get("filter") else None
    request = library.QueryRequest(limit=body["limit"], query=query, params=params, filter=only)
    found = engine.query(request)
    return {"points": [{"id": each.id, "version": 0, "score": each.score} for each in found]}


def again(given: dict[str, Any] | None) -> Any:
    """How a search scores again; none where nothing is said of it."""
    if given is None:
        return None
    times = given.get("oversampling")
    if times is not None and times < 1:
        place = "searches[0].params.quantization.oversampling"
        raise invalid(place, times, "must be 1.0 or larger")
    made = qdrant.library().QuantizationSearchParams
    return made(bool(given.get("ignore")), given.get("rescore"), times)


def index(engine: Any, body: dict[str, Any]) -> Any:
    library = qdrant.library()
    kind = getattr(library.PayloadSchemaType, body["field_schema"].capitalize())
    engine.update(library.UpdateOperation.create_field_index(body["field_name"], kind))
    return {"operation_id": 0, "status": "completed"}


def condition(given: dict[str, Any]) -> Any:
    library = qdrant.library()
    (each,) = given["must"]
    if each.get("match"):
        match = library.MatchAny(each["match"]["any"])
        return library.Filter(must=[library.FieldCondition(each["key"], match=match)])
    bounds = {name: value for name, value in each["range"].items() if value is not None}
    bound = library.RangeFloat(**bounds)
    return library.Filter(must=[library.FieldCondition(each["key"], range=bound)])
