"""Indexes that somebody names by FAISS's own strings: ``faiss:HNSW32,SQ8``. Holds no ``SPECS``."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from retrieval.errors import BadQuery
from retrieval.indexes import faiss_nsg
from retrieval.indexes.factory import LONGEST, PREFIX, Recipe
from retrieval.indexes.faiss_base import INSTALL, NEEDS
from retrieval.indexes.faiss_graph import KNOBS
from retrieval.indexes.faiss_hnsw_codes import WIDE
from retrieval.indexes.faiss_lists import nprobe
from retrieval.indexes.faiss_refined import k_factor
from retrieval.types import Filters, Knob, Spec

AGAIN = {"Flat": 8, "SQ": 4, "PQ": 32, "RaBitQ": 8, "LSH": 32}
"""How many times k candidates are compared again by default, by how codes are held."""


def is_typed(name: str) -> bool:
    """Whether a name has the form of one that is typed."""
    return name.startswith(PREFIX)


def spec(name: str) -> Spec:
    """The spec of a typed name; nothing is built and FAISS is not imported.

    Raises:
        BadQuery: the name has another form.
        UnknownName: a part is none of those that are allowed.
        BadKnob: a number in a part is out of its bounds.
    """
    if len(name) > len(PREFIX) + LONGEST:
        raise BadQuery(f"the name of a typed index has at most {LONGEST} characters")
    return _spec(name)


@cache
def _spec(name: str) -> Spec:
    text = name.removeprefix(PREFIX)
    recipe = Recipe.parse(text)
    target = "faiss_factory:FactoryNsg" if recipe.nsg else "faiss_factory:Factory"
    return Spec(
        name=name,
        title=f"FAISS {text}",
        target=f"retrieval.indexes.{target}",
        family="FAISS",
        note=f"needs {recipe.fewest:,} vectors or more" if recipe.fewest > 1 else "",
        knobs=_knobs(recipe),
        filters=_filters(recipe),
        needs=NEEDS,
        install=INSTALL,
        params=(("factory", text), ("typed", True)),
    )


def _knobs(recipe: Recipe) -> tuple[Knob, ...]:
    """The query-time knobs of a recipe's parts; nothing of it is set when it is built."""
    if recipe.nsg:
        return (faiss_nsg.SPECS[0].knobs[0],)
    if recipe.links:  # what the walk keeps is what is compared again
        return (WIDE[0] if recipe.refine else KNOBS[0],)
    knobs = []
    if recipe.lists > 1:
        usual = nprobe(max(1, min(8, recipe.lists // 4)))
        knobs.append(replace(usual, high=min(recipe.lists, 4096)))
    if recipe.refine:
        knobs.append(k_factor(AGAIN[recipe.code.kind]))
    return tuple(knobs)


def _filters(recipe: Recipe) -> Filters:
    """FAISS filters in graphs, lists, and rows of floats, scalars and RaBitQ's bits."""
    plain = recipe.code.kind in ("Flat", "SQ", "RaBitQ") and not recipe.code.fast
    return "rows" if recipe.lists or recipe.links or (plain and not recipe.nsg) else ""
