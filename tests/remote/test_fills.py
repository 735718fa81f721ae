"""Filling an engine on a server: once, to its end, and noticed where somebody changed it."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from retrieval.errors import Damaged, NotReady
from retrieval.indexes import remote, remote_fill
from retrieval.types import Metric
from tests import remotes
from tests.held import LONGEST
from tests.remote.engines import each
from tests.vectors import built, drawn, made

pytestmark = pytest.mark.server
ROOT = Path(__file__).parents[2]


@each
def test_many_that_build_the_same_fill_it_once(name: str, server: Any) -> None:
    vectors = drawn(Metric.COSINE, 250)
    indexes: list[Any] = [made(name, Metric.COSINE) for _ in range(4)]
    heard: list[tuple[int, int]] = []
    for place, index in enumerate(indexes):
        index.told = lambda what, done, total, place=place: heard.append((place, done))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda index: index.build(vectors), indexes))
    assert len({index._name for index in indexes}) == 1
    assert len({place for place, _ in heard}) == 1
    assert all(index.search(vectors[7:8], 1)[0].tolist() == [[7]] for index in indexes)


@each
def test_half_a_load_is_served_to_nobody_and_goes_on(
    name: str, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = drawn(Metric.COSINE, 2600)
    index: Any = made(name, Metric.COSINE)
    monkeypatch.setattr(type(index), "batch", 200)
    put, calls = type(index)._put, list[int]()

    def counted(self: Any, client: Any, start: int, part: Any) -> None:
        calls.append(start)
        if len(calls) == 8:
            raise KeyboardInterrupt
        put(self, client, start, part)

    monkeypatch.setattr(type(index), "_put", counted)
    with pytest.raises(KeyboardInterrupt):
        index.build(vectors)
    assert (index.search(vectors[:1], 2)[0] == -1).all()
    reader: Any = made(name, Metric.COSINE)
    (tmp_path / remote.FILE).write_text(f'{{"collection": "{index._name}"}}')
    with pytest.raises(Damaged, match="does not hold the collection .*build the index again"):
        reader.load(tmp_path, vectors)
    before = len(calls)
    index.build(vectors)
    again = calls[before:]
    assert again[0] > 0 and again == list(range(again[0], 2600, 200))  # not from the start
    reader.load(tmp_path, vectors)
    assert reader.search(vectors[2599:], 1)[0].tolist() == [[2599]]


KILLED = """
import os, sys
import numpy as np
from retrieval.types import Metric
from tests.vectors import drawn, made
index = made(sys.argv[1], Metric.COSINE)
type(index).batch = 100
def told(what, done, total):
    if done >= 900:
        os.kill(os.getpid(), 9)
index.told = told
index.build(drawn(Metric.COSINE, 2000))
"""


@each
def test_killed_in_the_middle_the_next_goes_on(
    name: str, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, name], cwd=ROOT, timeout=LONGEST)
    assert done.returncode == -9
    vectors, begun = drawn(Metric.COSINE, 2000), list[int]()
    index: Any = made(name, Metric.COSINE)
    monkeypatch.setattr(type(index), "batch", 100)
    index.told = lambda what, done, total: begun.append(done)
    index.build(vectors)
    assert begun[0] >= 700
    assert index.search(vectors[1999:], 1)[0].tolist() == [[1999]]


@each
def test_what_somebody_changed_is_damage_and_made_again(
    name: str, server: Any, tmp_path: Path
) -> None:
    vectors = drawn(Metric.COSINE, 150)
    index: Any = built(name, Metric.COSINE, vectors)
    index.save(tmp_path)
    index._again(lambda client: index._put(client, 0, vectors[1:3]))  # rows 0 and 1 are others now
    other: Any = made(name, Metric.COSINE)
    with pytest.raises(Damaged, match="with these vectors; build"):
        other.load(tmp_path, vectors)
    other.build(vectors)
    assert other.search(vectors[:3], 1)[0].ravel().tolist() == [0, 1, 2]
    index._asked(index._drop)
    with pytest.raises(Damaged, match="does not hold the collection"):
        other.load(tmp_path, vectors)


@each
def test_one_that_another_machine_has_just_marked_is_left_alone(name: str, server: Any) -> None:
    vectors = drawn(Metric.COSINE, 150)
    index: Any = built(name, Metric.COSINE, vectors)
    index._drop = lambda client: pytest.fail("others search it")
    index._put = lambda *_: pytest.fail("it is whole")
    index._fill(vectors)  # as who saw no mark, a moment too early
    assert index.search(vectors[149:], 1)[0].tolist() == [[149]]


@pytest.mark.parametrize("name", ["qdrant-server", "milvus-server", "weaviate-hnsw"])
def test_a_collection_that_is_gone_is_said(name: str, server: Any) -> None:
    vectors = drawn(Metric.COSINE, 150)
    index: Any = built(name, Metric.COSINE, vectors)
    index._asked(index._drop)
    with pytest.raises(Damaged, match="has lost a collection .*start Parallax again"):
        index.search(vectors[:1], 1)


def test_counts_that_show_late_are_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = remotes.start("pinecone")
    monkeypatch.setenv("PARALLAX_PINECONE", server.address)
    monkeypatch.setenv("PARALLAX_PINECONE_KEY", "key")
    monkeypatch.setattr(remote_fill, "PAUSE", 0.05)
    server.late = 5
    vectors = drawn(Metric.COSINE, 350)
    index = built("pinecone", Metric.COSINE, vectors)
    assert index.search(vectors[349:], 1)[0].tolist() == [[349]]
    server.close()


def test_a_cluster_s_shards_and_replicas_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    server = remotes.start("qdrant-server")
    monkeypatch.setenv("PARALLAX_QDRANT", server.address)
    monkeypatch.setenv("PARALLAX_QDRANT_SHARDS", "6")
    monkeypatch.setenv("PARALLAX_QDRANT_REPLICAS", "2")
    built("qdrant-server", Metric.COSINE, drawn(Metric.COSINE, 20))
    (held,) = server.held.values()
    assert (held.config["shard_number"], held.config["replication_factor"]) == (6, 2)
    monkeypatch.setenv("PARALLAX_QDRANT_SHARDS", "many")
    with pytest.raises(NotReady, match="PARALLAX_QDRANT_SHARDS is 'many'"):
        built("qdrant-server", Metric.COSINE, drawn(Metric.COSINE, 21))
    server.close()
