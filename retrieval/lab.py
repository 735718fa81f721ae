"""What is loaded: galleries, embedders, vectors and indexes, shared by all who ask."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from retrieval import about, commits, permits
from retrieval.embedders import EMBEDDERS, typed
from retrieval.embedders.base import Embedder
from retrieval.errors import BadImage, BadQuery, BadVectors, Unsupported
from retrieval.galleries.base import Gallery
from retrieval.galleries.catalog import Catalog
from retrieval.indexes import INDEXES
from retrieval.indexes.base import checked, knob
from retrieval.panel import Panel
from retrieval.partial import Ahead
from retrieval.query import Query
from retrieval.runtime import machine
from retrieval.runtime.paths import cache as default_cache
from retrieval.shelf import Shelf
from retrieval.store import Built, Store, columns_key, index_key, revision, vectors_key
from retrieval.telling import telling
from retrieval.types import Metric, Precision, Progress, Result, Spec, State, Vectors
from retrieval.where import Allowed, Where
from retrieval.work import Work

DATA = Path(__file__).parent.parent / "data"
CHOSEN = 64_000_000
"""Bytes of rows that filters allow which are kept."""
LEAST_CHOSEN = CHOSEN // 1000
"""What one filter counts as, at least: a thousand are kept, and looked through for each new one."""


class Lab:
    """Loads each thing once and answers queries.

    Args:
        data: what ships; the checkout's by default.
        cache: what is built here; ``PARALLAX_CACHE`` by default.
        folder: a folder of the user's own pictures, as the gallery ``folder``.
        public: strangers use it: nothing typed is loaded, nothing of theirs is built.
        precision: float32, or bfloat16 for every network.
        memory: bytes of models that stay loaded, and half as many of vectors and again of
            indexes; half of the machine by default.
        paid: whoever runs it has agreed that hosted embedders are sent whole galleries.

    Attributes:
        work: what is being made now.
    """

    def __init__(
        self,
        data: Path | None = None,
        cache: Path | None = None,
        folder: Path | None = None,
        public: bool = False,
        precision: Precision = "float32",
        memory: int | None = None,
        paid: bool = False,
    ) -> None:
        self.data = data or DATA
        self.cache = cache or default_cache()
        self.public = public or bool(os.environ.get("SPACE_ID"))
        self.precision = precision
        self.paid = paid and not self.public
        self.catalog = Catalog(self.data, self.cache, None if self.public else folder)
        self.store = Store(self.data / "artefacts", self.cache / "artefacts")
        self.work = Work()
        room = machine.memory() // 2 if memory is None else memory
        self._embedders: Shelf[Embedder] = Shelf(room, lambda embedder: embedder.nbytes())
        self._vectors: Shelf[Vectors] = Shelf(room // 2, lambda vectors: vectors.nbytes)
        self._indexes: Shelf[Built] = Shelf(
            room // 2, lambda built: built.index.nbytes() + built.index.beside()
        )
        self._allowed: Shelf[Allowed] = Shelf(
            CHOSEN, lambda one: max(LEAST_CHOSEN, one.mask.nbytes + one.rows.nbytes)
        )

    def gallery(self, name: str) -> Gallery:
        """A gallery, opened once.

        Raises:
            BadQuery: it has no rows.
        """
        gallery = self.catalog.open(name)
        if len(gallery) == 0:
            raise BadQuery(f"the gallery {name} has no pictures; choose another or add some")
        return gallery

    def spec(self, name: str) -> Spec:
        """An embedder's spec, in the precision of this lab.

        Raises:
            UnknownName: quoting the name and the nearest ones.
            Refused: the name is typed, in public mode.
        """
        permits.model(self, name)
        spec = EMBEDDERS.spec(name)
        ours = spec.metric is not Metric.HAMMING and not spec.key
        other = ours and spec.precision != self.precision  # asked for often: no copy for nothing
        return replace(spec, precision=self.precision) if other else spec

    def index_spec(self, name: str) -> Spec:
        """An index's spec.

        Raises:
            UnknownName: quoting the name and the nearest ones.
            Refused: the name is typed, in public mode.
        """
        permits.index(self, name)
        return INDEXES.spec(name)

    def embedder(self, name: str) -> Embedder:
        """An embedder, loaded once.

        Raises:
            Refused: it is not ready, in public mode.
            Unreachable: its weights are neither here nor, as far as is known, to be had.
        """
        known = self.spec(name)

        def make() -> Embedder:
            permits.loading(self, known)
            spec = self._pinned(name)
            with self.work.doing(name, f"loading {spec.title}") as told, telling(told):
                return EMBEDDERS.load(spec)(spec)

        return self._embedders.get(name, make)

    def loaded(self, name: str) -> bool:
        """Whether an embedder is in memory."""
        return name in self._embedders

    def texts(self, name: str, texts: Sequence[str]) -> Vectors:
        """Many texts by an embedder, such as all captions of a gallery.

        Raises:
            Refused: it is paid by use, and nobody has agreed to pay.
        """
        permits.texts(self, self.spec(name), len(texts))
        return self.embedder(name).texts(texts)

    def vectors(
        self,
        gallery: Gallery,
        name: str,
        progress: Progress | None = None,
        ahead: Ahead | None = None,
    ) -> Vectors:
        """The vectors of a gallery by an embedder, embedded where they are nowhere yet.

        Args:
            gallery: whose rows.
            name: of the embedder.
            progress: told of rows done.
            ahead: embeds them elsewhere; see ``retrieval.cluster``.

        Raises:
            Unsupported: it reads captions and the gallery has none, or is for other galleries.
            BadImage: pictures are broken; they are left out from now on.
            Refused: they are nowhere, in public mode or from an embedder that is paid by use.
        """
        about.check(self.spec(name), gallery)
        spec = self._pinned(name, gallery)
        if not (spec.reads_images or gallery.captioned):
            raise Unsupported(
                f"{gallery.title} has no captions, and {spec.title} reads nothing else; "
                "choose an embedder that reads pictures"
            )

        def make() -> Vectors:
            permits.embedding(self, gallery, spec)
            with self.work.doing(name, f"reading vectors of {gallery.name}", progress) as told:
                try:
                    return self.store.vectors(
                        gallery, spec, lambda: self.embedder(name), told, ahead
                    )
                except BadImage as error:
                    raise self._sifted(gallery, error) from error

        return self._vectors.get((gallery.name, revision(gallery, spec), name), make)

    def index(self, gallery: Gallery, panel: Panel, progress: Progress | None = None) -> Built:
        """A panel's index, built where it is nowhere yet.

        Raises:
            BadVectors: the index cannot compare what the embedder makes.
            Refused: a build-time knob off its default, or a gallery of the hub whose index
                is not built, in public mode.
        """
        embedder, index = self.spec(panel.embedder), self.index_spec(panel.index)
        knobs = checked(index, dict(panel.knobs))
        build = {name: value for name, value in knobs.items() if knob(index, name).when == "build"}
        if embedder.metric not in index.metrics:
            raise BadVectors(
                f"{index.title} compares by {' or '.join(index.metrics)}, "
                f"{embedder.title} makes vectors for {embedder.metric}; choose another index"
            )
        permits.knobs(self, index, build)
        vectors = self.vectors(gallery, panel.embedder, progress)
        embedder = self.spec(panel.embedder)  # its commit is known by now
        kept = columns_key(gallery, index)
        key = vectors_key(gallery, embedder) | kept

        def make() -> Built:
            permits.building(self, gallery, index_key(key, index, _all(index, build)))
            with self.work.doing(embedder.name, f"building {index.title}"):
                columns = gallery.columns if kept else None
                return self.store.index(vectors, key, index, embedder.metric, build, columns)

        place = (
            gallery.name,
            revision(gallery, embedder),
            panel.embedder,
            index.name,
            *sorted(build.items()),
            *kept.values(),
        )
        return self._indexes.get(place, make)

    def allowed(self, gallery: Gallery, where: Where | None) -> Allowed | None:
        """The rows that a filter allows, looked up once; none where there is no filter.

        Raises:
            BadQuery: the gallery has no such column, or one of another kind.
        """
        if where is None:
            return None
        place = (gallery.name, gallery.revision, gallery.words, where)
        return self._allowed.get(place, lambda: Allowed.of(where, gallery.columns))

    def compare(
        self, gallery: str, panels: Sequence[Panel], query: Query, k: int
    ) -> Iterator[Result]:
        """Answer a query by each panel; see ``retrieval.search.compare``."""
        from retrieval.search import compare

        return compare(self, self.gallery(gallery), panels, query, k)

    def states(self) -> dict[str, State]:
        """Whether each embedder and index can be used now."""
        from retrieval.readiness import state

        return {
            spec.name: state(spec, self.public)
            for spec in (*EMBEDDERS.specs(), *typed.known(), *INDEXES.specs())
        }

    def _pinned(self, name: str, gallery: Gallery | None = None) -> Spec:
        """The spec with its commit, which the hub is asked for where none is known."""
        spec = self.spec(name)
        if spec.revision or not spec.param("repo"):
            return spec
        permits.asking(self, name, gallery)
        with self.work.doing(name, f"asking the hub for {spec.title}"):
            commits.asked(spec)
        return self.spec(name)

    def _sifted(self, gallery: Gallery, error: BadImage) -> BadImage:
        """The error to raise once broken pictures are left out, if they may be."""
        rest = self.catalog.sift(gallery)
        lost = [each for each in rest.left_out if each not in gallery.left_out]
        if not lost:
            return error
        return BadImage(
            f"{len(lost):,} of {len(gallery):,} pictures cannot be read and are left out from now "
            f"on, the first: {lost[0]}; ask again"
        )


def _all(index: Spec, given: dict[str, int]) -> dict[str, int]:
    """Knobs, by their defaults where none is given."""
    return {each.name: each.default for each in index.knobs} | given
