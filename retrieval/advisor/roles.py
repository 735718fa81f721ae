"""Kinds of embedders: how one in the registry is told, and what is known of those that are not."""

from __future__ import annotations

import re
from dataclasses import dataclass

from retrieval.types import Licence, Metric, Spec

APACHE = "https://www.apache.org/licenses/LICENSE-2.0"
BULKY = 4_000_000_000
"""Bytes of weights above which one is not recommended unasked."""
MANY = re.compile(
    r"siglip-?2|xlm|multilingual|mexma|nllb|metaclip-?2|fifty languages|jina|cohere", re.I
)
"""Names of those that read several languages."""


@dataclass(frozen=True)
class Role:
    """A kind of embedder.

    Attributes:
        name: what rules call it.
        title: its best-known one, named where the registry has none.
        pattern: of the names, titles and families in the registry; empty: told by properties.
        text: it reads texts.
        dim: numbers of one vector of the best-known one.
        licence: of the best-known one.
        link: its paper or its own page.
        merit: what speaks for it, as a runner-up.
        against: what speaks against it.
        many: it reads several languages.
        key: it is somebody's service.
    """

    name: str
    title: str
    pattern: str
    text: bool
    dim: int
    licence: Licence
    link: str
    merit: str
    against: str
    many: bool = False
    key: bool = False


ROLES = {
    each.name: each
    for each in (
        Role(
            "siglip2",
            "SigLIP 2 ViT-B/16",
            r"siglip-?2",
            True,
            768,
            Licence("Apache-2.0", "yes", APACHE),
            "https://arxiv.org/abs/2502.14786",
            "Trained for text and pictures in many languages, with the better zero-shot figures.",
            "Slower on a processor than ViT-B/32; names, codes and text in pictures stay weak.",
            many=True,
        ),
        Role(
            "clip",
            "OpenCLIP ViT-B/32",
            r"clip|siglip",
            True,
            512,
            Licence("MIT", "yes", "https://github.com/mlfoundations/open_clip/blob/main/LICENSE"),
            "https://arxiv.org/abs/2212.07143",
            "A plain CLIP: small, quick on a processor, well studied.",
            "English only; counts, places and negations are lost (Yuksekgonul et al. 2023).",
        ),
        Role(
            "many",
            "OpenCLIP XLM-R ViT-B/32",
            r"xlm|multilingual|mexma|nllb|metaclip-?2",
            True,
            512,
            Licence("MIT", "yes", "https://github.com/mlfoundations/open_clip/blob/main/LICENSE"),
            "https://github.com/mlfoundations/open_clip",
            "CLIP's pictures with a text side for a hundred languages.",
            "Its English is a little weaker than that of an English one of its size.",
            many=True,
        ),
        Role(
            "conse",
            "ConSE",
            r"^conse",
            True,
            384,
            Licence("Apache-2.0", "yes", APACHE),
            "https://arxiv.org/abs/1312.5650",
            "Ships with the lab: no download, and quick on a processor.",
            "It knows ImageNet's 1,000 classes alone: what has no class is not found.",
        ),
        Role(
            "dino3",
            "DINOv3 ViT-B/16",
            r"dino-?v3",
            False,
            768,
            Licence(
                "DINOv3 License",
                "conditions",
                "https://ai.meta.com/resources/models-and-libraries/dinov3-license/",
            ),
            "https://arxiv.org/abs/2508.10104",
            "The strongest vectors of pictures alone that one can run oneself.",
            "Access is asked for, and its licence has conditions; it reads no text.",
        ),
        Role(
            "dino2",
            "DINOv2 ViT-B/14",
            r"dino-?v2",
            False,
            768,
            Licence("Apache-2.0", "yes", APACHE),
            "https://arxiv.org/abs/2304.07193",
            "Nearly DINOv3's figures, under a free licence and without asking.",
            "It reads no text; pictures alike in layout can outrank those of one thing.",
        ),
        Role(
            "classifier",
            "EfficientNet-Lite2",
            r"^efficientnet|^convnext|^resnet",
            False,
            1280,
            Licence("Apache-2.0", "yes", APACHE),
            "https://arxiv.org/abs/1905.11946",
            "Ships with the lab: no download, and quick on a processor.",
            "Trained on ImageNet's classes: weaker than DINO beyond them, and wide for what it is.",
        ),
        Role(
            "jina",
            "Jina CLIP v2, by its API",
            r"jina",
            True,
            1024,
            Licence("Jina AI terms", "conditions", "https://jina.ai/legal/#terms-and-conditions"),
            "https://jina.ai/embeddings/",
            "Text in many languages and pictures, without a GPU of your own.",
            "Pictures leave the house, every query costs and waits for a network.",
            many=True,
            key=True,
        ),
        Role(
            "cohere",
            "Cohere Embed v4, by its API",
            r"cohere",
            True,
            1536,
            Licence("Cohere terms", "conditions", "https://cohere.com/terms-of-use"),
            "https://docs.cohere.com/docs/cohere-embed",
            "Text in many languages and pictures, without a GPU of your own.",
            "Pictures leave the house, every query costs and waits for a network.",
            many=True,
            key=True,
        ),
    )
}


def plays(role: Role, spec: Spec) -> bool:
    """Whether an embedder of the registry is of a kind; trained ones and own folders are none."""
    if spec.param("variable") or spec.target.startswith("retrieval.embedders.trained"):
        return False
    if spec.metric is Metric.HAMMING or not spec.reads_images or "retired" in spec.note:
        return False
    if spec.about:  # for galleries of faces alone, and nobody is led to those
        return False
    bulky = max(spec.bytes, 4 * getattr(spec, "parameters", 0)) > BULKY
    if bool(spec.key) != role.key or spec.reads_text != role.text or bulky:
        return False
    told = " ".join((spec.name, spec.title, spec.family))
    if not re.search(role.pattern, told, re.I):
        return False
    special = ("siglip2", "many", "conse")  # what has a kind of its own is not of the general one
    others = [ROLES[name] for name in special if role.name == "clip"]
    return not any(re.search(other.pattern, told, re.I) for other in others)


def many(spec: Spec) -> bool:
    """Whether an embedder reads several languages."""
    return bool(MANY.search(" ".join((spec.name, spec.title, spec.note, spec.source))))
