"""Candidates by small codes, compared again as whole vectors. Holds no ``SPECS``."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

from retrieval.errors import Damaged
from retrieval.indexes.faiss_base import FaissIndex, engine_read, library
from retrieval.types import Knob, Vectors
from retrieval.where import Allowed

CODES = "codes.faiss"


def k_factor(default: int) -> Knob:
    """The knob of how many candidates are compared again."""
    return Knob(
        name="k_factor",
        low=1,
        high=256,
        default=default,
        when="query",
        unit="x k",
        help="How many times k candidates are compared again by their whole vectors.",
    )


class Refined(FaissIndex):
    """``faiss.IndexRefineFlat`` over codes, which a subclass makes; the file holds the codes."""

    def nbytes(self) -> int:
        """Bytes of the whole vectors, the codes and what was trained."""
        if self._engine is None:
            return 0
        return 4 * self.count * self.width + self._bytes_coded(self._coded(self._engine))

    def _params(self) -> Any:
        return refined(self.knobs["k_factor"], self._below())

    def _asked(self, k: int, held: int) -> Any:
        if self.knobs["k_factor"] * k <= held:
            return self._prepared
        return refined(times(held, k), self._below())  # no more candidates than there are vectors

    def _made(self, vectors: Vectors) -> Any:
        engine = self._empty()
        self._train(engine, vectors)
        engine.add(vectors)
        return self._whole(engine, vectors)

    def _train(self, engine: Any, vectors: Vectors) -> None:
        engine.train(vectors)

    def _whole(self, engine: Any, vectors: Vectors) -> Any:
        faiss = library()
        return faiss.IndexRefineFlat(engine, faiss.swig_ptr(vectors))

    def _coded(self, engine: Any) -> Any:
        return library().downcast_index(engine.base_index)

    def _packed(self, folder: Path) -> None:
        library().serialize_index(self._coded(self._engine)).tofile(folder / CODES)

    def _unpacked(self, folder: Path, vectors: Vectors) -> Any:
        engine = engine_read(folder / CODES)
        held, wanted = self._shape(engine), self._wanted()
        if held != wanted or engine.ntotal != self.count or not self._sound(engine):
            raise Damaged(
                f"{CODES} holds {engine.ntotal} vectors as {held}, wanted {self.count} as "
                f"{wanted}; build the index again"
            )
        return self._whole(engine, vectors)

    def _shape(self, engine: Any) -> tuple[Any, ...]:
        """What decides the codes: the same for a new engine and one that was read."""
        return type(engine).__name__, engine.d, engine.sa_code_size()

    def _wanted(self) -> tuple[Any, ...]:
        """The shape that a file must have."""
        return self._shape(self._empty())

    def _sound(self, engine: Any) -> bool:
        """Whether what was read leads to no row but those that there are."""
        return True

    def _limits(self, k: int, where: Allowed) -> Any:
        """Search parameters of one filtered search for ``k``."""
        again = min(self.knobs["k_factor"] * k, len(where.rows))
        return refined(times(again, k), self._below(where))

    def _below(self, where: Allowed | None = None) -> Any:
        """Search parameters of the codes' own index."""
        return None

    @abstractmethod
    def _empty(self) -> Any: ...

    @abstractmethod
    def _bytes_coded(self, engine: Any) -> int: ...


class Rotated(Refined):
    """Codes of vectors after a rotation."""

    def _rotated(self, rotation: Any, engine: Any) -> Any:
        return library().IndexPreTransform(rotation, engine)

    def _within(self, engine: Any) -> Any:
        return library().downcast_index(engine.index)

    def _shape(self, engine: Any) -> tuple[Any, ...]:
        if not hasattr(engine, "chain"):
            return super()._shape(engine)
        inner = self._within(engine)
        return *super()._shape(engine), type(inner).__name__, inner.d


def times(candidates: int, k: int) -> float:
    """Candidates as so many times k; FAISS multiplies in single precision and cuts."""
    return (candidates + 0.5) / k


def refined(factor: float, below: Any) -> Any:
    """Search parameters: ``factor`` times k candidates by the parameters ``below``."""
    params = library().IndexRefineSearchParameters(k_factor=factor, base_index_params=below)
    params.below = below  # FAISS keeps a bare pointer to it
    return params


def rotated(below: Any) -> Any:
    """Search parameters of an index over rotated vectors from those of the index itself."""
    params = library().SearchParametersPreTransform(index_params=below)
    params.below = below  # FAISS keeps a bare pointer to it
    return params
