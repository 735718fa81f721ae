"""When to pick something else, and what here shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Elsewhere:
    """When to pick something else.

    Attributes:
        name: by which tests speak of it.
        title: the case.
        reason: what to do, and why.
        source: where that is written.
        show: what the button says; empty where nothing here shows it.
        panels: that show it.
        tab: that shows it, where the page has it.
        row: a picture to ask with, -1 for the query that is asked.
        crop: the part of it.
        rivals: a retired index and what took its place, compared by what is measured.
    """

    name: str
    title: str
    reason: str
    source: str
    show: str = ""
    panels: tuple[str, ...] = ()
    tab: str = ""
    row: int = -1
    crop: str = ""
    rivals: tuple[str, ...] = ()


ELSEWHERE = (
    Elsewhere(
        "duplicates",
        "Near-duplicates",
        "Perceptual hashes: 64 bits a picture, no model, robust to size and JPEG, blind to "
        "crops and to meaning.",
        "https://www.hackerfactor.com/blog/index.php?/archives/432-Looks-Like-It.html",
        "Open two hashes",
        ("phash@faiss-binary-flat", "dhash@faiss-binary-flat"),
        "duplicates",
        0,
    ),
    Elsewhere(
        "objects",
        "An object in a picture",
        "Detect first, then search by the part: one vector of a whole scene holds its largest "
        "thing. A crop by hand shows what a detector would give (no detector in this lab).",
        "https://arxiv.org/abs/2306.09683",
        "Search by a crop",
        (),
        "",
        0,
        "0.25,0.25,0.75,0.75",
    ),
    Elsewhere(
        "faces",
        "Faces",
        "ArcFace or SFace on aligned faces, not CLIP or DINO; here for a gallery that says it is "
        "of faces. ArcFace's common weights are for research only, and in the EU faces that "
        "identify are biometric data: GDPR, Article 9, asks for consent or a law.",
        "https://gdpr-info.eu/art-9-gdpr/",
    ),
    Elsewhere(
        "web-scale",
        "Web scale",
        "Quantise and split into lists: IVF with PQ or RaBitQ codes, over many machines. "
        "LSH needs more bits for the same recall and is here as a museum piece.",
        "https://arxiv.org/abs/1702.08734",
        "Open RaBitQ beside LSH",
        ("{embedder}@faiss-ivf-rabitq", "{embedder}@faiss-lsh"),
    ),
    Elsewhere(
        "retired",
        "VGG, SIFT and bags of words",
        "Retired: SIFT's words find copies and little else, VGG is 500 MB for less than a small "
        "network gives.",
        "https://arxiv.org/abs/1608.01807",
        "Open SIFT beside it",
        ("sift-words@exact", "{embedder}@exact"),
        "",
        0,
    ),
    Elsewhere(
        "annoy",
        "Annoy",
        "Retired: nothing can be added once its trees are built, it is hardly released any more, "
        "and its own maker has replaced it by a graph, HNSW.",
        "https://engineering.atspotify.com/2023/10/introducing-voyager-spotifys-new-nearest-neighbor-search-library",
        "Open Annoy beside HNSW",
        ("{embedder}@annoy", "{embedder}@faiss-hnsw"),
        row=0,
        rivals=("annoy", "faiss-hnsw"),
    ),
)
