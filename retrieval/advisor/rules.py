"""The advisor's rules, as data: the first of a list whose conditions hold decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Facts = Mapping[str, str]
"""Answers by question, and ``size``: exact, graph, codes or beyond."""


@dataclass(frozen=True)
class Rule:
    """What to prefer, when, and why.

    Attributes:
        name: by which tests and people speak of it.
        prefer: kinds of embedders or engines, the best first.
        reason: one sentence.
        source: where that is written.
        when: (fact, values of which one must hold); none holds always.
    """

    name: str
    prefer: tuple[str, ...]
    reason: str
    source: str
    when: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def holds(self, facts: Facts) -> bool:
        """Whether all its conditions do."""
        return all(facts[name] in values for name, values in self.when)


def first(rules: Sequence[Rule], facts: Facts) -> Rule:
    """The rule that decides; each list ends with one that always holds."""
    return next(rule for rule in rules if rule.holds(facts))


TEXT = ("reads", ("text", "both"))
IMAGE = ("reads", ("image",))
EMBEDDERS = (
    Rule(
        "hosted-text",
        ("jina", "cohere", "siglip2", "clip", "conse"),
        "Without a machine of your own, a hosted model of text and pictures embeds both.",
        "https://jina.ai/embeddings/",
        (("runs", ("hosted",)), TEXT),
    ),
    Rule(
        "hosted-image",
        ("jina", "cohere", "dino2", "classifier"),
        "Without a machine of your own, a hosted model embeds the pictures.",
        "https://docs.cohere.com/docs/cohere-embed",
        (("runs", ("hosted",)), IMAGE),
    ),
    Rule(
        "languages",
        ("siglip2", "many", "clip", "conse"),
        "Queries in several languages need a text side that was trained on them: SigLIP 2 was.",
        "https://arxiv.org/abs/2502.14786",
        (("languages", ("many",)), TEXT),
    ),
    Rule(
        "both",
        ("siglip2", "clip", "conse"),
        "Text and pictures in one space answer both queries from one index.",
        "https://arxiv.org/abs/2103.00020",
        (("reads", ("both",)),),
    ),
    Rule(
        "text",
        ("siglip2", "clip", "conse"),
        "Texts and pictures compare only where both were trained into one space, as CLIP's were.",
        "https://arxiv.org/abs/2103.00020",
        (TEXT,),
    ),
    Rule(
        "image-commercial",
        ("dino2", "dino3", "clip", "classifier"),
        "For pictures alone, self-supervised vectors separate look-alikes better than CLIP's; "
        "DINOv2's licence is free of conditions.",
        "https://arxiv.org/abs/2304.07193",
        (IMAGE, ("commercial", ("yes",))),
    ),
    Rule(
        "image",
        ("dino3", "dino2", "clip", "classifier"),
        "For pictures alone, self-supervised vectors separate look-alikes better than CLIP's.",
        "https://arxiv.org/abs/2304.07193",
    ),
)
TRAINING = (
    Rule(
        "projection",
        ("train",),
        "In a domain of its own, a projection trained on frozen vectors is the first step: "
        "minutes on a processor, and its gain is cross-validated before anything larger is tuned.",
        "https://arxiv.org/abs/2103.00020",
        (("domain", ("special",)), ("train", ("yes",))),
    ),
    Rule(
        "untrained",
        ("evaluate",),
        "In a domain of its own, published figures say little: evaluate on a few hundred "
        "labelled pictures of yours before choosing.",
        "https://arxiv.org/abs/2103.00020",
        (("domain", ("special",)),),
    ),
    Rule("general", (), "", ""),
)
SERVERS = ("qdrant", "milvus", "pgvector", "weaviate")
ENGINES = (
    *(
        Rule(
            f"there-{there}",
            (engine, *(each for each in SERVERS if each != engine)),
            "It is there already: one system to run, to back up and to give rights in.",
            source,
            (("database", (there,)), ("size", sizes)),
        )
        for there, engine, source, sizes in (
            (
                "postgres",
                "pgvector",
                "https://github.com/pgvector/pgvector#scaling",
                ("exact", "graph", "codes"),
            ),
            (
                "qdrant",
                "qdrant",
                "https://qdrant.tech/documentation/guides/capacity-planning/",
                ("exact", "graph", "codes", "beyond"),
            ),
            (
                "milvus",
                "milvus",
                "https://milvus.io/docs/index.md",
                ("exact", "graph", "codes", "beyond"),
            ),
            (
                "weaviate",
                "weaviate",
                "https://docs.weaviate.io/weaviate/concepts/vector-index",
                ("exact", "graph", "codes", "beyond"),
            ),
            (
                "pinecone",
                "pinecone",
                "https://docs.pinecone.io/guides/index-data/indexing-overview",
                ("exact", "graph", "codes", "beyond"),
            ),
        )
    ),
    Rule(
        "billions",
        ("milvus", "qdrant", "pinecone", "ivfpq"),
        "Beyond one machine's memory even as codes, the vectors are spread over several machines.",
        "https://milvus.io/docs/architecture_overview.md",
        (("size", ("beyond",)),),
    ),
    Rule(
        "hosted-rows",
        ("pinecone", "qdrant", "milvus", "weaviate"),
        "Tenants, filters or constant changes without a machine of your own: a managed database.",
        "https://docs.pinecone.io/guides/index-data/implement-multitenancy",
        (("runs", ("hosted",)), ("rows", ("yes",))),
    ),
    Rule(
        "tenants",
        ("qdrant", "milvus", "pgvector", "weaviate"),
        "Tenants are kept apart by the database, not by the application that asks it.",
        "https://qdrant.tech/documentation/guides/multiple-partitions/",
        (("tenants", ("yes",)), ("runs", ("cpu", "gpu", "offline"))),
    ),
    Rule(
        "filters-few",
        ("exact", "qdrant", "pgvector", "lancedb", "milvus"),
        "So few vectors are compared one by one among those that pass the filter: nothing is lost.",
        "https://qdrant.tech/articles/vector-search-filtering/",
        (("filters", ("yes",)), ("size", ("exact",)), ("runs", ("cpu", "gpu", "offline"))),
    ),
    Rule(
        "filters",
        ("qdrant", "pgvector", "milvus", "weaviate", "lancedb"),
        "A filter inside the graph keeps the recall; filtering its answers afterwards loses it.",
        "https://qdrant.tech/articles/vector-search-filtering/",
        (("filters", ("yes",)), ("runs", ("cpu", "gpu", "offline"))),
    ),
    Rule(
        "space-rows",
        ("lancedb", "pgvector", "qdrant"),
        "In a Space nothing but the process is there: a database in files filters too.",
        "https://docs.lancedb.com",
        (("runs", ("space",)), ("filters", ("yes",))),
    ),
    Rule(
        "exact",
        ("exact", "hnsw"),
        "Below the point where exact search stops being fast enough, it has no rival: no "
        "settings, no build, recall 1, and a row comes or goes at once.",
        "https://github.com/facebookresearch/faiss/wiki/Guidelines-to-choose-an-index",
        (("size", ("exact",)),),
    ),
    Rule(
        "updates",
        ("qdrant", "milvus", "pgvector", "weaviate"),
        "FAISS's graphs do not forget rows: what changes all day wants a database.",
        "https://github.com/facebookresearch/faiss/wiki/Special-operations-on-indexes",
        (("updates", ("yes",)), ("runs", ("cpu", "gpu", "offline"))),
    ),
    Rule(
        "graph",
        ("hnsw", "hnsw-sq8", "ivf-rabitq"),
        "While the vectors and their links fit in memory, HNSW is the fastest at high recall.",
        "https://github.com/facebookresearch/faiss/wiki/Guidelines-to-choose-an-index",
        (("size", ("graph",)),),
    ),
    Rule(
        "codes",
        ("ivf-rabitq", "ivfpq", "qdrant"),
        "Whole vectors no longer fit in memory: codes stay there, and the nearest are compared "
        "again by their vectors from the disk.",
        "https://arxiv.org/abs/2405.12497",
    ),
)
