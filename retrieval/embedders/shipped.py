"""Arrays that ship with the project, each in the one version that stored vectors are of."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import Damaged

DATA = Path(__file__).parents[2] / "data"


def load(path: Path, sha256: str, remedy: str) -> NDArray[Any]:
    """An array from a file of known SHA-256.

    Raises:
        Damaged: the file is gone or is not the one that the vectors are of.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Damaged(f"{path.name} cannot be read ({error.strerror}); {remedy}") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise Damaged(f"{path.name} is not the file that was shipped; {remedy}")
    array: NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    return array


def save(path: Path, array: NDArray[Any]) -> str:
    """Write an array and give the SHA-256 that its reader must hold."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())
    return hashlib.sha256(buffer.getvalue()).hexdigest()
