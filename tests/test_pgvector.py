"""pgvector's tables: made once, shared, taken up whole, on any server."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from retrieval.errors import BadVectors, Damaged, LabError, NotReady, Unreachable
from retrieval.indexes import postgres
from retrieval.runtime.postgres import Cluster
from retrieval.types import Metric
from tests import pgserver
from tests.pgserver import asked, tables
from tests.vectors import built, drawn, made

folder, server, ended = pgserver.folder, pgserver.server, pgserver.ended


def test_a_query_that_takes_too_long_is_ended(server: Cluster) -> None:
    session = postgres.Session()
    session.set({"statement_timeout": "20ms"})
    with pytest.raises(Unreachable, match="statement timeout"), postgres.told(session.where):
        session._rows("SELECT pg_sleep(5)")
    session.end()


def test_many_that_build_the_same_make_it_once(server: Cluster) -> None:
    vectors = drawn(Metric.COSINE, 2000, seed=11)
    indexes: list[Any] = [made("pgvector-hnsw", Metric.COSINE) for _ in range(4)]
    start = threading.Barrier(4)

    def build(index: Any) -> bool:
        start.wait()
        index.build(vectors)
        return bool(index._unsaved)

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(build, indexes)) == [False, False, False, True]
    assert len({index._table for index in indexes}) == 1
    assert all(index.search(vectors[7:8], 1)[0].tolist() == [[7]] for index in indexes)


def test_what_was_never_saved_goes_with_the_last_that_uses_it(
    server: Cluster, tmp_path: Path
) -> None:
    vectors = drawn(Metric.COSINE, 200, seed=12)
    name = "pgvector-ivfflat"
    index: Any = built(name, Metric.COSINE, vectors)
    table = index._table
    index.close()
    assert table not in tables(server)
    index.build(vectors)
    with built(name, Metric.COSINE, vectors):
        index.close()
        assert table in tables(server)  # another uses it
    index.build(vectors)
    index.save(tmp_path)
    index.close()
    assert table in tables(server)


@pytest.mark.parametrize(
    "hurt",
    [
        "DELETE FROM parallax.{table} WHERE id = 3",
        "UPDATE parallax.{table} SET id = 5 - id WHERE id IN (0, 5)",
        "DROP INDEX parallax.{table}_index",
        "DROP TABLE parallax.{table}",
    ],
)
def test_a_table_that_somebody_changed_is_damaged(
    server: Cluster, hurt: str, tmp_path: Path
) -> None:
    vectors = drawn(Metric.COSINE, 300, seed=13)
    index: Any = built("pgvector-hnsw", Metric.COSINE, vectors)
    index.save(tmp_path)
    asked(server, hurt.format(table=index._table))
    again = made("pgvector-hnsw", Metric.COSINE)
    with pytest.raises(Damaged, match="does not hold the table of table.json.*build"):
        again.load(tmp_path, vectors)
    again.build(vectors)
    assert again.search(vectors[:4], 1)[0].ravel().tolist() == [0, 1, 2, 3]


def test_a_table_dropped_under_a_search_is_said(server: Cluster) -> None:
    vectors = drawn(Metric.COSINE, 300, seed=14)
    index: Any = built("pgvector-hnsw", Metric.COSINE, vectors)
    asked(server, f"DROP TABLE parallax.{index._table}")
    with pytest.raises(Damaged, match="has lost a table .*start Parallax again"):
        index.search(vectors[:1], 1)


def test_another_server_is_taken_by_its_address(
    server: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(server, "DROP DATABASE IF EXISTS elsewhere")
    asked(server, "CREATE DATABASE elsewhere")
    given = server.address(30).replace("@/postgres?", ":secret@/elsewhere?")
    monkeypatch.setenv(postgres.VARIABLE, given)
    vectors = drawn(Metric.COSINE, 300, seed=15)
    index: Any = built("pgvector-hnsw", Metric.COSINE, vectors)
    assert index._session._connection.info.dbname == "elsewhere"
    assert index._table not in tables(server)
    assert "secret" not in index._session.where
    assert index.search(vectors[:1], 1)[0].tolist() == [[0]]
    index.close()


def test_an_address_where_nobody_answers_is_said(
    server: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(postgres.VARIABLE, "postgresql://me:secret@127.0.0.1:1/lab")
    with pytest.raises(Unreachable, match="PostgreSQL at 127.0.0.1:1 does not answer") as caught:
        built("pgvector-hnsw", Metric.COSINE, drawn(Metric.COSINE, 50))
    assert "secret" not in str(caught.value)
    monkeypatch.setenv(postgres.VARIABLE, "postgresql://me:secret@a..b/lab")  # no name of a host
    with pytest.raises(Unreachable, match=r"PostgreSQL at a\.\.b:5432 does not answer"):
        built("pgvector-hnsw", Metric.COSINE, drawn(Metric.COSINE, 50))
    monkeypatch.setenv(postgres.VARIABLE, "http://127.0.0.1:1")
    with pytest.raises(NotReady, match="PARALLAX_POSTGRES is no address"):
        built("pgvector-hnsw", Metric.COSINE, drawn(Metric.COSINE, 50))


def test_a_large_table_is_counted_longer_than_a_search_may_take(
    server: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, limits = postgres.Session._rows, list[float | None]()

    def noted(self: Any, statement: str, *values: object) -> Any:
        if "count(*)" in statement or "= ANY" in statement:
            limits.append(self._connection.limit)
        return rows(self, statement, *values)

    monkeypatch.setattr(postgres.Session, "_rows", noted)
    vectors = drawn(Metric.COSINE, 100, seed=17)
    with built("pgvector-hnsw", Metric.COSINE, vectors) as index:
        index.save(tmp_path)
    with made("pgvector-hnsw", Metric.COSINE) as index:
        index.load(tmp_path, vectors)
        assert limits and not any(limit is not None and limit < 60 for limit in limits)
        assert index._session._connection.limit == postgres.SECONDS  # type: ignore[attr-defined]


def test_an_old_pgvector_is_refused(server: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "OLDEST", (9, 1))
    with pytest.raises(NotReady, match="has pgvector 0.*; 9.1 or later is needed"):
        postgres.Session()


def test_what_the_server_refuses_is_one_sentence(server: Cluster) -> None:
    session = postgres.Session()
    with pytest.raises(LabError, match="refuses: syntax error"), postgres.told(session.where):
        session._rows("SELEKT")
    session.end()


def test_a_plan_without_the_index_is_said(server: Cluster) -> None:
    index: Any = built("pgvector-hnsw", Metric.COSINE, drawn(Metric.COSINE, 300, seed=16))
    asked(server, f"ALTER INDEX parallax.{index._table}_index RENAME TO other_index_of_it")
    with pytest.raises(LabError, match="does not use the index"):
        index._session.check(index._table)


def test_too_wide_vectors_are_refused(server: Cluster) -> None:
    wide = drawn(Metric.COSINE, 20, width=2001)
    with pytest.raises(BadVectors, match="2,000 dimensions at most.*2,001; take another"):
        built("pgvector-hnsw", Metric.COSINE, wide)
