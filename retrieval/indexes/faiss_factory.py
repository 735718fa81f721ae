"""An index that somebody types as one of FAISS's own strings. Holds no ``SPECS``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import Damaged
from retrieval.indexes import faiss_parts as parts
from retrieval.indexes.factory import Recipe
from retrieval.indexes.factory_cost import check
from retrieval.indexes.faiss_base import FaissIndex, array_read, engine_read, library, selector
from retrieval.indexes.faiss_graph import filtered_params, search_params
from retrieval.indexes.faiss_lists import members
from retrieval.indexes.faiss_nsg import Nsg
from retrieval.indexes.faiss_opq import filled
from retrieval.indexes.faiss_refined import refined, rotated, times
from retrieval.runtime import threads
from retrieval.types import Metric, Scores, Spec, Vectors
from retrieval.where import Allowed

SHAPE, CODES, TRAINED = "shape.npy", "codes.faiss", "trained.faiss"
GRAPH, LISTS = "graph.faiss", "lists.npy"
TOGETHER = 1 << 24
"""Floats below which two threads of one k-means wait for each other."""
COARSE = 64
"""Candidates kept while the nearest lists are looked for in a graph, at least."""


class Factory(FaissIndex):
    """What ``faiss.index_factory`` makes of a recipe, trained and filled as it comes.

    Files hold the codes; where those are the vectors themselves, what was trained, the graph
    or the number of each row's list.
    """

    def __init__(self, spec: Spec, metric: Metric, **knobs: int) -> None:
        self._recipe = Recipe.parse(str(spec.param("factory")))
        self._trained: NDArray[np.uint8] | None = None
        self._bytes = 0
        super().__init__(spec, metric, **knobs)

    @property
    def keeps(self) -> bool:  # type: ignore[override]
        """Whether anything is worth a file: what follows from the vectors quickly is not."""
        recipe = self._recipe
        learnt = recipe.code.kind == "PQ" or any(
            each.kind.startswith(("PCA", "OPQ")) for each in recipe.steps
        )
        return bool(recipe.links or recipe.lists or learnt)

    def nbytes(self) -> int:
        """Bytes of codes, graph or lists, what was trained, and the vectors compared again."""
        return self._bytes if self._engine is not None else 0

    def close(self) -> None:
        """Let go of the engine; twice is no harm."""
        super().close()
        self._trained = None

    def _take(self, make: Any) -> None:
        super()._take(make)
        if self._engine is not None:
            trained = 0 if self._trained is None else self._trained.nbytes
            self._bytes = parts.nbytes(self._engine) + trained

    def _scores(self, values: NDArray[Any]) -> Scores:
        if not self._recipe.euclidean:
            return values
        if self._recipe.code.kind == "LSH" and not self._recipe.refine:  # the share of its bits
            bits = self._recipe.widths(self.width)[-1]
            scores: Scores = np.cos(values * np.float32(math.pi / bits))
            return scores
        return np.subtract(1, values / 2, dtype=np.float32)

    def _made(self, vectors: Vectors) -> Any:
        check(self._recipe, self.count, self.width)
        body = self._empty()
        kept = parts.prepared(body)
        little = self._recipe.small or vectors.size < TOGETHER
        with threads.single() if little else threads.every_core():
            body.train(filled(vectors) if self._recipe.rotated else vectors)
        parts.settled(body)
        del kept
        parts.centred(body, vectors)
        self._trained = library().serialize_index(body) if self._bare() else None
        body.add(vectors)
        return self._whole(body, vectors)

    def _bare(self) -> bool:
        """Whether its codes are floats, which stay out of its files."""
        return self._recipe.code.kind == "Flat"

    def _empty(self) -> Any:
        faiss = library()
        metric = faiss.METRIC_L2 if self._recipe.euclidean else faiss.METRIC_INNER_PRODUCT
        with threads.single():  # random rotations are small
            return faiss.index_factory(self.width, self._recipe.body, metric)

    def _whole(self, body: Any, vectors: Vectors) -> Any:
        faiss, refine = library(), self._recipe.refine
        if not refine:
            return body
        if refine == "Flat":
            return faiss.IndexRefineFlat(body, faiss.swig_ptr(vectors))
        again = faiss.index_factory(self.width, refine, body.metric_type)
        again.train(vectors)
        again.add(vectors)
        return faiss.IndexRefine(body, again)

    def _params(self) -> Any:
        return self._composed(self._below(), self.knobs.get("k_factor", 1))

    def _asked(self, k: int, held: int) -> Any:
        if not self._recipe.refine:
            return self._prepared
        if self._recipe.links:  # all candidates of the walk are compared again
            kept = min(max(self.knobs["efSearch"], k), held)
            return self._composed(search_params({"efSearch": kept}), times(kept, k))
        if self.knobs["k_factor"] * k <= held:
            return self._prepared
        return self._composed(self._below(), times(held, k))  # no more than there are vectors

    def _composed(self, below: Any, factor: float) -> Any:
        """Search parameters through transforms and refinement."""
        if below is not None and self._recipe.steps:
            below = rotated(below)
        return refined(factor, below) if self._recipe.refine else below

    def _below(self, where: Allowed | None = None) -> Any:
        """Search parameters of graph, lists or codes."""
        if self._recipe.lists:
            return self._probes(where)
        if self._recipe.links and where is None:
            return search_params(self.knobs)
        return None if where is None else library().SearchParameters(sel=selector(where))

    def _probes(self, where: Allowed | None) -> Any:
        faiss, read = library(), self._lists(where)
        given = {} if where is None else {"sel": selector(where)}
        if not self._recipe.coarse:
            return faiss.SearchParametersIVF(nprobe=read, **given)
        walk = faiss.SearchParametersHNSW(efSearch=max(COARSE, 2 * read))
        params = faiss.SearchParametersIVF(nprobe=read, quantizer_params=walk, **given)
        params.walk = walk  # FAISS keeps a bare pointer to it
        return params

    def _lists(self, where: Allowed | None) -> int:
        """Lists to read; under a filter as many more as it leaves fewer rows in each."""
        usual = self.knobs.get("nprobe", 1)
        share = 1.0 if where is None else where.share
        return min(self._recipe.lists, math.ceil(usual / share))

    def _limited(self, k: int, where: Allowed) -> tuple[Any, str] | None:
        how = ""
        if self._recipe.links:
            return self._walked(k, where)
        if self._recipe.lists:
            read, usual = self._lists(where), self._lists(None)
            if read == self._recipe.lists:  # of all lists the rows that are allowed are all of them
                return None
            how = f"{read:,} lists instead of {usual:,}" if read != usual else ""
        again = min(self.knobs.get("k_factor", 1) * k, len(where.rows))
        return self._composed(self._below(where), times(again, k)), how

    def _walked(self, k: int, where: Allowed) -> tuple[Any, str] | None:
        found = filtered_params(self.knobs, k, where)
        if found is None:
            return None
        again = min(max(self.knobs["efSearch"], k), len(where.rows))
        return self._composed(found[0], times(again, k)), found[1]

    def _packed(self, folder: Path) -> None:
        faiss = library()
        np.save(folder / SHAPE, np.array([self.count, self.width]))
        body = parts.body(self._engine, self._recipe)
        if self._trained is None:
            faiss.serialize_index(body).tofile(folder / CODES)
            return
        self._trained.tofile(folder / TRAINED)
        core = parts.inner(body)
        if self._recipe.links:
            faiss.serialize_index(core, faiss.IO_FLAG_SKIP_STORAGE).tofile(folder / GRAPH)
        if self._recipe.lists:
            lists = np.empty(self.count, dtype=np.int32)
            for place, rows in enumerate(members(core.invlists)):
                lists[rows] = place
            np.save(folder / LISTS, lists)

    def _unpacked(self, folder: Path, vectors: Vectors) -> Any:
        held = tuple(array_read(folder / SHAPE, np.int64, (2,)).tolist())
        if held != (self.count, self.width):
            raise Damaged(
                f"{SHAPE} is of vectors {held}, wanted {(self.count, self.width)}; "
                "build the index again"
            )
        body = self._read(folder / (TRAINED if self._bare() else CODES))
        if self._bare():
            self._fill(folder, body, vectors)
        if not parts.sound(body, self.count):
            raise Damaged(f"{folder.name} does not hold each row once; build the index again")
        return self._whole(body, vectors)

    def _read(self, path: Path) -> Any:
        body = engine_read(path)
        if parts.form(body) != parts.form(self._empty()):
            raise Damaged(f"{path.name} is no index of {self.spec.name}; build it again")
        return body

    def _fill(self, folder: Path, body: Any, vectors: Vectors) -> None:
        """Give an index of whole vectors its rows, as the files say where they belong."""
        self._trained = np.fromfile(folder / TRAINED, dtype=np.uint8)
        core, moved = parts.inner(body), parts.moved(body, vectors)
        if self._recipe.links:
            parts.relink(core, folder / GRAPH, moved)
        elif self._recipe.lists:
            lists = array_read(folder / LISTS, np.int32, (self.count,)).astype(np.int64)
            if lists.min() < 0 or lists.max() >= self._recipe.lists:
                raise Damaged(f"{LISTS} names lists that are not there; build the index again")
            pointer, ids = library().swig_ptr, np.arange(self.count, dtype=np.int64)
            core.add_core(self.count, pointer(moved), pointer(ids), pointer(lists))
        else:
            core.add(moved)
        body.ntotal = self.count


class FactoryNsg(Nsg):
    """``NSG``, made with the care that it needs (see ``faiss_nsg``)."""

    @property
    def links(self) -> int:
        """Most links of a vector, as they were typed."""
        return Recipe.parse(str(self.spec.param("factory"))).nsg

    def _made(self, vectors: Vectors) -> Any:
        check(Recipe.parse(str(self.spec.param("factory"))), self.count, self.width)
        return super()._made(vectors)
