"""Engines on servers: what goes wrong there stays a sentence of one panel, and heals."""

from __future__ import annotations

import gc
import re
import socket
import threading
import time
from contextlib import ExitStack
from typing import Any

import pytest

from retrieval.errors import BadVectors, LabError, NotReady, Refused, Unreachable
from retrieval.indexes import INDEXES
from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.readiness import state
from retrieval.runtime import servers
from retrieval.types import Metric
from tests import remotes
from tests.held import LONGEST, until
from tests.remote.engines import Hurry, each, variable
from tests.vectors import built, drawn, made

pytestmark = pytest.mark.server
LATE = 100.0
"""Seconds: many more than the one that is enough, far fewer than a slow server takes."""


@each
@pytest.mark.parametrize(
    ("mood", "kind", "sentence"),
    [
        (401, NotReady, "wants another key .401.: set {variable}_KEY"),
        (403, NotReady, "wants another key .403.: set {variable}_KEY"),
        (429, Unreachable, "(asked too often .429.; ask again in|does not answer)"),
        (500, Unreachable, "(fails .500|does not answer)"),
        (503, Unreachable, "(fails .503|does not answer)"),
        ("slow", Unreachable, "does not answer"),
        ("cut", Unreachable, "does not answer"),
    ],
)
def test_a_mood_is_one_sentence_in_time_and_passes(
    name: str,
    server: Any,
    hasty: Hurry,
    mood: Any,
    kind: type[LabError],
    sentence: str,
) -> None:
    vectors = drawn(Metric.COSINE, 120)
    index = built(name, Metric.COSINE, vectors)
    wanted = index.search(vectors[:1], 5)[0].tolist()
    if kind is Unreachable:  # what is refused at once is told however late that comes
        hasty()
    server.mood = mood
    for ask in (lambda: index.search(vectors[:1], 5), index.reach):
        start = time.monotonic()
        with pytest.raises(kind, match=sentence.format(variable=variable(name))) as caught:
            ask()
        assert time.monotonic() - start < LATE and "secret" not in str(caught.value)
    server.mood = ""
    until(lambda: found(index, vectors[:1]) == wanted)  # gRPC looks again a moment later


def found(index: Any, queries: Any) -> Any:
    """What is found, once the server answers."""
    try:
        return index.search(queries, 5)[0].tolist()
    except Unreachable:
        return None


@each
def test_a_server_that_was_away_answers_again(name: str, server: Any, hasty: Hurry) -> None:
    vectors = drawn(Metric.COSINE, 120)
    index = built(name, Metric.COSINE, vectors)
    wanted = index.search(vectors[:1], 5)[0].tolist()
    hasty()
    server.stop()
    start = time.monotonic()
    with pytest.raises(Unreachable, match="does not answer"):
        index.search(vectors[:1], 5)
    assert time.monotonic() - start < LATE
    server.start()
    until(lambda: found(index, vectors[:1]) == wanted)


@each
def test_restarted_in_mid_query_is_an_answer_or_a_sentence(
    name: str, server: Any, hasty: Hurry
) -> None:
    vectors = drawn(Metric.COSINE, 120)
    index = built(name, Metric.COSINE, vectors)
    wanted = index.search(vectors[:3], 5)[0].tolist()
    hasty()
    wrong, said, stop = list[object](), list[object](), threading.Event()

    def asking() -> None:
        while not stop.is_set():
            try:
                said.append(found(index, vectors[:3]))
                if said[-1] not in (wanted, None):
                    wrong.append("another answer")
            except Exception as error:
                wrong.append(error)

    def more(answer: object) -> None:
        """Wait until it is said again."""
        begun = len(said)
        until(lambda: wrong or answer in said[begun:])

    worker = threading.Thread(target=asking)
    worker.start()
    for _ in range(2):
        more(wanted)
        server.stop()
        more(None)
        server.start()
    more(wanted)
    stop.set()
    worker.join(LONGEST)
    assert not wrong and not worker.is_alive()


@pytest.mark.parametrize("name", ["qdrant-server"])
def test_one_that_drips_its_answer_ends_in_time(name: str, server: Any, hasty: Hurry) -> None:
    vectors = drawn(Metric.COSINE, 120)
    index = built(name, Metric.COSINE, vectors)
    hasty()
    server.mood = "drip"
    start = time.monotonic()
    with pytest.raises(Unreachable, match="does not answer within 1 s"):
        index.search(vectors[:1], 5)
    assert time.monotonic() - start < LATE


@pytest.mark.parametrize("name", ["qdrant-server", "pinecone", "weaviate-hnsw"])
def test_the_key_is_sent_and_never_told(
    name: str, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.key = "secret"
    vectors = drawn(Metric.COSINE, 60)
    assert built(name, Metric.COSINE, vectors).search(vectors[:1], 1)[0].tolist() == [[0]]
    monkeypatch.setenv(f"{variable(name)}_KEY", "forged")
    with pytest.raises(NotReady, match="wants another key") as caught:
        built(name, Metric.COSINE, vectors)
    assert "forged" not in str(caught.value)


@each
def test_no_address_a_bad_one_and_a_silent_one_are_said(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(variable(name), raising=False)
    spec = INDEXES.spec(name)
    assert state(spec).kind == "key" and f"set {variable(name)}" in state(spec).reason
    index = INDEXES.load(spec)(spec, Metric.COSINE)
    with pytest.raises(NotReady, match=f"set {variable(name)} to its address"):
        index.build(drawn(Metric.COSINE, 5))
    monkeypatch.setenv(f"{variable(name)}_KEY", "secret")
    for bad in ("localhost:6333", "ftp://host", "http://", "http://user:secret@h:99999"):
        monkeypatch.setenv(variable(name), bad)
        with pytest.raises(NotReady, match="is no address; it looks like") as caught:
            index.build(drawn(Metric.COSINE, 5))
        assert "secret" not in str(caught.value)
        assert state(spec).kind == "unreachable"
    monkeypatch.setenv(variable(name), "http://user:secret@127.0.0.1:1")
    monkeypatch.setenv(servers.VARIABLE, "1")
    start = time.monotonic()
    with pytest.raises(Unreachable, match="at 127.0.0.1:1 does not answer") as silent:
        index.build(drawn(Metric.COSINE, 5))
    assert "secret" not in str(silent.value) and time.monotonic() - start < LATE
    state(spec)
    assert servers.watch("127.0.0.1", 1).known.wait(LONGEST)
    assert state(spec).kind == "unreachable" and "127.0.0.1:1" in state(spec).reason


def test_a_host_of_no_name_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARALLAX_QDRANT", "http://a..b:6333")
    spec = INDEXES.spec("qdrant-server")
    state(spec)
    assert servers.watch("a..b", 6333).known.wait(LONGEST)
    assert state(spec).kind == "unreachable" and "a..b:6333 does not answer" in state(spec).reason


def test_looking_never_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "SECONDS", LONGEST)
    spec = INDEXES.spec("qdrant-server")
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as waiting:
        for _ in range(4):  # no more fit, so that the next is left without an answer
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        port = full.getsockname()[1]
        monkeypatch.setenv("PARALLAX_QDRANT", f"http://127.0.0.1:{port}")
        assert state(spec).kind == "ready"  # until something else is known
        assert not servers.watch("127.0.0.1", port).known.is_set()


@pytest.mark.parametrize("given", ["0", "-1", "soon", "inf", "601", "nan"])
def test_a_time_that_is_none_is_said(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(servers.VARIABLE, given)
    with pytest.raises(NotReady, match="PARALLAX_TIMEOUT is .* seconds up to 600"):
        servers.seconds()


def test_a_width_that_the_index_lacks_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    server = remotes.start("pinecone")
    monkeypatch.setenv("PARALLAX_PINECONE", server.address)
    monkeypatch.setenv("PARALLAX_PINECONE_KEY", "key")
    server.width = 32
    with pytest.raises(BadVectors, match="takes 32 dimensions, the vectors have 64; make one"):
        built("pinecone", Metric.COSINE, drawn(Metric.COSINE, 20))
    server.close()


@pytest.mark.parametrize("name", ["qdrant-server", "weaviate-hnsw"])
def test_a_slow_server_costs_its_panel_alone(name: str, server: Any, lab: Lab) -> None:
    panels = [Panel("colour", "exact"), Panel("colour", name)]
    assert all(not r.problem for r in lab.compare("colours", panels, Query(row=3), 5))
    server.mood = "slow"
    results = lab.compare("colours", panels, Query(row=3), 5)
    first = next(results)  # it waits for nobody
    assert (first.position, first.problem, server.mood) == (0, "", "slow")
    server.mood = 503
    assert re.search("fails .503|does not answer", next(results).problem)
    server.mood = ""
    assert all(not r.problem for r in lab.compare("colours", panels, Query(row=3), 5))


def test_a_public_lab_asks_no_server(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARALLAX_QDRANT", "http://127.0.0.1:1")
    lab.public = True
    assert lab.states()["qdrant-server"].kind == "unreachable"
    with pytest.raises(Refused, match="qdrant-server is a server of the host's"):
        lab.index(lab.gallery("colours"), Panel("colour", "qdrant-server"))


def test_a_client_of_pinecone_that_is_left_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    server = remotes.start("pinecone")
    monkeypatch.setenv("PARALLAX_PINECONE", server.address)
    monkeypatch.setenv("PARALLAX_PINECONE_KEY", "key")
    index: Any = built("pinecone", Metric.COSINE, drawn(Metric.COSINE, 20))
    own = [getattr(client, "_client", client)._http._client for client in index._clients.values()]
    assert own and not any(each.is_closed for each in own)
    index.close()
    gc.collect()
    assert all(each.is_closed for each in own)
    server.close()


def test_calls_to_a_pinecone_that_is_away_hold_no_places(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The client by itself would try again for seconds, and there is room for 16 such calls."""
    server = remotes.start("pinecone")
    monkeypatch.setenv("PARALLAX_PINECONE", server.address)
    monkeypatch.setenv("PARALLAX_PINECONE_KEY", "key")
    vectors = drawn(Metric.COSINE, 20)
    index = built("pinecone", Metric.COSINE, vectors)
    server.mood, before = 503, len(server.asked)
    for _ in range(servers.CALLS + 4):
        with pytest.raises(Unreachable):
            index.search(vectors[:1], 1)
    assert len(server.asked) - before == servers.CALLS + 4  # each was made once
    server.mood = ""
    assert index.search(vectors[:1], 1)[0].tolist() == [[0]]
    server.close()


def test_a_gap_of_grpc_is_said_in_its_words() -> None:
    class Late(Exception):
        """As gRPC's: its own text is a table of many lines."""

        def details(self) -> str:
            return "Deadline Exceeded"

    index: Any = made("milvus-server", Metric.COSINE)
    said = index._refusal(Late("<_InactiveRpcError of RPC that terminated with:\n\tstatus = 4"))
    assert (said.status, said.text) == (0, "Deadline Exceeded")
    assert index._refusal(OSError("no route")).text == "no route"
