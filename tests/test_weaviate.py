"""Weaviate by address: what is asked of it, and what only Weaviate does."""

from __future__ import annotations

import gc
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from retrieval.errors import Damaged, LabError, NotReady, Unreachable
from retrieval.indexes import INDEXES, remote_fill
from retrieval.indexes.weaviate_client import grpc_place
from retrieval.runtime import servers
from retrieval.types import Metric
from retrieval.where import Allowed, Columns, Where
from tests.fakeweaviate import Weaviate
from tests.vectors import built, drawn, made

pytestmark = pytest.mark.server
LATE = 100.0
"""Seconds: many more than the one that is enough."""
NAMES = [each for each in INDEXES.names() if each.startswith("weaviate-")]
each = pytest.mark.parametrize("name", NAMES)


@pytest.fixture
def server(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Weaviate]:
    monkeypatch.setattr(remote_fill, "PAUSE", 0.01)
    monkeypatch.setenv("PARALLAX_CACHE", str(tmp_path / "cache"))
    started = Weaviate()
    monkeypatch.setenv("PARALLAX_WEAVIATE", started.address)
    yield started
    started.mood = ""
    started.close()


def held(server: Weaviate) -> dict[str, Any]:
    """What the only collection was made as."""
    ((_, found),) = server.held.items()
    return found.config


@each
def test_nothing_is_left_to_the_server(name: str, server: Weaviate) -> None:
    columns: Columns = {"label": ["owl"] * 5, "part": np.arange(5)}
    index = made(name, Metric.COSINE)
    index.build(drawn(Metric.COSINE, 5), columns)
    told = held(server)["vectorConfig"]["default"]
    assert told["vectorIndexType"] == ("flat" if name == "weaviate-flat" else "hnsw")
    found = told["vectorIndexConfig"]
    assert found["distance"] == "dot"
    for knob in index.spec.knobs:
        where = found["rq"] if knob.name == "rescoreLimit" else found
        assert where[knob.name] == knob.default
    bits = {"weaviate-rq8": 8, "weaviate-rq1": 1}.get(name, 0)
    assert found["rq"].get("bits", 0) == bits
    assert found.get("skipDefaultQuantization", False) is not bool(bits)
    label, part = held(server)["properties"]
    assert label["tokenization"] == "field" and label["dataType"] == ["text"]
    assert part["indexRangeFilters"] and part["dataType"] == ["int"]


def test_no_search_can_be_told_its_ef() -> None:
    """Should one be some day, it becomes a knob of a query."""
    from weaviate.proto.v1 import base_search_pb2, search_get_pb2

    for message in (search_get_pb2.SearchRequest, base_search_pb2.NearVector):
        names = [each.name for each in message.DESCRIPTOR.fields]
        assert not any(each == "ef" or "rescore" in each for each in names), names


@each
def test_settings_that_somebody_changed_are_damage_and_made_again(
    name: str, server: Weaviate, tmp_path: Any
) -> None:
    vectors = drawn(Metric.COSINE, 30)
    built(name, Metric.COSINE, vectors).save(tmp_path)
    found = held(server)["vectorConfig"]["default"]
    was = found["vectorIndexConfig"].get("ef")
    found["vectorIndexConfig"] |= {"distance": "cosine", "ef": 500}
    with pytest.raises(Damaged, match="does not hold the collection .*build the index again"):
        made(name, Metric.COSINE).load(tmp_path, vectors)
    built(name, Metric.COSINE, vectors)
    again = held(server)["vectorConfig"]["default"]["vectorIndexConfig"]
    assert (again["distance"], again.get("ef")) == ("dot", was)


def test_another_ef_is_another_collection(server: Weaviate) -> None:
    vectors = drawn(Metric.COSINE, 30)
    for ef in (16, 256):
        built("weaviate-hnsw", Metric.COSINE, vectors, ef=ef)
    found = [each.index["ef"] for each in server.held.values()]
    assert sorted(found) == [16, 256] and len(server.aliases) == 2


def test_a_collection_that_it_made_by_itself_is_never_marked(
    server: Weaviate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dropped in the middle of a load, it is back with the next batch, but with no settings."""
    index: Any = made("weaviate-hnsw", Metric.COSINE)
    monkeypatch.setattr(type(index), "batch", 20)
    drops = [lambda: server.held.clear()]

    def told(what: str, done: int, total: int) -> None:
        if done == 40 and drops:
            drops.pop()()

    index.told = told
    with pytest.raises(LabError, match="or others than were handed over; remove Parallax"):
        index.build(drawn(Metric.COSINE, 100))
    assert server.held and not server.aliases
    assert (index.search(drawn(Metric.COSINE, 1), 3)[0] == -1).all()
    index.build(drawn(Metric.COSINE, 100))  # which makes it anew
    assert held(server)["vectorConfig"]["default"]["vectorIndexConfig"]["ef"] == 100


def test_an_alias_that_is_left_shows_no_half(server: Weaviate) -> None:
    vectors = drawn(Metric.COSINE, 50)
    built("weaviate-hnsw", Metric.COSINE, vectors)
    server.held.clear()
    index: Any = made("weaviate-hnsw", Metric.COSINE)
    seen: list[bool] = []
    index.told = lambda *_: seen.append(bool(server.aliases))
    index.build(vectors)
    assert seen and not any(seen) and server.aliases
    assert index.search(vectors[7:8], 1)[0].tolist() == [[7]]


def test_vectors_that_wait_are_waited_for(server: Weaviate) -> None:
    server.slowly = 3
    index: Any = made("weaviate-hnsw", Metric.COSINE)
    heard: list[tuple[str, int]] = []
    index.told = lambda what, done, total: heard.append((what.split()[0], done))
    index.build(drawn(Metric.COSINE, 60))
    assert heard[-4:] == [("indexing", 30)] * 3 + [("indexing", 60)]


@pytest.mark.parametrize(
    ("full", "said"), [(3, "did not take 3 vectors: no room"), (99, "no room")]
)
def test_what_it_does_not_take_is_said(server: Weaviate, full: int, said: str) -> None:
    server.full = full
    with pytest.raises(LabError, match=said):
        built("weaviate-hnsw", Metric.COSINE, drawn(Metric.COSINE, 10))
    assert not server.aliases


def test_one_of_two_interfaces_down_is_said_before_timing(
    server: Weaviate, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = drawn(Metric.COSINE, 30)
    index = built("weaviate-hnsw", Metric.COSINE, vectors)
    server._calls.stop(None).wait(10)  # gRPC alone
    with monkeypatch.context() as hasty:
        hasty.setenv(servers.VARIABLE, "1")
        start = time.monotonic()
        with pytest.raises(Unreachable, match="Weaviate at 127.0.0.1:.* does not answer"):
            index.reach()
        assert time.monotonic() - start < LATE
    server.stop()
    server.start()
    index.reach()
    assert index.search(vectors[3:4], 1)[0].tolist() == [[3]]


@pytest.mark.parametrize("which", ["REST", "gRPC"])
def test_one_that_never_answers_is_said_in_time(
    which: str, server: Weaviate, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = drawn(Metric.COSINE, 30)
    built("weaviate-hnsw", Metric.COSINE, vectors)
    monkeypatch.setenv(servers.VARIABLE, "1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        rest, grpc = (port, server.grpc_port) if which == "REST" else (server.port, port)
        monkeypatch.setenv("PARALLAX_WEAVIATE", f"http://127.0.0.1:{rest}?grpc={grpc}")
        start = time.monotonic()
        with pytest.raises(Unreachable, match="does not answer"):
            built("weaviate-hnsw", Metric.COSINE, vectors)
        assert time.monotonic() - start < LATE  # the silent one never ends


def test_failures_leave_nothing_open(server: Weaviate) -> None:
    vectors = drawn(Metric.COSINE, 30)
    index = built("weaviate-hnsw", Metric.COSINE, vectors)

    def failed(times: int) -> int:
        server.mood = 500
        for _ in range(times):
            with pytest.raises(Unreachable):
                index.search(vectors[:1], 1)
        server.mood = ""
        index.search(vectors[:1], 1)
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir()))

    first = failed(5)
    assert failed(40) <= first + 5


def test_calls_to_one_that_is_away_hold_no_places(
    server: Weaviate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client by itself would try again for a minute, and there is room for 16 such calls."""
    vectors = drawn(Metric.COSINE, 30)
    index = built("weaviate-hnsw", Metric.COSINE, vectors)
    monkeypatch.setenv(servers.VARIABLE, "30")
    server.mood = 503
    start = time.monotonic()
    for _ in range(servers.CALLS + 4):
        with pytest.raises(Unreachable):
            index.search(vectors[:1], 1)
    server.mood = ""
    assert index.search(vectors[:1], 1)[0].tolist() == [[0]]
    assert time.monotonic() - start < 60  # each of the last would wait for a place


@pytest.mark.parametrize(
    ("version", "least"), [("1.31.9", "at least version 1.32"), ("1.26.0", "")]
)
def test_one_that_is_too_old_is_said(server: Weaviate, version: str, least: str) -> None:
    server.version = version
    with pytest.raises(LabError, match=f"refuses .400.: .*{least}") as caught:
        built("weaviate-hnsw", Metric.COSINE, drawn(Metric.COSINE, 5))
    assert not isinstance(caught.value, Unreachable)


def test_a_client_that_is_left_is_closed(server: Weaviate) -> None:
    """Else it complains when it goes, which is an error in these tests."""
    index: Any = built("weaviate-flat", Metric.COSINE, drawn(Metric.COSINE, 5))
    own = [client._client for client in index._clients.values()]
    index.close()
    gc.collect()
    assert own
    for each in own:
        assert each._connection._client is None and each._connection._grpc_channel is None


def test_names_and_values_are_the_gallery_s_own(server: Weaviate) -> None:
    """Weaviate has an ``id`` and a ``vector`` itself, and takes spaces off the ends of words."""
    vectors = drawn(Metric.COSINE, 6)
    words = ["owl", " owl", "owl ", "", " ", "Owl"]
    index = made("weaviate-hnsw", Metric.COSINE)
    for column in ("id", "vector", "_id"):
        columns: Columns = {column: words, "at": np.arange(6)}
        index.build(vectors, columns)
        for row, word in enumerate(words):
            where = Allowed.of(Where(column, "=", (word,)), columns)
            assert index.search(vectors[:1], 6, where)[0].tolist() == [[row] + [-1] * 5]
    where = Allowed.of(Where.parse("at=1|4|x"), columns)
    assert sorted(index.search(vectors[:1], 2, where)[0][0].tolist()) == [1, 4]


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("http://h:8080", ("h", 50051)),
        ("https://h", ("h", 50051)),
        ("http://h:8080?grpc=50052", ("h", 50052)),
        ("http://h:8080/?grpc=other:1234", ("other", 1234)),
        ("http://h?grpc=[::1]:1234", ("::1", 1234)),
        ("https://x.c0.gcp.weaviate.cloud", ("grpc-x.c0.gcp.weaviate.cloud", 443)),
    ],
)
def test_where_grpc_answers(address: str, place: tuple[str, int]) -> None:
    assert grpc_place("PARALLAX_WEAVIATE", urlsplit(address)) == place


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://h:8080?grpc=host", "grpc='host'; it must be a port or host:port"),
        ("http://h:8080?grpc=0", "must be a port"),
        ("http://h:8080?grpc=99999", "must be a port"),
        ("http://h:8080?grpc=h:", "must be a port"),
        ("http://h:8080/v1", "has a path, which Weaviate has not"),
        ("http://h:8080?grpc=8080", "twice"),
    ],
)
def test_addresses_that_are_none(address: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARALLAX_WEAVIATE", address)
    with pytest.raises(NotReady, match=said):
        built("weaviate-hnsw", Metric.COSINE, drawn(Metric.COSINE, 5))


def test_one_that_is_no_weaviate_is_said(server: Weaviate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "answer", lambda *_: (200, {"title": "another server"}))
    with pytest.raises(Unreachable, match="cannot read the answer"):
        built("weaviate-hnsw", Metric.COSINE, drawn(Metric.COSINE, 5))
