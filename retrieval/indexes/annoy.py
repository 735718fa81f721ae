"""Annoy: a forest of trees that halve the space by random planes. Retired, kept to show why.

Nothing can be added once its trees are built, it is hardly released any more, and its maker has
replaced it by a graph (HNSW), whose curve the page draws beside it.

It comes as source alone, and its build takes ``-march=native``: what was compiled on one
processor may end the process on an older one. ``ANNOY_COMPILER_ARGS`` is its way to say otherwise.
"""

from __future__ import annotations

import importlib
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import Damaged
from retrieval.indexes.base import Index, padded
from retrieval.runtime.working import Working, full
from retrieval.types import Knob, Metric, Rows, Scores, Spec, Vectors

FILE = "trees.ann"
SEED = 1
HEAD = 3
"""Numbers of a node that stand before its vector or plane: rows below it, its two children.

A node of few rows has their numbers from the first child on, up to the node's end.
"""
SPECS = (
    Spec(
        name="annoy",
        title="Annoy, trees",
        target="retrieval.indexes.annoy:Annoy",
        family="Museum",
        note="retired: kept to show why",
        knobs=(
            Knob(
                name="search_k",
                low=1,
                high=1 << 18,
                default=1 << 12,
                when="query",
                scale="log2",
                unit="candidates",
                help="Rows gathered from all trees, repeats included; below k it counts as k.",
            ),
            Knob(
                name="n_trees",
                low=1,
                high=200,
                default=20,
                when="build",
                unit="trees",
                help="Trees, each splitting the rows by other planes.",
            ),
        ),
        needs=("annoy",),
        install="pip install annoy (needs a C++ compiler)",
    ),
)


@cache
def library() -> Any:
    """Annoy, imported by name: it need not be installed."""
    return importlib.import_module("annoy")


class Annoy(Index):
    """``AnnoyIndex`` by angle, built on one thread, so that the same rows make the same file.

    It works on a file that is mapped into memory and holds the vectors too; so does what it
    saves, as processes share such a file. Both are compared with the vectors given to ``load``.
    It has no filter.
    """

    def __init__(self, spec: Spec, metric: Metric, **knobs: int) -> None:
        super().__init__(spec, metric, **knobs)
        self._engine: Any = None
        self._file: Path | None = None
        self._working: Working | None = None
        self._size = 0

    def nbytes(self) -> int:
        """Bytes of the mapped file: vectors and trees."""
        return self._size if self.count else 0

    def close(self) -> None:
        """Let go of the engine; twice is no harm."""
        super().close()
        self._end()

    def _end(self) -> None:
        if self._working is not None:
            self._working.remove()  # a search that runs keeps what is mapped
        self._engine = self._file = self._working = None

    def _build(self, vectors: Vectors) -> None:
        self._end()
        if not self.count:
            return
        engine = self._empty()
        for row, vector in enumerate(vectors):
            engine.add_item(row, vector.tolist())
        engine.build(self.knobs["n_trees"], n_jobs=1)
        self._working = Working()
        file = self._working.path / FILE
        try:
            engine.save(str(file))  # which maps it at once
        except OSError as error:
            raise full(error) from error
        self._hold(engine, file)

    def _hold(self, engine: Any, file: Path) -> None:
        self._engine, self._file, self._size = engine, file, file.stat().st_size

    def _search(self, queries: Vectors, k: int) -> tuple[Rows, Scores]:
        rows, scores = padded(len(queries), k)
        engine, most = self._engine, min(k, self.count)
        if engine is None:  # closed by another thread a moment ago
            return rows, scores
        wide = max(self.knobs["search_k"], k)
        for place, query in enumerate(queries):
            found, far = engine.get_nns_by_vector(query.tolist(), most, wide, True)
            rows[place, : len(found)] = found
            scores[place, : len(found)] = 1 - np.square(far) / 2  # chords of the unit sphere
        return rows, scores

    def _save(self, folder: Path) -> None:
        if self._file is not None:
            shutil.copyfile(self._file, folder / FILE)

    def _load(self, folder: Path, vectors: Vectors) -> None:
        self._end()
        try:
            if self.count:
                self._hold(self._read(folder / FILE, vectors), folder / FILE)
        finally:
            if self._engine is None:
                self.count = 0

    def _empty(self) -> Any:
        engine = library().AnnoyIndex(self.width, "angular")
        engine.set_seed(SEED)
        return engine

    def _read(self, file: Path, vectors: Vectors) -> Any:
        whole(nodes(file, self.width), vectors)
        engine = self._empty()
        engine.load(str(file))
        trees, wanted = engine.get_n_trees(), self.knobs["n_trees"]
        if engine.get_n_items() != self.count or trees < wanted:
            raise Damaged(f"{FILE} has {trees} trees, wanted {wanted}; build the index again")
        return engine


def nodes(file: Path, width: int) -> NDArray[np.int32]:
    """The nodes of Annoy's file, (n, HEAD + width), mapped; vectors and planes stay as bits.

    Raises:
        Damaged: it is not there, or of another length.
    """
    try:
        flat = np.memmap(file, dtype=np.int32, mode="r")
    except (OSError, ValueError) as error:
        raise Damaged(f"{file.name} cannot be read: {error}; build the index again") from error
    if len(flat) % (HEAD + width):
        raise Damaged(f"{file.name} is not of nodes of width {width}; build the index again")
    return flat.reshape(-1, HEAD + width)


def whole(found: NDArray[np.int32], vectors: Vectors) -> None:
    """See that nodes hold these vectors, each once, and that no child leads elsewhere.

    Annoy follows whatever its file says. A child stands before its parent.

    Raises:
        Damaged: they do not.
    """
    count, held = len(vectors), found[: len(vectors)]
    same = len(found) > count and (held[:, 0] == 1).all()
    if not same or not np.array_equal(held[:, HEAD:].view(np.float32), vectors):
        raise Damaged(f"{FILE} holds other vectors; build the index again")
    inner = found[count:]
    below, most = inner[:, 0], inner.shape[1] - 1
    few, places = below <= most, np.arange(count, len(found))
    used = np.arange(most) < below[few, None]
    rows, children = inner[few, 1:][used], inner[~few, 1:HEAD]
    if (below < 1).any() or below[-1] != count or not inside(rows, count):
        raise Damaged(f"{FILE} has trees of other rows; build the index again")
    if not inside(children, places[~few, None]):
        raise Damaged(f"{FILE} has children that lead elsewhere; build the index again")


def inside(numbers: NDArray[np.int32], end: int | NDArray[np.int64]) -> bool:
    """Whether numbers are from 0 and below an end."""
    return bool(((numbers >= 0) & (numbers < end)).all())
