"""HNSW graphs: their knobs, their files, their size."""

from __future__ import annotations

from typing import Any

import numpy as np

from retrieval.errors import Damaged
from retrieval.indexes.beams import beam, told
from retrieval.indexes.faiss_base import library, selector
from retrieval.indexes.graph_knobs import graph_knobs
from retrieval.where import Allowed

GRAPH = "graph.faiss"
"""File name of a graph, in FAISS's format."""
KNOBS = graph_knobs(16, 40)


def search_params(knobs: dict[str, int]) -> Any:
    """Search parameters of a graph."""
    return library().SearchParametersHNSW(efSearch=knobs["efSearch"])


def filtered_params(knobs: dict[str, int], k: int, where: Allowed) -> tuple[Any, str] | None:
    """Search parameters of a filtered walk; none where comparing the few is cheaper."""
    wide = beam(knobs["efSearch"], k, where)
    if wide is None:
        return None
    params = library().SearchParametersHNSW(efSearch=wide, sel=selector(where))
    return params, told(wide, knobs["efSearch"])


def graph_bytes(hnsw: Any) -> int:
    """Bytes of the links (int32), their offsets (int64) and the levels (int32)."""
    return int(4 * hnsw.neighbors.size() + 8 * hnsw.offsets.size() + 4 * hnsw.levels.size())


def check_graph(engine: Any, width: int, count: int) -> None:
    """Whether a graph that was read fits the vectors, so that no link leads outside them.

    Raises:
        Damaged: another width or number of vectors, or a link outside them.
    """
    if engine.d != width or engine.ntotal != count:
        raise Damaged(
            f"{GRAPH} holds {engine.ntotal} vectors of width {engine.d}, "
            f"the vectors are {count} of width {width}; build the index again"
        )
    if not sound(engine.hnsw, count):
        raise Damaged(f"{GRAPH} has links that lead outside its vectors; build the index again")


def sound(hnsw: Any, count: int) -> bool:
    """Whether levels, offsets, links and entry point agree with ``count`` vectors."""
    to_array = library().vector_to_array
    levels, offsets = to_array(hnsw.levels), to_array(hnsw.offsets)
    links, per_level = to_array(hnsw.neighbors), to_array(hnsw.cum_nneighbor_per_level)
    if len(levels) != count or len(offsets) != count + 1 or not len(links):
        return False
    if levels.min() < 1 or levels.max() >= len(per_level):
        return False
    held = np.diff(offsets.astype(np.int64)) == per_level[levels]
    return bool(
        held.all()
        and offsets[-1] == len(links)
        and links.min() >= -1
        and links.max() < count
        and 0 <= hnsw.entry_point < count
        and hnsw.max_level == levels.max() - 1
    )
