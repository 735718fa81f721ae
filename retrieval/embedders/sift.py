"""The museum's second room: SIFT and a bag of visual words.

Lowe, Distinctive image features from scale-invariant keypoints, International Journal of
Computer Vision 60(2), 2004; Sivic and Zisserman, Video Google, ICCV 2003. A picture is the tf-idf
vector of the words nearest to its keypoints, under square roots (Arandjelovic and Zisserman,
Three things everyone should know to improve object retrieval, CVPR 2012).
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from retrieval.embedders import shipped
from retrieval.embedders.base import Embedder
from retrieval.types import Licence, Spec, Vectors

WORDS = 511
"""Visual words; one more stands for a picture without any keypoint."""
MOST = 400
"""Keypoints of one picture, the strongest."""
SIDE = 320
FILE = shipped.DATA / "sift" / "words.npy"
SHA256 = "70e3b3f9073163e97f02bf67a5762ad25b1d9755731281e1ffb2123392df9c66"
SPECS = (
    Spec(
        name="sift-words",
        title="SIFT, bag of words",
        target=f"{__name__}:Words",
        family="Museum",
        dim=WORDS + 1,
        note="retired: kept to show why",
        needs=("cv2",),
        install="pip install opencv-python-headless==5.0.0.93",
        licence=Licence("Apache-2.0", "yes", "https://github.com/opencv/opencv/blob/5.x/LICENSE"),
        source="https://pypi.org/project/opencv-python-headless/",
        revision=f"opencv-python-headless==5.0.0.93 words {SHA256[:16]}",
        preprocessing=f"grey, at most {SIDE} pixels a side, {MOST} keypoints, RootSIFT, tf-idf",
        side=SIDE,
    ),
)


class Words(Embedder):
    """Which local patterns a picture has, and how rare they are."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        remedy = "take data/sift from the repository again, or run scripts/make_words.py"
        table = shipped.load(FILE, SHA256, remedy).astype(np.float32)
        self._words, self._rarity = table[:, :-1], table[:, -1]

    def _images(self, batch: Sequence[Image]) -> Vectors:
        return np.array(
            [self._weighed(descriptors(image)) for image in batch], dtype=np.float32
        ).reshape(len(batch), WORDS + 1)

    def _weighed(self, found: NDArray[np.float32]) -> NDArray[np.float32]:
        counted = np.zeros(WORDS + 1, dtype=np.float32)
        if not len(found):
            counted[WORDS] = 1
            return counted
        counted[:WORDS] = np.bincount(nearest(found, self._words), minlength=WORDS)
        counted[:WORDS] = np.sqrt(counted[:WORDS]) * self._rarity
        return counted


def descriptors(image: Image) -> NDArray[np.float32]:
    """RootSIFT of a picture's strongest keypoints, (n, 128), rows of length 1."""
    cv2: Any = importlib.import_module("cv2")
    small = image.convert("L")
    small.thumbnail((SIDE, SIDE))
    found = cv2.SIFT_create(nfeatures=MOST).detectAndCompute(np.asarray(small), None)[1]
    if found is None:
        return np.empty((0, 128), dtype=np.float32)
    sums = found.sum(axis=1, keepdims=True)
    return np.asarray(np.sqrt(found[:MOST] / np.maximum(sums[:MOST], 1e-9)), dtype=np.float32)


def nearest(found: NDArray[np.float32], words: NDArray[np.float32]) -> NDArray[np.int64]:
    """The word of each row, (n,), the nearest by distance."""
    halves = 0.5 * (words * words).sum(axis=1)
    return np.asarray((found @ words.T - halves).argmax(axis=1), dtype=np.int64)
