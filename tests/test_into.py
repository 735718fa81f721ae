"""``load``: a server is filled in batches, goes on after a kill, and panels use what is there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from retrieval.cli import STOPPED, main
from retrieval.commands.load import target
from retrieval.errors import BadQuery
from retrieval.indexes.pgload import Loader
from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.runtime.postgres import Cluster
from retrieval.types import Metric
from tests import pgserver, remotes
from tests.held import LONGEST, ending, until
from tests.pgserver import tables
from tests.vectors import drawn, made

pytestmark = pytest.mark.server

folder, server, ended = pgserver.folder, pgserver.server, pgserver.ended
ROOT = Path(__file__).parent.parent
COMMAND = [sys.executable, "-m", "retrieval", "load", "--gallery", "clipart"]


@pytest.fixture
def remote(request: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A server, and how ``load`` is told of it."""
    monkeypatch.setenv("PARALLAX_CACHE", str(tmp_path))
    monkeypatch.setenv("PARALLAX_PINECONE_KEY", "key")
    started = remotes.start(request.param)
    yield started
    started.close()


SERVERS = pytest.mark.parametrize(
    ("remote", "scheme", "name"),
    [
        ("qdrant-server", "qdrant", "qdrant-server"),
        ("milvus-server", "milvus", "milvus-server"),
        ("pinecone", "pinecone+http", "pinecone"),
        ("weaviate-hnsw", "weaviate", "weaviate-hnsw"),
    ],
    indirect=["remote"],
)


@SERVERS
def test_panels_use_what_was_loaded(
    remote: Any,
    scheme: str,
    name: str,
    lab: Lab,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("retrieval.cli.lab", lambda options: lab)
    to = remote.address.replace("http", scheme, 1)
    asked = ["load", "--gallery", "colours", "--embedder", "colour", "--to", to]
    assert main([*asked, "--json"]) == 0
    caught = capsys.readouterr()
    told = json.loads(caught.out)
    assert (told["rows"], told["index"]) == (40, name) and "127.0.0.1" in told["into"]
    assert "loading into" in caught.err and "40/40" in caught.err
    monkeypatch.setenv(told["variable"], remote.address)
    before = len(remote.asked)
    (result,) = lab.compare("colours", [Panel("colour", name)], Query(row=3), 5)
    assert not result.problem and result.recall == 1 and result.hits[0].row == 3
    asked_then = " ".join(remote.asked[before:])
    assert not any(word in asked_then.lower() for word in ("upsert", "put", "batchobjects"))
    assert main(asked) == 0  # again: it is there
    assert "40 vectors are in" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("remote", ["qdrant-server"], indirect=True)
def test_the_command_killed_goes_on(remote: Any, tmp_path: Path) -> None:
    command = [*COMMAND, "--to", f"qdrant://127.0.0.1:{remote.port}"]
    here, go, plain = threading.Event(), threading.Event(), remote.answer

    def puts() -> int:
        return sum(each.startswith("PUT") and each.endswith("/points") for each in remote.asked)

    def answer(*asked: Any) -> Any:
        if puts() > 3 and not go.is_set():  # whoever puts the fourth batch waits, and is killed
            here.set()
            go.wait(LONGEST)
            return 500, {}
        return plain(*asked)

    remote.answer = answer
    with ending(subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)) as process:
        until(lambda: here.is_set() or process.poll() is not None)
        process.kill()
        process.communicate()
        go.set()
    assert process.returncode == -9
    (held,) = remote.held.values()
    there = held.engine.info().points_count
    assert there == 3000 and not held.aliases
    before = puts()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "6,884 vectors are in Qdrant at 127.0.0.1" in done.stdout
    assert puts() - before <= 7 - there // 1000 + 1  # one batch is written again, no more
    assert held.engine.info().points_count == 6884 and held.aliases


def test_postgresql_stopped_in_the_middle_goes_on(
    server: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.indexes.pgload.PART", 100)
    vectors, heard = drawn(Metric.COSINE, 1000, seed=31), list[tuple[str, int]]()
    index: Any = made("pgvector-hnsw", Metric.COSINE)

    def told(what: str, done: int, total: int) -> None:
        heard.append((what.split()[0], done))
        if len(heard) == 5:
            raise KeyboardInterrupt

    index.told = told
    with pytest.raises(KeyboardInterrupt):
        index.build(vectors)
    assert heard[-1] == ("loading", 400)
    name = index._table
    assert name not in tables(server) and f"{name}_part" in tables(server)
    index.build(vectors)
    assert ("loading", 400) in heard[5:6] and heard[-1] == ("indexing", 1000)
    assert name in tables(server) and f"{name}_part" not in tables(server)
    assert index.search(vectors[999:], 1)[0].tolist() == [[999]]
    index.close()


def test_a_table_that_was_loaded_stays_where_what_follows_is_stopped(
    server: Cluster, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("retrieval.cli.lab", lambda options: lab)
    monkeypatch.setattr(lab, "index", stopped)
    pgserver.asked(server, "CREATE SCHEMA IF NOT EXISTS parallax")
    before, to = tables(server), server.address(30)
    asked = ["load", "--gallery", "colours", "--embedder", "colour", "--to", to]
    assert main(asked) == STOPPED
    made_now = tables(server) - before  # indexes of columns are among them
    assert [name for name in made_now if re.fullmatch("pgvector_hnsw_[0-9a-f]{24}", name)]


def test_two_who_load_one_table_are_told(server: Cluster) -> None:
    vectors = drawn(Metric.COSINE, 50, seed=32)
    one = Loader(30, lambda *_: None)
    one._rows("SELECT pg_advisory_lock(hashtextextended(%s, 2))", "mine")
    other = Loader(30, lambda *_: None)
    with pytest.raises(Exception, match="is being loaded with these vectors"):
        other.make("mine", vectors, "", 1 << 20, {})
    one.end()
    other.end()


def test_addresses() -> None:
    assert target("qdrant://h:6333")[1:] == ("PARALLAX_QDRANT", "http://h:6333")
    assert target("qdrant+https://h")[1:] == ("PARALLAX_QDRANT", "https://h")
    assert target("pinecone://i.svc.pinecone.io")[2] == "https://i.svc.pinecone.io"
    specs, variable, address = target("weaviate://h:8080?grpc=50052")
    assert variable == "PARALLAX_WEAVIATE" and address == "http://h:8080?grpc=50052"
    assert specs[0].name == "weaviate-hnsw"
    specs, variable, address = target("postgresql://me@h/lab")
    assert variable == "PARALLAX_POSTGRES" and address == "postgresql://me@h/lab"
    assert specs[0].name == "pgvector-hnsw"
    for bad in ("", "qdrant", "qdrant://", "mysql://h", "qdrant+ftp://h", "http://h"):
        with pytest.raises(BadQuery, match="no address that is known here; it looks like qdrant"):
            target(bad)


def test_a_slip_is_one_sentence(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("retrieval.cli.lab", lambda options: lab)
    base = ["load", "--gallery", "colours", "--embedder", "colour", "--to"]
    for more, sentence in (
        (["qdrant://127.0.0.1:1"], "Qdrant at 127.0.0.1:1 does not answer"),
        (["qdrant://h", "--index", "faiss-hnsw"], "faiss-hnsw is not on qdrant; there is: qdrant-"),
        (["qdrant://[", "--index", "faiss-hnsw"], "faiss-hnsw is not on qdrant; there is: "),
        (["qdrant://["], "PARALLAX_QDRANT is no address"),
        (["nothing"], "it looks like qdrant://host:6333"),
    ):
        assert main([*base, *more]) == 2
        assert sentence in capsys.readouterr().err
    assert "PARALLAX_QDRANT" not in os.environ or os.environ["PARALLAX_QDRANT"] != "http://h"
