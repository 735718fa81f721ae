"""HNSW, also over codes, and flat search by a Weaviate server or cloud in ``PARALLAX_WEAVIATE``.

Nothing of a search is set with the search: ``ef`` and how many are scored again are settings of
the collection, for all who ask it. So they are build-time knobs here: another value is another
collection, and nobody changes what another panel is measured by.

The address is that of the REST interface; ``?grpc=50051`` or ``?grpc=host:50051`` behind it says
where gRPC answers, if not there. An alias marks a collection as whole: Weaviate 1.32 or later.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from retrieval.errors import LabError
from retrieval.indexes import weaviate_schema as schema
from retrieval.indexes.archive import Chosen, Found
from retrieval.indexes.remote import Remote
from retrieval.indexes.remote_refusal import Refusal
from retrieval.indexes.weaviate_client import Named, connected, library, refusal
from retrieval.types import Knob, Spec, Vectors

GRAPH = (
    Knob(
        name="ef",
        low=1,
        high=512,
        default=100,
        when="build",
        unit="candidates",
        help="Candidates kept while walking the graph; below k it counts as k. Weaviate has it "
        "for a collection, not for a query.",
    ),
    Knob(
        name="maxConnections",
        low=4,
        high=64,
        default=32,
        when="build",
        unit="links",
        help="Links of a vector in each layer, twice as many in the lowest.",
    ),
    Knob(
        name="efConstruction",
        low=8,
        high=512,
        default=128,
        when="build",
        unit="candidates",
        help="Candidates kept while a vector's links are chosen.",
    ),
)


def _again(default: int) -> Knob:
    return Knob(
        name="rescoreLimit",
        low=0,
        high=512,
        default=default,
        when="build",
        unit="candidates",
        help="Candidates by their codes that are scored again by their whole vectors; from 1 to "
        "k - 1 it counts as ef. A setting of the collection too.",
    )


def _spec(name: str, title: str, *knobs: Knob, bits: int = 0) -> Spec:
    return Spec(
        name=f"weaviate-{name}",
        title=f"Weaviate {title}",
        target="retrieval.indexes.weaviate:Server",
        family="Weaviate",
        note="by address only",
        knobs=knobs,
        filters="columns",
        needs=("weaviate",),
        install="pip install weaviate-client",
        params=(
            ("address", "PARALLAX_WEAVIATE"),
            ("port", 8080),
            ("scheme", "weaviate"),
            ("bits", bits),
        ),
    )


SPECS = (
    _spec("hnsw", "HNSW", *GRAPH),
    _spec("rq8", "HNSW, 8 bits a number", *GRAPH, _again(20), bits=8),
    _spec("rq1", "HNSW, 1 bit a number", *GRAPH, _again(512), bits=1),
    _spec("flat", "flat"),
)


class Server(Remote):
    """A collection by inner product; its alias is the mark that it is whole."""

    def reach(self) -> None:
        """See that both interfaces answer, before anything is timed.

        Raises:
            Unreachable: one does not, in time.
        """
        super().reach()
        if self.count:
            self._asked(self._count)

    def _ready(self) -> None:
        library()

    def _connected(self, limit: float) -> Named:
        return connected(self.variable, self._address(), self._port, self.key, limit)

    def _create(self, client: Any) -> None:
        if client.collections.exists(self._rows):
            if self._fits_settings(client):
                return
            client.collections.delete(self._rows)  # nobody searches it: it has no mark
        client.alias.delete(alias_name=self._name)  # one that is left would show the new half
        columns = (self._columns or {}).items()
        try:
            client.collections.create(
                self._rows,
                properties=[schema.kept(name, column) for name, column in columns],
                vector_config=schema.vectors(self._bits, self.knobs),
            )
        except Exception:
            if not client.collections.exists(self._rows):  # else another was faster
                raise

    def _fits_settings(self, client: Any) -> bool:
        """Whether the collection's index still is what was asked for; most of it can be changed."""
        told = client.rows(self._rows).config.get().vector_config or {}
        return schema.VECTOR in told and schema.settings(
            told[schema.VECTOR].vector_index_config
        ) == schema.wanted(self._bits, self.knobs)

    def _same(self, vectors: Vectors) -> bool:
        return self._asked(self._fits_settings) and super()._same(vectors)

    def _put(self, client: Any, start: int, vectors: Vectors) -> None:
        made = library().classes.data.DataObject
        part = [
            made(properties=self._kept(row), uuid=name(row), vector={schema.VECTOR: vector})
            for row, vector in enumerate(vectors.tolist(), start)
        ]
        done = client.rows(self._rows).data.insert_many(part)
        if done.has_errors:
            why = next(iter(done.errors.values())).message
            raise LabError(f"{self.where} did not take {len(done.errors):,} vectors: {why[:200]}")

    def _kept(self, row: int) -> dict[str, Any]:
        return {schema.KEPT + name: schema.value(each) for name, each in super()._kept(row).items()}

    def _indexed(self, client: Any) -> int:
        nodes = client.cluster.nodes(collection=self._rows, output="verbose")
        waiting = sum(shard.vector_queue_length for node in nodes for shard in node.shards)
        return self.count - min(int(waiting), self.count)

    def _mark(self, client: Any) -> None:
        try:
            client.alias.create(alias_name=self._name, target_collection=self._rows)
        except Exception:
            if not self._marked(client):  # else another was faster
                raise

    def _marked(self, client: Any) -> bool:
        found = client.alias.get(alias_name=self._name)
        if found is None or found.collection != self._rows:
            return False
        return bool(client.collections.exists(self._rows))  # an alias outlives its collection

    def _drop(self, client: Any) -> None:
        client.alias.delete(alias_name=self._name)
        client.collections.delete(self._rows)

    def _count(self, client: Any) -> int:
        told = client.rows(self._rows).aggregate.over_all(total_count=True)
        return int(told.total_count or 0)

    def _sample(self, client: Any, rows: list[int]) -> dict[int, Any]:
        found = client.rows(self._rows).query.fetch_objects_by_ids(
            [name(row) for row in rows],
            limit=len(rows),
            include_vector=True,
            return_properties=[],
        )
        return {number(each.uuid): each.vector.get(schema.VECTOR, []) for each in found.objects}

    def _nearest(self, client: Any, queries: Vectors, k: int, chosen: Chosen | None) -> list[Found]:
        query = library().classes.query
        found = client.rows(self._name).query.near_vector(
            queries[0].tolist(),
            limit=k,
            filters=schema.condition(chosen) if chosen else None,
            return_metadata=query.MetadataQuery(distance=True),
            return_properties=[],
        )
        rows = [number(each.uuid) for each in found.objects]
        return [(rows, [-each.metadata.distance for each in found.objects])]

    def _refusal(self, error: Exception) -> Refusal:
        return refusal(error)

    @property
    def _rows(self) -> str:
        """The collection behind the alias."""
        return f"{self._name}_rows"

    @property
    def _bits(self) -> int:
        """Bits of a number in the codes; 0 where whole vectors are compared."""
        return int(self.spec.param("bits"))


def name(row: int) -> UUID:
    """The name of a row's object; the UUID 0 is none."""
    return UUID(int=row + 1)


def number(named: UUID) -> int:
    """The row of an object's name."""
    return named.int - 1
