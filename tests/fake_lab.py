"""A lab without models: it answers at random, in a fixed way, after a pause."""

from __future__ import annotations

import random
import threading
import zlib
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import cast

from PIL import Image

from retrieval.errors import BadQuery
from retrieval.galleries.base import Gallery
from retrieval.galleries.catalog import Entry
from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.registry import suggest
from retrieval.types import Hit, Knob, Licence, Metric, Result, Spec, State, Timings
from retrieval.ui.answers import Answers
from retrieval.ui.menu import Menu
from retrieval.where import Allowed
from retrieval.work import Work
from tests.held import LONGEST

FREE = Licence("Apache-2.0", "yes", "https://www.apache.org/licenses/LICENSE-2.0")
EMBEDDERS = [
    Spec(
        "conse-lite2", "ConSE Lite2", "none:None", "ConSE", dim=384, reads_text=True, licence=FREE
    ),
    Spec(
        "captions",
        "Captions",
        "none:None",
        "Captions",
        dim=384,
        reads_images=False,
        reads_text=True,
        note="reads captions, not pixels",
        licence=FREE,
    ),
    Spec("efficientnet-lite0", "EfficientNet Lite0", "none:None", "EfficientNet", dim=1280),
    Spec("phash", "pHash", "none:None", "Hashes", metrics=(Metric.HAMMING,), dim=64),
    Spec(
        "openclip-vit-b-32",
        "OpenCLIP ViT-B/32",
        "none:None",
        "OpenCLIP",
        dim=512,
        reads_text=True,
        bytes=605_000_000,
    ),
]
BOTH = (Metric.COSINE, Metric.HAMMING)
HNSW = (
    Knob("efSearch", 1, 1024, 16, "query", "log2"),
    Knob("M", 4, 64, 32, "build", "log2"),
)
INDEXES = [
    Spec("exact", "Exact", "none:None", metrics=BOTH),
    Spec("faiss-hnsw", "FAISS HNSW", "none:None", knobs=HNSW),
    Spec("faiss-ivf", "FAISS IVF", "none:None", knobs=(Knob("nprobe", 1, 64, 8, "query"),)),
    Spec("faiss-binary-hnsw", "FAISS binary HNSW", "none:None", metrics=(Metric.HAMMING,)),
]
WAY_OUT = "OpenCLIP ViT-B/32 is not here and the hub does not answer; try again with a network"


def picture(row: int) -> bytes:
    """A WebP of one colour, its shape and colour by its row."""
    tint = random.Random(row)
    colour = (tint.randrange(256), tint.randrange(256), tint.randrange(256))
    out = BytesIO()
    Image.new("RGB", (80 + 40 * (row % 3), 80 + 30 * (row % 2)), colour).save(out, "WEBP")
    return out.getvalue()


class FakeGallery(Gallery):
    """Pictures of one colour."""

    name = "stamps"
    title = "Stamps"
    licence = Licence("GPL-2.0-only", "conditions", "https://www.gnu.org/licenses/gpl-2.0.html")
    source = "https://example.org/stamps"
    revision = "1"

    def __init__(self, count: int = 60) -> None:
        self._pictures = [picture(row) for row in range(count)]

    def __len__(self) -> int:
        return len(self._pictures)

    def encoded(self, row: int) -> bytes:
        return self._pictures[row]

    def captions(self, rows: Sequence[int]) -> list[str]:
        names = ("An owl", "An apple", "<b>A bold car</b>", 'A "quoted" & long caption of a boat')
        return [f"{names[row % 4]} {row}" for row in rows]

    def labels(self, rows: Sequence[int]) -> list[str]:
        return [f"class {row % 5}" for row in rows]

    def sources(self, rows: Sequence[int]) -> list[str]:
        return [f"stamps/{row}.png" for row in rows]


class FakeCatalog:
    """One gallery that is there, one that is not."""

    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery
        self._entries = [
            Entry("stamps", "Stamps", "parquet", len(gallery), 1, FREE, gallery.source, "1"),
            Entry("food101", "Food-101", "hub", 101_000, 1, FREE, "https://example.org", "1"),
        ]

    def entries(self) -> list[Entry]:
        return self._entries

    def names(self) -> list[str]:
        return [entry.name for entry in self._entries]

    def state(self, name: str) -> State:
        return State("ready") if name == "stamps" else State("unreachable", "the hub is away")

    def open(self, name: str) -> Gallery:
        if name != "stamps":
            raise suggest("gallery", name, ["stamps"])
        return self._gallery


class FakeLab:
    """Answers with rows drawn by embedder and query; indexes lose some of them.

    Args:
        gallery: whose rows.
        public: as in the real one.

    Attributes:
        held: while it is clear, panels after the first do not answer.
        broken: raised instead of the second panel's answer.
        open: comparisons that are not finished, nor left.
        asked: all that was asked.
    """

    def __init__(self, gallery: Gallery | None = None, public: bool = False) -> None:
        self.gallery = gallery or FakeGallery()
        self.catalog = FakeCatalog(self.gallery)
        self.public = public
        self.data = self.cache = Path("nowhere")
        self.work = Work()
        self.held = threading.Event()
        self.held.set()
        self.broken: Exception | None = None
        self.open = 0
        self._counting = threading.Lock()
        self.asked: list[tuple[str, tuple[Panel, ...], Query, int]] = []

    def spec(self, name: str) -> Spec:
        found = next((spec for spec in EMBEDDERS if spec.name == name), None)
        if found is None:
            raise suggest("embedder", name, [spec.name for spec in EMBEDDERS])
        return found

    def states(self) -> dict[str, State]:
        return {"openclip-vit-b-32": State("unreachable", WAY_OUT)}

    def compare(
        self, gallery: str, panels: Sequence[Panel], query: Query, k: int
    ) -> Iterator[Result]:
        if query.row is not None and query.row >= len(self.gallery):
            raise BadQuery(f"row {query.row} is not in {gallery}; it has {len(self.gallery):,}")
        if query.where:
            query.where.allows(self.gallery.columns)
        self.asked.append((gallery, tuple(panels), query, k))
        return self._answers(panels, query, k)

    def _answers(self, panels: Sequence[Panel], query: Query, k: int) -> Iterator[Result]:
        seen: set[str] = set()
        self._count(1)
        try:
            for position, panel in enumerate(panels):
                if position:
                    self.held.wait(LONGEST)
                if position and self.broken:
                    raise self.broken
                yield self._answer(position, panel, query, k, panel.embedder in seen)
                seen.add(panel.embedder)
        finally:
            self._count(-1)

    def _count(self, more: int) -> None:
        with self._counting:  # they are asked by threads
            self.open += more

    def _answer(self, position: int, panel: Panel, query: Query, k: int, shared: bool) -> Result:
        spec = next(spec for spec in EMBEDDERS if spec.name == panel.embedder)
        if query.text is not None and not spec.reads_text:
            problem = f"{spec.title} reads pictures only; give it a picture"
            instead = ("conse-lite2", "captions")
            return Result(position, panel.embedder, panel.index, problem=problem, instead=instead)
        order = list(range(len(self.gallery)))
        asked = f"{panel.embedder} {query.text} {query.row} {query.crop} {query.image!r}"
        random.Random(zlib.crc32(asked.encode())).shuffle(order)
        where = Allowed.of(query.where, self.gallery.columns) if query.where else None
        if where is not None:
            order = [row for row in order if where.mask[row]]
        knobs = dict(panel.knobs)
        lost = 0 if panel.index == "exact" else 4 >> (knobs.get("efSearch", 16).bit_length() // 3)
        rows = [row for at, row in enumerate(order) if at % 3 or at // 3 >= lost][:k]
        missed = [row for row in order[:k] if row not in rows]
        return Result(
            position,
            panel.embedder,
            panel.index,
            hits=self._hits(rows, range(1, k + 1)),
            timings=Timings(0.4 if query.image else 0.0, 2.0, 0.3 / (lost + 1), 0.01, 0.02),
            truth_ms=0.3,
            recall=1 - len(missed) / max(1, min(k, len(order))),
            missed=self._hits(missed, [order.index(row) + 1 for row in missed]),
            allowed=None if where is None else len(where.rows),
            how="" if where is None or panel.index == "exact" else "a beam of 64 instead of 16",
            shared=shared,
            nbytes=1_200_000,
            build_s=0.12,
        )

    def _hits(self, rows: Sequence[int], ranks: Sequence[int]) -> tuple[Hit, ...]:
        captions, labels = self.gallery.captions(rows), self.gallery.labels(rows)
        return tuple(
            Hit(row, rank, 0.9 - rank / 200, caption, label)
            for row, rank, caption, label in zip(rows, ranks, captions, labels, strict=False)
        )


def menu(lab: FakeLab) -> Menu:
    """The fake plug-ins as the page's menu."""
    return Menu(cast(Lab, lab), EMBEDDERS, INDEXES)


def answers(lab: FakeLab) -> Answers:
    """The page's answers over the fake lab."""
    return Answers(cast(Lab, lab), menu(lab))
