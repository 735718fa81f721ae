"""What a collection of Weaviate is: its index, its columns, its filters. No ``SPECS``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from retrieval.indexes.archive import Chosen
from retrieval.indexes.weaviate_client import library
from retrieval.where import Column, Several

KEPT = "kept_"
"""Before the name of a gallery's column: some names are Weaviate's own."""
VECTOR = "default"
"""The name of a collection's only vector."""
OWN = {"ef": "ef", "efConstruction": "ef_construction", "maxConnections": "max_connections"}
"""Knobs, and what the client calls them."""


def vectors(bits: int, knobs: Mapping[str, int]) -> Any:
    """How vectors are held: nothing of it is left to the server's defaults.

    Args:
        bits: of a number in the codes; 0 for whole vectors.
        knobs: those of a graph; none for a flat index.
    """
    config = library().classes.config
    distance, kinds = config.VectorDistances.DOT, config.Configure.VectorIndex
    quantizer = kinds.Quantizer.none()  # the server may have one for all
    if bits:
        quantizer = kinds.Quantizer.rq(bits=bits, rescore_limit=knobs["rescoreLimit"])
    if "ef" in knobs:
        graph = {own: knobs[name] for name, own in OWN.items()}
        index = kinds.hnsw(distance_metric=distance, quantizer=quantizer, **graph)
    else:
        index = kinds.flat(distance_metric=distance, quantizer=quantizer)
    return config.Configure.Vectors.self_provided(vector_index_config=index)


def wanted(bits: int, knobs: Mapping[str, int]) -> dict[str, Any]:
    """What ``settings`` tells of an index that ``vectors`` asked for."""
    kind = "hnsw" if "ef" in knobs else "flat"
    return {"kind": kind, "distance": "dot", "bits": bits, **knobs}


def settings(found: Any) -> dict[str, Any]:
    """What an index is, as the client tells it, by the names of the knobs."""
    codes = found.quantizer
    told = {name: getattr(found, own) for name, own in OWN.items() if hasattr(found, own)}
    told |= {"rescoreLimit": codes.rescore_limit} if codes else {}
    return told | {
        "kind": found.vector_index_type(),
        "distance": found.distance_metric.value,
        "bits": getattr(codes, "bits", -1) if codes else 0,
    }


def kept(name: str, column: Column) -> Any:
    """A column that is filtered by."""
    config = library().classes.config
    if isinstance(column, np.ndarray):
        return config.Property(
            name=KEPT + name, data_type=config.DataType.INT, index_range_filters=True
        )
    several = isinstance(column, Several)
    return config.Property(
        name=KEPT + name,
        data_type=config.DataType.TEXT_ARRAY if several else config.DataType.TEXT,
        tokenization=config.Tokenization.FIELD,
        index_searchable=False,
    )


def value(given: Any) -> Any:
    """A column's value as it is kept: words in quotes, as spaces at their ends are taken off."""
    if isinstance(given, list):
        return [value(each) for each in given]
    return given if isinstance(given, int) else f'"{given}"'


def condition(chosen: Chosen) -> Any:
    """A filter as Weaviate takes it."""
    where = chosen.where
    by = library().classes.query.Filter.by_property(KEPT + where.column)
    if where.sign == "=":
        return by.contains_any([value(each) for each in chosen.wanted])
    named = {"<": "less_than", "<=": "less_or_equal", ">": "greater_than", ">=": "greater_or_equal"}
    return getattr(by, named[where.sign])(where.bound)
