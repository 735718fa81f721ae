"""HNSW as Weaviate has it: whole vectors or codes in the graph, the best scored again."""

from __future__ import annotations

from typing import Any

import numpy as np

from retrieval.indexes.faiss_base import library


class Nearest:
    """The nearest of some rows.

    Args:
        rows: (n, width) of length 1.
        index: the collection's settings; none for a flat index.
    """

    def __init__(self, rows: Any, index: dict[str, Any] | None) -> None:
        self.rows, self.index = rows, index or {}
        self.rq = {"enabled": False, "bits": 8, "rescoreLimit": 0, **self.index.get("rq", {})}
        self.graph: Any = None
        if index is not None:
            self.codes = coded(turned(rows, self.rq), self.rq)
            faiss = library()
            faiss.omp_set_num_threads(1)  # of this call's thread: two wait for each other
            links = index["maxConnections"]
            self.graph = faiss.IndexHNSWFlat(self.codes.shape[1], links, faiss.METRIC_INNER_PRODUCT)
            self.graph.hnsw.efConstruction = index["efConstruction"]
            self.graph.add(self.codes)

    def best(self, query: Any, k: int, among: Any) -> list[tuple[int, float]]:
        """The k best and their scores; exactly where it is said which rows may answer."""
        if among is not None or self.graph is None:
            return best(self.rows, np.arange(len(self.rows)) if among is None else among, query, k)
        ef, asked = self.index["ef"], turned(query, self.rq)
        beam = min(max(ef if ef > 0 else min(max(8 * k, 100), 500), k), len(self.rows))
        tuned = library().SearchParametersHNSW(efSearch=beam)
        found = self.graph.search(asked[None], beam, params=tuned)[1][0]
        found, limit = found[found >= 0], self.rq["rescoreLimit"]
        if self.rq["enabled"] and not limit:
            return best(self.codes, found, asked, k)
        return best(self.rows, found[: limit if limit >= k else None], query, k)


def turned(rows: Any, rq: dict[str, Any]) -> Any:
    """Rows as RQ compares them: for a bit a number turned at random, 256 numbers or more."""
    if not rq["enabled"] or rq["bits"] != 1:
        return rows
    wide, width = max(256, rows.shape[-1]), rows.shape[-1]
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((wide, width)))[0]
    return (rows @ turn.T).astype(np.float32)


def coded(rows: Any, rq: dict[str, Any]) -> Any:
    """Turned rows as 8 bits or 1 bit a number keep them; as they are without codes."""
    if not rq["enabled"]:
        return rows
    if rq["bits"] == 1:
        return np.where(rows > 0, 1, -1).astype(np.float32) / np.float32(rows.shape[1] ** 0.5)
    step = np.abs(rows).max(axis=1, keepdims=True) / 127
    return (np.round(rows / step) * step).astype(np.float32)


def best(rows: Any, among: Any, query: Any, k: int) -> list[tuple[int, float]]:
    """The best of some rows and their scores, best first."""
    scores = rows[among] @ query
    order = np.argsort(-scores, kind="stable")[:k]
    return [(int(among[each]), float(scores[each])) for each in order]
