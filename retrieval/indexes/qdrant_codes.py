"""HNSW by Qdrant over vectors made small: the walk compares codes, the best are scored again."""

from __future__ import annotations

from typing import Any

from retrieval.indexes import qdrant
from retrieval.indexes.qdrant import EXACT, Hnsw, library
from retrieval.types import Knob, Spec

OVER = Knob(
    name="oversampling",
    low=1,
    high=16,
    default=3,
    when="query",
    unit="times k",
    help="Candidates by their codes, times k, that are scored again by their whole vectors.",
)
COMPRESSION = Knob(
    name="compression",
    low=4,
    high=64,
    default=16,
    when="build",
    scale="log2",
    unit="times",
    help="How much smaller a code is than its vector.",
)


def _spec(name: str, title: str, *knobs: Knob) -> Spec:
    return Spec(
        name=f"qdrant-{name}",
        title=f"Qdrant HNSW, {title} (in process)",
        target="retrieval.indexes.qdrant_codes:Coded",
        family="Qdrant",
        knobs=(*qdrant.SPECS[0].knobs, *knobs),
        filters="columns",
        needs=qdrant.SPECS[0].needs,
        install=qdrant.SPECS[0].install,
        params=(("codes", name),),
    )


SPECS = (
    _spec("sq8", "8 bits a number", OVER),
    _spec("pq", "product codes", OVER, COMPRESSION),
    _spec("binary", "1 bit a number", OVER),
)


class Coded(Hnsw):
    """``EdgeShard`` whose codes stay in memory beside the graph."""

    def _params(self, knobs: dict[str, int]) -> Any:
        again = library().QuantizationSearchParams(
            rescore=True, oversampling=float(knobs[OVER.name])
        )
        return library().SearchParams(
            hnsw_ef=knobs["hnsw_ef"], exact=EXACT in knobs, quantization=again
        )

    def _codes(self) -> Any:
        engine, kind = library(), self.spec.param("codes")
        if kind == "sq8":
            return engine.ScalarQuantizationConfig(engine.ScalarType.Int8, always_ram=True)
        if kind == "binary":
            return engine.BinaryQuantizationConfig(always_ram=True)
        ratio = getattr(engine.CompressionRatio, f"X{self.knobs[COMPRESSION.name]}")
        return engine.ProductQuantizationConfig(ratio, always_ram=True)
