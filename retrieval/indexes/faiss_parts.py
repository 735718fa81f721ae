"""The parts of an engine that a string made: what they are, hold and weigh. Holds no ``SPECS``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from retrieval.indexes.factory import Recipe
from retrieval.indexes.faiss_base import engine_read, library, straight
from retrieval.indexes.faiss_graph import check_graph, graph_bytes
from retrieval.indexes.faiss_graph import sound as sound_graph
from retrieval.indexes.faiss_lists import members, sizes
from retrieval.types import Vectors

BLOCK = 32
"""Codes that fast-scan compares at once."""


def body(engine: Any, recipe: Recipe) -> Any:
    """An engine without its refinement."""
    return library().downcast_index(engine.base_index) if recipe.refine else engine


def inner(engine: Any) -> Any:
    """An engine without its transforms and refinement; its owner must live on."""
    while hasattr(engine, "chain") or hasattr(engine, "base_index"):
        within = engine.index if hasattr(engine, "chain") else engine.base_index
        engine = library().downcast_index(within)
    return engine


def steps(engine: Any) -> list[Any]:
    """The transforms of an engine, in turn."""
    if not hasattr(engine, "chain"):
        return []
    faiss, chain = library(), engine.chain
    return [faiss.downcast_VectorTransform(chain.at(at)) for at in range(chain.size())]


def moved(engine: Any, vectors: Vectors) -> Vectors:
    """The vectors after an engine's transforms."""
    for step in steps(engine):
        vectors = step.apply(vectors)
    return straight(vectors)


def prepared(engine: Any) -> list[Any]:
    """Let k-means learn from few rows, without a line on the terminal for each part.

    Returns:
        What must live until ``settled``: FAISS has bare pointers to it.
    """
    faiss, core = library(), inner(engine)
    stored = faiss.downcast_index(core.storage) if hasattr(core, "storage") else core
    for clustered in filter(None, (core, getattr(stored, "pq", None))):
        if hasattr(clustered, "cp"):
            clustered.cp.min_points_per_centroid = 1
    for each in (core, stored):  # it orders centroids for a search that nobody asks for
        if hasattr(each, "do_polysemous_training"):
            each.do_polysemous_training = False
    kept = []
    for step in steps(engine):
        if hasattr(step, "pq"):
            quantizer = faiss.ProductQuantizer(step.d_out, step.M, 8)  # as it would make itself
            quantizer.cp.min_points_per_centroid = 1
            step.pq = quantizer
            kept.append(quantizer)
    return kept


def settled(engine: Any) -> None:
    """Drop what training alone needs, and distances between centroids, which graphs alone read."""
    core = inner(engine)
    for step in steps(engine):
        if hasattr(step, "pq"):
            step.pq = None
    if hasattr(core, "pq") and hasattr(core.pq, "sdc_table"):
        core.pq.sdc_table.clear()


def centred(engine: Any, vectors: Vectors) -> None:
    """A centre on which all rows lie hides them from RaBitQ: then it is the origin."""
    core = inner(engine)
    if hasattr(core, "center") and not np.ptp(vectors, axis=0).any():
        library().copy_array_to_vector(np.zeros(core.d, dtype=np.float32), core.center)


def form(engine: Any) -> tuple[Any, ...]:
    """What decides the codes: the same for a new engine and one that was read."""
    faiss, core = library(), inner(engine)
    found: list[Any] = [(each.d_in, each.d_out) for each in steps(engine)]
    if hasattr(core, "hnsw"):
        found += [_kind(core), core.hnsw.nb_neighbors(1)]
        core = faiss.downcast_index(core.storage)
    found += [_kind(core), core.d, core.metric_type, core.sa_code_size()]
    if hasattr(core, "nlist"):
        found += [core.nlist, _kind(faiss.downcast_index(core.quantizer))]
    return tuple(found)


def _kind(engine: Any) -> str:
    """A class's name; FAISS reads a flat index as a more special one than it made."""
    return type(engine).__name__.removesuffix("IP").removesuffix("L2")


def sound(engine: Any, count: int) -> bool:
    """Whether an engine that was read holds each row once, and no link leads elsewhere."""
    core = inner(engine)
    if engine.ntotal != count or core.ntotal != count:
        return False
    if hasattr(core, "hnsw"):
        return core.storage.ntotal == count and sound_graph(core.hnsw, count)
    if hasattr(core, "invlists"):
        rows = np.sort(np.concatenate(members(core.invlists)))
        return np.array_equal(rows, np.arange(count))
    return True


def relink(core: Any, path: Path, vectors: Vectors) -> None:
    """Give a graph its rows and its links, which a file holds.

    Raises:
        Damaged: the file is no graph of these vectors.
    """
    faiss = library()
    read = engine_read(path, faiss.IO_FLAG_SKIP_STORAGE)
    check_graph(read, vectors.shape[1], len(vectors))
    faiss.downcast_index(core.storage).add(vectors)
    core.hnsw = read.hnsw  # copied
    core.ntotal = len(vectors)


def nbytes(engine: Any) -> int:
    """Bytes that an engine holds: codes, ids, links, transforms, what was trained."""
    faiss = library()
    if hasattr(engine, "base_index"):
        again = faiss.downcast_index(engine.refine_index)
        return nbytes(faiss.downcast_index(engine.base_index)) + nbytes(again)
    if hasattr(engine, "chain"):
        within = nbytes(faiss.downcast_index(engine.index))
        return within + sum(4 * _matrix(each) for each in steps(engine))
    if hasattr(engine, "hnsw"):
        return graph_bytes(engine.hnsw) + nbytes(faiss.downcast_index(engine.storage))
    if hasattr(engine, "invlists"):
        return _lists(engine) + nbytes(faiss.downcast_index(engine.quantizer)) + _learnt(engine)
    return int(engine.codes.size()) + _learnt(engine)


def _matrix(step: Any) -> int:
    return int(step.A.size() + step.b.size()) if hasattr(step, "A") else 0


def _lists(engine: Any) -> int:
    counts = sizes(engine.invlists)
    block = BLOCK if "FastScan" in type(engine).__name__ else 1
    codes = sum(-(-size // block) * block for size in counts) * engine.code_size
    return int(codes + 8 * sum(counts))


def _learnt(engine: Any) -> int:
    """Floats that training left: code books and their tables, ranges, a centre."""
    found = 0
    if hasattr(engine, "pq"):
        found += int(engine.pq.centroids.size() + engine.pq.sdc_table.size())
    if hasattr(engine, "precomputed_table"):
        found += int(engine.precomputed_table.size())
    if hasattr(engine, "sq"):
        found += int(engine.sq.trained.size())
    if hasattr(engine, "rrot"):
        found += int(engine.rrot.A.size())
    return 4 * found
