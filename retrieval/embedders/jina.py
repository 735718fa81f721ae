"""Jina's hosted embeddings: ``POST /v1/embeddings``, described at https://api.jina.ai/docs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from retrieval.hosted.base import NOTE, Hosted
from retrieval.hosted.client import Provider
from retrieval.hosted.pictures import PREPROCESSING
from retrieval.types import Licence, Spec

JINA = Provider(
    "Jina", "https://api.jina.ai", "PARALLAX_JINA", "JINA_API_KEY", "https://jina.ai/api-dashboard/"
)
LICENCE = Licence("Jina's terms", "conditions", "https://jina.ai/legal/#terms-and-conditions")
QUERY, PASSAGE = "retrieval.query", "retrieval.passage"


class Jina(Hosted):
    """One list of objects, each a text or a picture in base64; at most 512 in a list."""

    provider = JINA
    path = "/v1/embeddings"
    most_pictures = 64
    most_texts = 256

    def _pictures_body(self, part: Sequence[str]) -> dict[str, Any]:
        return self._body([{"image": each} for each in part], PASSAGE)

    def _texts_body(self, part: Sequence[str]) -> dict[str, Any]:
        return self._body([{"text": each} for each in part], QUERY)

    def _body(self, items: list[dict[str, str]], task: str) -> dict[str, Any]:
        told = {
            "model": self.spec.revision,
            "dimensions": self.spec.dim,
            "normalized": True,
            "embedding_type": "float",
            "input": items,
        }
        return {**told, "task": task} if self.spec.param("tasks") else told

    def _vectors(self, answer: Any) -> Sequence[Sequence[float]]:
        rows = {each["index"]: each["embedding"] for each in answer["data"]}
        return [rows[at] for at in range(len(answer["data"]))]


def _spec(model: str, title: str, dim: int, tasks: bool, tokens: int = 0, rule: str = "") -> Spec:
    asked = f"; {QUERY} and {PASSAGE}" if tasks else ""
    return Spec(
        name=f"{model}-api",
        title=title,
        target=f"{__name__}:Jina",
        family="Hosted",
        dim=dim,
        reads_text=True,
        note=NOTE,
        needs=("httpx",),
        install="pip install httpx",
        key=JINA.key,
        licence=LICENCE,
        source=JINA.base(),
        revision=model,
        preprocessing=f"{PREPROCESSING}{asked}",
        side=512,
        params=(
            ("tasks", tasks),
            ("tokens", tokens),
            ("tokens_rule", rule),
            ("price", 0.05),
            ("price_read", "$50 a billion, quoted second-hand in 2026"),
            ("price_link", "https://jina.ai/embeddings/"),
        ),
    )


SPECS = (
    _spec(
        *("jina-clip-v2", "Jina CLIP v2, hosted", 1024, False),
        *(4_000, "4,000 a tile of 512 x 512, quoted second-hand"),
    ),
    _spec(
        *("jina-embeddings-v4", "Jina Embeddings v4, hosted", 2048, True),
        *(3_610, "10 a tile of 28 x 28, quoted second-hand"),
    ),
    _spec("jina-embeddings-v5-omni-small", "Jina Embeddings v5 Omni, hosted", 1024, True),
)
