"""A face turned, scaled and moved so that its points lie where the network has learnt them.

The similarity transform with the least squared distance: Umeyama 1991, doi 10.1109/34.88573.
The five points of a square of 112 pixels are those of InsightFace, which every network of the
ArcFace family is trained with.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 112
POINTS = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)
"""Both eyes, the nose, both corners of the mouth: x and y, from the left of the picture on."""

Array = NDArray[np.float64]


def aligned(image: Image.Image, points: Array) -> NDArray[np.uint8]:
    """The square of a face.

    Args:
        image: RGB.
        points: (5, 2) in its pixels, whole numbers being the middles of pixels.

    Returns:
        (112, 112, 3); black where the picture has ended.
    """
    back = np.linalg.inv(np.vstack([similarity(points, POINTS), (0, 0, 1)]))[:2]
    back[:, 2] += 0.5 - back[:, :2].sum(axis=1) / 2  # Pillow counts from corners of pixels
    square = image.transform(
        (SIDE, SIDE),
        Image.Transform.AFFINE,
        data=tuple(back.ravel().tolist()),
        resample=Image.Resampling.BILINEAR,
    )
    return np.asarray(square, dtype=np.uint8)


def similarity(given: Array, wanted: Array) -> Array:
    """The rotation, scale and shift, without mirroring, that bring points closest to others.

    Args:
        given: (n, 2).
        wanted: (n, 2).

    Returns:
        (2, 3): the matrix, and the shift in its last column. Points that coincide give scale 0.
    """
    middle, aim = given.mean(axis=0), wanted.mean(axis=0)
    centred, aimed = given - middle, wanted - aim
    left, sizes, right = np.linalg.svd(aimed.T @ centred / len(given))
    signs = np.array((1.0, np.sign(np.linalg.det(left) * np.linalg.det(right)) or 1.0))
    spread = centred.var(axis=0).sum()
    scale = (sizes * signs).sum() / spread if spread else 0.0
    turned = scale * (left * signs) @ right
    return np.column_stack([turned, aim - turned @ middle])
