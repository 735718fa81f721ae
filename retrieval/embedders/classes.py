"""The vectors of ImageNet's 1,000 classes, made by ``scripts/make_class_vectors.py``."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import Damaged

FILE = Path(__file__).parents[2] / "data" / "conse" / "classes.npy"
SHA256 = "081fd7a6430251992d206917313c39eff8f8c78633b16902483ee136ac496448"
"""Of the file; a new file is a new revision of the embedders that read it."""


def load(path: Path = FILE) -> NDArray[np.float32]:
    """One row of length 1 for each class, in ImageNet's order: (1000, 384).

    Raises:
        Damaged: the file is gone or is not the one that the vectors are of.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Damaged(f"{path.name} cannot be read ({error.strerror}); {_REMEDY}") from error
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise Damaged(f"{path.name} is not the file that was shipped; {_REMEDY}")
    rows: NDArray[np.float32] = np.load(io.BytesIO(data), allow_pickle=False)
    return rows


_REMEDY = "take data/conse from the repository again, or run scripts/make_class_vectors.py"
