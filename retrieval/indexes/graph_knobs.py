"""The three knobs of an HNSW graph, by each engine's own names. Holds no index: no ``SPECS``."""

from __future__ import annotations

from retrieval.types import Knob

NAMES = ("efSearch", "M", "efConstruction")


def graph_knobs(
    width: int, construction: int, names: tuple[str, str, str] = NAMES
) -> tuple[Knob, Knob, Knob]:
    """Candidates of a search, links, candidates of the build.

    Args:
        width: default of the first.
        construction: default of the last.
        names: what the engine calls them.
    """
    search, links, build = names
    return (
        Knob(
            name=search,
            low=1,
            high=512,
            default=width,
            when="query",
            unit="candidates",
            help="Candidates kept while walking the graph; below k it counts as k.",
        ),
        Knob(
            name=links,
            low=4,
            high=64,
            default=16,
            when="build",
            unit="links",
            help="Links of a vector in each layer, twice as many in the lowest.",
        ),
        Knob(
            name=build,
            low=8,
            high=512,
            default=construction,
            when="build",
            unit="candidates",
            help="Candidates kept while a vector's links are chosen.",
        ),
    )
