"""Pinecone's data interface by exact search; what is written shows a little later."""

from __future__ import annotations

import operator
from itertools import islice
from typing import Any

import numpy as np

from tests.fakeserver import Answer, Fake

MOST = 2 << 20
"""Bytes of a request, as the real one has it."""
KEPT: dict[str, Any] = {}


class Pinecone(Fake):
    """Namespaces of vectors by name.

    Attributes:
        width: of the index.
        late: times that ``describe_index_stats`` does not yet know of what was written.
    """

    def __init__(self, width: int = 0) -> None:
        self.width, self.late = width, 0
        self.held: dict[str, dict[str, Any]] = {}
        self._counts: dict[str, tuple[int, int]] = {}
        super().__init__()

    def close(self) -> None:
        self.stop()

    def answer(self, method: str, path: list[str], query: dict[str, Any], body: Any) -> Answer:
        space = (
            (query.get("namespace") or [(body or {}).get("namespace", "")])[0]
            if query
            else ((body or {}).get("namespace", ""))
        )
        held = self.held.setdefault(space, {}) if space else {}
        match path:
            case ["describe_index_stats"]:
                return 200, self._stats()
            case ["vectors", "upsert"]:
                return self._upsert(space, held, body["vectors"])
            case ["vectors", "fetch"]:
                return 200, {"namespace": space, "vectors": fetched(held, query["ids"])}
            case ["vectors", "delete"]:
                for name in list(held) if body.get("deleteAll") else body["ids"]:
                    held.pop(name, None)
                return 200, {}
            case ["query"]:
                return 200, {"namespace": space, "matches": best(held, body)}
        return 404, {"error": {"code": "NOT_FOUND", "message": "/".join(path)}, "status": 404}

    def _upsert(self, space: str, held: dict[str, Any], vectors: list[Any]) -> Answer:
        if any(len(each["values"]) != self.width for each in vectors) and self.width:
            return 400, {"message": f"Vector dimension does not match {self.width}"}
        held |= {each["id"]: each for each in vectors}
        return 200, {"upsertedCount": len(vectors)}

    def _stats(self) -> dict[str, Any]:
        for space, held in self.held.items():
            left, known = self._counts.get(space, (self.late, 0))
            if known != len(held):
                left, known = (left - 1, known) if left else (self.late, len(held))
            self._counts[space] = left, known
        shown = {
            space: {"vectorCount": known} for space, (_, known) in self._counts.items() if known
        }
        whole = {"namespaces": shown, "totalVectorCount": sum(map(len, self.held.values()))}
        width = {"dimension": self.width} if self.width else {}
        return {**whole, **width, "metric": "dotproduct", "indexFullness": 0}


def fetched(held: dict[str, Any], names: list[str]) -> dict[str, Any]:
    return {name: held[name] for name in names if name in held}


def best(held: dict[str, Any], body: dict[str, Any]) -> list[dict[str, Any]]:
    names, rows = matrix(held)
    scores = rows @ np.array(body["vector"], dtype=np.float32)
    order = np.argsort(-scores, kind="stable").tolist()
    only = body.get("filter") or {}
    kept = (each for each in order if allowed(held[names[each]].get("metadata") or {}, only))
    order = list(islice(kept, body["topK"]))
    return [{"id": names[each], "score": float(scores[each])} for each in order]


SIGNS = {"$lt": operator.lt, "$lte": operator.le, "$gt": operator.gt, "$gte": operator.ge}


def allowed(metadata: dict[str, Any], only: dict[str, Any]) -> bool:
    for name, wanted in only.items():
        ((sign, value),) = wanted.items()
        mine: Any = metadata.get(name)
        met = among(mine, value) if sign == "$in" else SIGNS[sign](mine, value)
        if not met:
            return False
    return True


def among(mine: Any, wanted: list[Any]) -> bool:
    """One of a list of texts is enough, as the real one has it."""
    return any(each in wanted for each in (mine if isinstance(mine, list) else [mine]))


def matrix(held: dict[str, Any]) -> tuple[list[str], Any]:
    """Names and their vectors, kept until there are others."""
    whole = tuple(map(id, held.values()))
    if KEPT.get("whole") != whole:
        rows = np.array([each["values"] for each in held.values()], dtype=np.float32)
        KEPT.update(whole=whole, matrix=(list(held), rows))
    found: tuple[list[str], Any] = KEPT["matrix"]
    return found
