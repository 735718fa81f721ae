"""Vectors to measure with where the gallery's own are not asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def clustered(count: int, dim: int, seed: int = 0) -> NDArray[np.float32]:
    """Rows of length 1 around ``count ** 0.5`` centres, (count, dim)."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((max(1, round(count**0.5)), dim), dtype=np.float32)
    rows = centres[rng.integers(len(centres), size=count)]
    return unit(rows + 0.7 * rng.standard_normal((count, dim), dtype=np.float32))


def near(vectors: NDArray[np.float32], count: int, seed: int = 1) -> NDArray[np.float32]:
    """Queries beside rows drawn from ``vectors``, (count, dim)."""
    rng = np.random.default_rng(seed)
    rows = vectors[rng.integers(len(vectors), size=count)]
    noise = rng.standard_normal(rows.shape, dtype=np.float32) / np.sqrt(rows.shape[1])
    return unit(rows + 0.3 * noise.astype(np.float32))


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rows at length 1."""
    lengths: NDArray[np.float32] = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / lengths


def read(path: Path) -> NDArray[np.float32]:
    """Vectors from a .npy file, as float32 of length 1."""
    return unit(np.load(path, allow_pickle=False).astype(np.float32))
