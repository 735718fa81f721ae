"""Inverted lists: their knobs, how many there are, what is in them. Holds no ``SPECS``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.indexes.faiss_base import FaissIndex, library, selector
from retrieval.types import Knob
from retrieval.where import Allowed

ROWS_A_LIST = 39
"""Rows that FAISS wants for each centroid that it trains."""
NLIST = Knob(
    name="nlist",
    low=1,
    high=1024,
    default=64,
    when="build",
    unit="lists",
    help="Most lists that the vectors are split into: one for each 39 vectors, at least 1.",
)


def nprobe(default: int) -> Knob:
    """The knob of how many lists are read."""
    return Knob(
        name="nprobe",
        low=1,
        high=256,
        default=default,
        when="query",
        unit="lists",
        help="Lists read for a query, nearest centroid first; more than there are means all.",
    )


class Lists(FaissIndex):
    """What both share: the number of lists."""

    @property
    def nlist(self) -> int:
        """Lists in use: at most the knob ``nlist``, at most one for 39 vectors, at least 1."""
        return max(1, min(self.knobs["nlist"], self.count // ROWS_A_LIST))

    def _quantizer(self) -> Any:
        return library().IndexFlatIP(self.width)

    def _probes(self, where: Allowed | None = None) -> Any:
        if where is None:
            return library().SearchParametersIVF(nprobe=self.knobs["nprobe"])
        return library().SearchParametersIVF(nprobe=self._lists(where), sel=selector(where))

    def _lists(self, where: Allowed) -> int:
        """Lists to read under a filter: as many more as it leaves fewer rows in each."""
        return min(self.nlist, math.ceil(self.knobs["nprobe"] / where.share))

    def _limited(self, k: int, where: Allowed) -> tuple[Any, str] | None:
        read = self._lists(where)
        if read == self.nlist:  # of all lists the rows that are allowed are all of them
            return None
        usual = self.knobs["nprobe"]
        how = f"{read:,} lists instead of {usual:,}" if read != usual else ""
        return self._limits(k, where), how

    def _limits(self, k: int, where: Allowed) -> Any:
        """Search parameters of one filtered search for ``k``."""
        return self._probes(where)


def sizes(lists: Any) -> list[int]:
    """How many rows each inverted list has."""
    return [lists.list_size(place) for place in range(lists.nlist)]


def members(lists: Any) -> list[NDArray[np.int64]]:
    """The rows in each inverted list, copied."""
    faiss = library()
    return [
        faiss.rev_swig_ptr(lists.get_ids(place), lists.list_size(place)).copy()
        if lists.list_size(place)
        else np.empty(0, dtype=np.int64)
        for place in range(lists.nlist)
    ]
