"""Product quantisers: into how many parts vectors can be cut. Holds no index: no ``SPECS``."""

from __future__ import annotations

from retrieval.errors import BadKnob, BadVectors
from retrieval.indexes.base import Index
from retrieval.types import Knob


def cut(each: str, unit: str = "sub-quantisers") -> Knob:
    """The knob of how many parts a vector is cut into.

    Args:
        each: what a part takes, and what else must be known.
        unit: what is counted.
    """
    return Knob(
        name="m",
        low=4,
        high=256,
        default=64,
        when="build",
        scale="log2",
        unit=unit,
        help=f"Parts that a vector is cut into, {each}.",
    )


def sub_quantisers(index: Index, bits: int, instead: str) -> int:
    """An index's knob ``m``, where it and the vectors allow to train.

    Args:
        index: what is built.
        bits: of a part, at least.
        instead: the index to take where the vectors cannot be cut.

    Raises:
        BadKnob: it does not divide the width.
        BadVectors: fewer vectors than a sub-quantiser has centroids.
    """
    parts = index.knobs["m"]
    if index.width % parts:
        most = index.width & -index.width  # the largest power of two that divides it
        raise BadKnob(
            f"m is {parts}; it must divide the vectors' {index.width} dimensions: "
            + (f"take a power of two up to {most}" if most >= 4 else f"take {instead}")
        )
    if index.count < 2**bits:
        raise BadVectors(
            f"{index.spec.name} needs {2**bits} vectors to train, got {index.count}; "
            f"take exact or {instead}"
        )
    return parts
