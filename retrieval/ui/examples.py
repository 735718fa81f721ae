"""Queries to try: texts and rows that suit a gallery."""

from __future__ import annotations

import re

from retrieval.galleries.base import Gallery

TEXTS = {
    "stamps": ("a bird", "sports car", "red fruit", "musical instrument"),
    "clipart": ("a sailing boat", "birthday", "a smiling face", "tools"),
}
"""By gallery; others show their own commonest classes."""
PICTURES = {"stamps": ("owl", "apple"), "clipart": ("sailboat", "guitar")}
"""Words that the captions of the two example pictures hold."""
CLASSES = 3
LOOKED_AT = 2_000
"""Rows that are looked at for the commonest classes."""


def texts(gallery: Gallery) -> tuple[str, ...]:
    """Up to four texts to search by."""
    if gallery.name in TEXTS:
        return TEXTS[gallery.name]
    labels = [label for label in gallery.labels(range(min(len(gallery), LOOKED_AT))) if label]
    counts = {label: labels.count(label) for label in dict.fromkeys(labels)}
    common = sorted(counts, key=lambda label: -counts[label])[:CLASSES]
    return tuple(label.rpartition("/")[2].replace("_", " ") for label in common)


def rows(gallery: Gallery) -> tuple[int, ...]:
    """Two rows to search by: by their captions, or a third and two thirds down the gallery."""
    count = len(gallery)
    thirds = tuple(dict.fromkeys((count // 3, 2 * count // 3))) if count else ()
    captions = [set(re.findall(r"\w+", each.lower())) for each in gallery.captions(range(count))]
    named = [
        next(
            (row for row, words in enumerate(captions) if word in words),
            None,
        )
        for word in PICTURES.get(gallery.name, ())
    ]
    found = tuple(row for row in named if row is not None)
    return found or thirds
