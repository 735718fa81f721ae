"""Cohere's hosted embeddings: ``POST /v2/embed``, https://docs.cohere.com/reference/embed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from retrieval.hosted.base import NOTE, Hosted
from retrieval.hosted.client import Provider
from retrieval.hosted.pictures import PREPROCESSING
from retrieval.types import Licence, Spec

COHERE = Provider(
    "Cohere",
    "https://api.cohere.com",
    "PARALLAX_COHERE",
    "COHERE_API_KEY",
    "https://dashboard.cohere.com/api-keys",
)


class Cohere(Hosted):
    """Texts as search queries, pictures as data URLs; at most 96 of either and 20 MB at once."""

    provider = COHERE
    path = "/v2/embed"
    most_pictures = 96
    most_texts = 96

    def _pictures_body(self, part: Sequence[str]) -> dict[str, Any]:
        urls = [f"data:image/jpeg;base64,{each}" for each in part]
        return {**self._told("image"), "images": urls}

    def _texts_body(self, part: Sequence[str]) -> dict[str, Any]:
        return {**self._told("search_query"), "texts": list(part), "truncate": "END"}

    def _told(self, kind: str) -> dict[str, Any]:
        return {
            "model": self.spec.revision,
            "input_type": kind,
            "embedding_types": ["float"],
            "output_dimension": self.spec.dim,
        }

    def _vectors(self, answer: Any) -> Sequence[Sequence[float]]:
        rows: list[list[float]] = answer["embeddings"]["float"]
        return rows


SPECS = (
    Spec(
        name="cohere-embed-v4-api",
        title="Cohere Embed v4, hosted",
        target=f"{__name__}:Cohere",
        family="Hosted",
        dim=1536,
        reads_text=True,
        note=NOTE,
        needs=("httpx",),
        install="pip install httpx",
        key=COHERE.key,
        licence=Licence("Cohere's terms", "conditions", "https://cohere.com/terms-of-use"),
        source=COHERE.base(),
        revision="embed-v4.0",
        preprocessing=f"{PREPROCESSING}; image and search_query",
        side=512,
        params=(
            ("tokens", 1_610),
            (
                "tokens_rule",
                "about 1,610 for 512 x 512; "
                "https://docs.oracle.com/iaas/Content/generative-ai/cohere-embed-4.htm",
            ),
            ("price", 0.47),
            ("price_read", "images by Embed 4, as quoted second-hand in June 2026"),
            ("price_link", "https://cohere.com/pricing"),
        ),
    ),
)
