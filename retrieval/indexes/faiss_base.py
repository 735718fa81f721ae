"""What the FAISS indexes share. Holds no index of its own, so it has no ``SPECS``."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import Damaged
from retrieval.indexes.base import Filtered, Index, padded
from retrieval.runtime import threads
from retrieval.types import Metric, Rows, Scores, Spec, Vectors
from retrieval.where import Allowed

NEEDS = ("faiss",)
INSTALL = "pip install faiss-cpu"
BLAS_FROM = 4096
"""FAISS multiplies by BLAS where queries x dimensions reach this.

Its own default is 128,000, which leaves batches of 32 to 128 queries to a slower loop. One query
of fewer than 4,096 dimensions stays below it and is read once, without packing the matrix.
"""


@cache
def library() -> Any:
    """FAISS, with its BLAS threshold set once and never again.

    It is typed as ``Any``: the package's own stubs lack the search parameters.
    """
    import faiss

    faiss.cvar.distance_compute_blas_threshold = BLAS_FROM
    return faiss


class FaissIndex(Index):
    """An index that FAISS searches.

    A subclass writes ``_made`` (the engine of at least one vector), ``_packed`` and
    ``_unpacked`` (files), ``_params`` (query knobs) and ``nbytes``.

    Query knobs are handed to each search as search parameters made by ``tune``; the engine
    itself is never changed after its build, so that many threads may search at once.
    """

    def __init__(self, spec: Spec, metric: Metric, **knobs: int) -> None:
        super().__init__(spec, metric, **knobs)
        self._engine: Any = None
        self._prepared = self._params()

    def tune(self, **knobs: int) -> None:
        """Set query-time knobs; a search that runs keeps those it began with."""
        super().tune(**knobs)
        self._prepared = self._params()

    def close(self) -> None:
        """Let go of the engine; twice is no harm."""
        super().close()
        self._engine = None

    def _build(self, vectors: Vectors) -> None:
        self._take(lambda: self._made(straight(vectors)))

    def _search(self, queries: Vectors, k: int) -> tuple[Rows, Scores]:
        engine = self._engine
        if engine is None:  # closed by another thread a moment ago
            return padded(len(queries), k)
        held = engine.ntotal
        most = min(k, held)
        return self._answer(engine, queries, k, most, self._asked(most, held))

    def _filtered(self, queries: Vectors, k: int, where: Allowed) -> Filtered | None:
        engine = self._engine
        if engine is None:  # closed by another thread a moment ago
            return Filtered(*padded(len(queries), k))
        most = where.few(k)
        asked = self._limited(most, where) if self.spec.filters else None
        if asked is None:
            return None
        params, how = asked
        return Filtered(*self._answer(engine, queries, k, most, params), how)

    def _answer(
        self, engine: Any, queries: Vectors, k: int, most: int, params: Any
    ) -> tuple[Rows, Scores]:
        with threads.single() if len(queries) == 1 else threads.every_core():
            values, rows = engine.search(queries, most, params=params)
        scores = self._scores(values)
        if rows.item(-1) < 0 or (len(rows) > 1 and rows[:, -1].min() < 0):  # padded at the end
            scores[rows < 0] = -np.inf
        return (rows, scores) if most == k else widened(rows, scores, k)

    def _save(self, folder: Path) -> None:
        if self._engine is not None:
            self._packed(folder)

    def _load(self, folder: Path, vectors: Vectors) -> None:
        self._take(lambda: self._unpacked(folder, straight(vectors)))

    def _take(self, make: Callable[[], Any]) -> None:
        """Hold what ``make`` returns; nothing is searchable where it fails."""
        self._engine = None
        try:
            if self.count:
                with threads.every_core():
                    self._engine = make()
        finally:
            if self._engine is None:
                self.count = 0

    def _scores(self, values: NDArray[Any]) -> Scores:
        """Similarities from what FAISS answers; inner products are such already."""
        return values

    def _params(self) -> Any:
        """Search parameters of the query knobs, made when they are set."""
        return None

    def _asked(self, k: int, held: int) -> Any:
        """Search parameters of one search for ``k`` of ``held`` vectors."""
        return self._prepared

    def _limited(self, k: int, where: Allowed) -> tuple[Any, str] | None:
        """Search parameters of one filtered search for ``k``, and what is other about it.

        None where comparing the rows that are allowed is cheaper.
        """
        return library().SearchParameters(sel=selector(where)), ""

    @abstractmethod
    def _made(self, vectors: Vectors) -> Any: ...

    @abstractmethod
    def _packed(self, folder: Path) -> None: ...

    @abstractmethod
    def _unpacked(self, folder: Path, vectors: Vectors) -> Any: ...


def selector(where: Allowed) -> Any:
    """The rows that are allowed, as FAISS asks for them: a bit for each row."""
    return library().IDSelectorBitmap(np.packbits(where.mask, bitorder="little"))


def straight(vectors: NDArray[Any]) -> Vectors:
    """The vectors in C order, copied only where they are not; FAISS reads a bare pointer."""
    return np.ascontiguousarray(vectors)


def widened(rows: Rows, scores: Scores, k: int) -> tuple[Rows, Scores]:
    """Rows and scores with columns of -1 and -inf up to ``k``."""
    more = ((0, 0), (0, k - rows.shape[1]))
    return (
        np.pad(rows, more, constant_values=-1),
        np.pad(scores, more, constant_values=-np.inf),
    )


def engine_bytes(path: Path) -> NDArray[np.uint8]:
    """A file's bytes.

    Raises:
        Damaged: it is not there.
    """
    try:
        return np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise Damaged(f"{path.name} cannot be read: {error.strerror}; build the index again") from (
            error
        )


def engine_read(path: Path, flags: int = 0, *, binary: bool = False) -> Any:
    """An engine from a file of FAISS's format.

    Raises:
        Damaged: FAISS does not understand the file.
    """
    faiss, data = library(), engine_bytes(path)
    try:
        if binary:
            return faiss.deserialize_index_binary(data)
        return faiss.deserialize_index(data, flags)
    except RuntimeError as error:
        raise Damaged(f"{path.name} is no index that FAISS reads; build it again") from error


def array_read(path: Path, dtype: type[np.generic], shape: tuple[int, ...]) -> NDArray[Any]:
    """An array from a file; -1 in ``shape`` allows any length there.

    Raises:
        Damaged: it cannot be read, or has another type or shape.
    """
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise Damaged(f"{path.name} is no array; build the index again") from error
    same = len(shape) == array.ndim and all(
        want in (-1, got) for want, got in zip(shape, array.shape, strict=True)
    )
    if array.dtype != dtype or not same:
        raise Damaged(
            f"{path.name} is {array.dtype} of shape {array.shape}, "
            f"wanted {np.dtype(dtype)} of {shape}; build the index again"
        )
    return np.ascontiguousarray(array)
