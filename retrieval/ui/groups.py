"""The headings under which indexes are picked: by how they search, then database by database."""

from __future__ import annotations

from collections.abc import Iterable

from retrieval.types import Spec

LIBRARIES = frozenset(("", "FAISS", "hnswlib", "usearch", "ScaNN"))
"""Families that are told apart by how they search; any other is a heading of its own."""
SIGNS = {"efSearch": "Graphs", "search_L": "Graphs", "nprobe": "Lists"}
"""By a knob of an index, what it searches."""
EXACT = "Exact"
CODES = "Codes"
ORDER = (EXACT, "Graphs", "Lists", CODES)
LAST = "Museum"


def group(spec: Spec) -> str:
    """The heading of an index."""
    if spec.family not in LIBRARIES:
        return spec.family
    found = [SIGNS[knob.name] for knob in spec.knobs if knob.name in SIGNS]
    return next(iter(found), EXACT if spec.note == "exact" else CODES)


def grouped(specs: Iterable[Spec]) -> dict[str, list[Spec]]:
    """Indexes by their headings: ways to search, databases by name, what is retired."""
    found: dict[str, list[Spec]] = {}
    for spec in specs:
        found.setdefault(group(spec), []).append(spec)
    return {name: found[name] for name in sorted(found, key=_place)}


def _place(name: str) -> tuple[int, str]:
    if name in ORDER:
        return ORDER.index(name), ""
    return len(ORDER) + (name == LAST), name.lower()
