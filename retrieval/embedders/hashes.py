"""Perceptual hashes: 64 bits of a picture's brightness, for near duplicates.

The average hash (ahash), differences between neighbours (dhash), the low frequencies of a
cosine transform (phash) and of a Haar wavelet (whash), all by the library ``imagehash``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL.Image import Image

from retrieval.embedders.base import Embedder
from retrieval.types import Licence, Metric, Spec, Vectors

_REVISION = "ImageHash==4.3.2"
_HASHES = {
    "phash": ("pHash", "phash", "scipy"),
    "dhash": ("dHash", "dhash", ""),
    "ahash": ("aHash", "average_hash", ""),
    "whash": ("wHash", "whash", "pywt"),
}
_BITS = 64
_SIDE = 64  # whash alone looks at every pixel; the others shrink to 32 or less at once


def _spec(name: str) -> Spec:
    title, function, library = _HASHES[name]
    return Spec(
        name=name,
        title=title,
        target=f"{__name__}:Hash",
        family="Perceptual hash",
        metrics=(Metric.HAMMING,),
        dim=_BITS,
        note="near duplicates, not meaning",
        needs=("imagehash", *((library,) if library else ())),
        install=f"pip install {_REVISION}",
        licence=Licence(
            "BSD-2-Clause",
            "yes",
            "https://github.com/JohannesBuchner/imagehash/blob/master/LICENSE",
        ),
        source="https://pypi.org/project/ImageHash/",
        revision=_REVISION,
        preprocessing=f"imagehash.{function}, {_BITS} bits",
        side=0 if library else _SIDE,
        params=(("function", function),),
    )


SPECS = tuple(_spec(name) for name in _HASHES)


class Hash(Embedder):
    """One of the hashes, its 64 bits in 8 bytes, first bit highest."""

    def __init__(self, spec: Spec) -> None:
        import imagehash

        super().__init__(spec)
        self._hash: Any = getattr(imagehash, spec.param("function"))

    def _images(self, batch: Sequence[Image]) -> Vectors:
        bits = np.array([self._hash(image).hash.ravel() for image in batch], dtype=bool)
        return np.packbits(bits.reshape(len(batch), _BITS), axis=1)
