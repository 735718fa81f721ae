"""Where faces are: YuNet (Wu, Peng and Yu 2023, doi 10.1007/s11633-023-1423-y).

Its network looks at a square at three strides. Each place says whether a face is there, as two
shares whose geometric mean is the score, where its box lies and where its five points are: both
eyes, the nose, both corners of the mouth, in the order in which they lie in the picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retrieval import hub
from retrieval.errors import Damaged
from retrieval.runtime import onnx
from retrieval.runtime.network import Floats, open_network
from retrieval.runtime.recipe import Recipe
from retrieval.types import Precision

REPO = "opencv/face_detection_yunet"
REVISION = "3cc26e7f1014a5ee5d74a42acee58bafc9d0a310"
FILE = "face_detection_yunet_2023mar.onnx"
SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
BYTES = 232_589
SIDE = 640
"""Pixels of the square that the file is made for."""
LONGEST = (320, SIDE)
"""Pixels of a picture's longest side, tried in turn: the network knows faces of 10 to 300 pixels,
so that the first sees the large ones, and the second is for pictures that show small ones only."""
SCORE, OVERLAP = 0.6, 0.3
"""From which score on a face is one, and the shared part of two boxes that makes them one face."""
PREPROCESSING = (
    f"YuNet {REVISION[:12]} at {' or '.join(map(str, LONGEST))}, "
    f"from {SCORE:g} within {OVERLAP:g}, largest"
)

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Face:
    """One face.

    Attributes:
        box: left, top, right, bottom, in pixels.
        points: (5, 2) x and y in pixels, whole numbers being the middles of pixels.
        score: from 0 to 1.
    """

    box: tuple[float, float, float, float]
    points: Array
    score: float

    @property
    def area(self) -> float:
        """Pixels of the box."""
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)


class Finder:
    """Finds faces. Constructing is loading.

    Args:
        source: repository, commit, and each file with its SHA-256.
        precision: of the arithmetic.

    Raises:
        NotReady: a token is missing, or a cache cannot be written.
        Unreachable: the weights are not here and the hub does not give them.
        Damaged: the file is none that finds faces.
    """

    def __init__(
        self,
        source: tuple[str, str, Sequence[tuple[str, str]]],
        precision: Precision = "float32",
    ) -> None:
        repo, revision, files = source
        path = hub.download(repo, revision, dict(files))[0] / files[0][0]
        recipe = Recipe(
            "yunet",
            revision,
            "blue first, 0 to 255",
            (("uint8", (-1, SIDE, SIDE, 3)),),
            partial(_sound, path, files[0][1], repo),
            by=onnx.BY,
        )
        self._path, self._network = path, open_network(recipe, precision)

    def nbytes(self) -> int:
        """Bytes of its network."""
        return self._network.nbytes()

    def __call__(self, image: Image.Image) -> list[Face]:
        """The faces of a picture, the largest first."""
        tried = None
        for longest in LONGEST:
            share = min(1.0, longest / max(image.size))
            found = self._at(image, share) if share != tried else []
            if found:
                return sorted(found, key=lambda face: -face.area)
            tried = share
        return []

    def _at(self, image: Image.Image, share: float) -> list[Face]:
        wide, high = (max(1, round(each * share)) for each in image.size)
        square = np.zeros((1, SIDE, SIDE, 3), dtype=np.uint8)
        small = image.resize((wide, high), Image.Resampling.BILINEAR)
        square[0, :high, :wide] = np.asarray(small)
        found = kept(decoded(self._outputs(square)))
        scale = np.array((image.width / wide, image.height / high))
        return [_scaled(face, scale) for face in found]

    def _outputs(self, square: NDArray[np.uint8]) -> list[Floats]:
        outputs = [each.reshape(-1, each.shape[-1]) for each in self._network(square)]
        shapes = sorted(each.shape for each in outputs)
        if shapes != _SHAPES:
            raise Damaged(f"{self._path} gives {shapes}, not what YuNet does; load it again")
        return outputs


_SHAPES = sorted(
    ((SIDE // stride) ** 2, width) for stride in (8, 16, 32) for width in (1, 1, 4, 10)
)
"""Of its outputs: at each stride two shares, the box, the points."""


def _sound(path: Path, wanted: str, repo: str) -> onnx.Onnx:
    hub.verify(path, wanted, repo)
    return onnx.Onnx(path, bgr=True)


def decoded(outputs: Sequence[Floats]) -> list[Face]:
    """The faces that the network's outputs tell of, overlapping ones too.

    Args:
        outputs: (places, 1) twice, (places, 4) and (places, 10) for each stride, in any order:
            the two shares are multiplied, so that which is which does not matter.
    """
    by_places: dict[int, dict[int, list[Floats]]] = {}
    for each in outputs:
        by_places.setdefault(len(each), {}).setdefault(each.shape[1], []).append(each)
    return [face for told in by_places.values() for face in _of_stride(told)]


def _of_stride(told: dict[int, list[Floats]]) -> list[Face]:
    (one, other), [boxes], [points] = told[1], told[4], told[10]
    columns = math.isqrt(len(one))
    stride = SIDE / columns
    scores = np.sqrt(np.clip(one, 0, 1) * np.clip(other, 0, 1))[:, 0]
    found = []
    for place in np.flatnonzero(scores >= SCORE).tolist():
        corner = np.array((place % columns, place // columns))
        middle = (corner + boxes[place, :2]) * stride
        half = np.exp(boxes[place, 2:].astype(np.float64)) * stride / 2
        box = (*(middle - half).tolist(), *(middle + half).tolist())
        marks = (corner + points[place].reshape(5, 2)) * stride
        if np.isfinite(box).all() and np.ptp(marks, axis=0).any():  # what else is no face
            found.append(Face(box, marks.astype(np.float64), float(scores[place])))
    return found


def kept(found: Sequence[Face]) -> list[Face]:
    """Of faces that overlap the one with the highest score, which is first."""
    best: list[Face] = []
    for face in sorted(found, key=lambda each: -each.score):
        if all(shared(face, other) <= OVERLAP for other in best):
            best.append(face)
    return best


def shared(one: Face, other: Face) -> float:
    """The area that two boxes share, as a part of what they cover together."""
    left, top = (max(one.box[at], other.box[at]) for at in (0, 1))
    right, bottom = (min(one.box[at], other.box[at]) for at in (2, 3))
    both = max(0.0, right - left) * max(0.0, bottom - top)
    return both / (one.area + other.area - both)


def _scaled(face: Face, scale: Array) -> Face:
    """A face in the pixels of the picture that was made smaller for the network."""
    box = (np.array(face.box).reshape(2, 2) * scale).ravel().tolist()
    return Face((box[0], box[1], box[2], box[3]), (face.points + 0.5) * scale - 0.5, face.score)
