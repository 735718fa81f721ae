"""A gallery's vectors in files of a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.embedders.base import unit
from retrieval.types import Metric, Vectors

SIZE = 8_000_000
"""Bytes of one file, at most."""


def write(folder: Path, chunks: Sequence[Vectors], key: Mapping[str, Any]) -> None:
    """Write vectors as float16 (or bits) in files of at most ``SIZE`` bytes.

    Args:
        folder: is there.
        chunks: (n, dim) float32 or (n, bytes) uint8 each, in the order of the rows.
        key: with their ``metric`` and ``dim``.
    """
    packed = key["metric"] == Metric.HAMMING
    width = key["dim"] // 8 if packed else key["dim"]
    dtype = np.uint8 if packed else np.float16
    whole = np.concatenate([np.empty((0, width), dtype), *(each.astype(dtype) for each in chunks)])
    rows = max(1, SIZE // (width * whole.itemsize))
    for number, start in enumerate(range(0, max(len(whole), 1), rows)):
        np.save(folder / f"vectors-{number:05}.npy", whole[start : start + rows])


def read(folder: Path, metric: Metric) -> Vectors:
    """The vectors of a checked folder: float32 rows of length 1, or packed bits."""
    shards = [np.load(path, allow_pickle=False) for path in sorted(folder.glob("vectors-*.npy"))]
    whole = shards[0] if len(shards) == 1 else np.concatenate(shards)
    return whole if metric is Metric.HAMMING else unit(whole)
