"""Inverted lists: their knobs, how many there are, what is in them. Holds no ``SPECS``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.indexes.faiss_base import FaissIndex, library
from retrieval.types import Knob

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

    def _probes(self) -> Any:
        return library().SearchParametersIVF(nprobe=self.knobs["nprobe"])


def members(lists: Any) -> list[NDArray[np.int64]]:
    """The rows in each inverted list, copied."""
    faiss = library()
    return [
        faiss.rev_swig_ptr(lists.get_ids(place), lists.list_size(place)).copy()
        if lists.list_size(place)
        else np.empty(0, dtype=np.int64)
        for place in range(lists.nlist)
    ]
