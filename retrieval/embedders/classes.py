"""The vectors of ImageNet's 1,000 classes, made by ``scripts/make_class_vectors.py``."""

from __future__ import annotations

from pathlib import Path

from numpy import float32
from numpy.typing import NDArray

from retrieval.embedders import shipped

FILE = shipped.DATA / "conse" / "classes.npy"
SHA256 = "081fd7a6430251992d206917313c39eff8f8c78633b16902483ee136ac496448"
"""Of the file; a new file is a new revision of the embedders that read it."""


def load(path: Path = FILE) -> NDArray[float32]:
    """One row of length 1 for each class, in ImageNet's order: (1000, 384).

    Raises:
        Damaged: the file is gone or is not the one that the vectors are of.
    """
    remedy = "take data/conse from the repository again, or run scripts/make_class_vectors.py"
    return shipped.load(path, SHA256, remedy)
