"""PostgreSQL started here: when it ends, what is served whatever is killed."""

from __future__ import annotations

import os
import select
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval.errors import NotReady, Unreachable
from retrieval.indexes import pgcopy, postgres
from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.runtime.postgres import Cluster, programs
from retrieval.types import Metric, Result
from tests import pgserver
from tests.held import ending
from tests.pgserver import asked, gone, killed, tables, user
from tests.vectors import built, drawn, made

TABLES = ["pgvector-hnsw", "pgvector-ivfflat"]
folder, server, ended = pgserver.folder, pgserver.server, pgserver.ended


def test_a_server_ends_with_the_last_that_uses_it(server: Cluster, tmp_path: Path) -> None:
    with ending(user(tmp_path / "pg")) as one:
        with ending(user(tmp_path / "pg")) as other:
            assert one.stdout and other.stdout
            pids = {int(each.readline()) for each in (one.stdout, other.stdout)}
            (pid,) = pids  # they share one
            handle = os.pidfd_open(pid)
        assert not select.select([handle], [], [], 0)[0]
    gone(handle)


def test_it_runs_unprivileged_from_folders_closed_to_others(
    server: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel, closed = programs().parent.parent, tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for part in (Path(wheel.name, "pginstall18"), Path(f"{wheel.name}.libs")):
        shutil.copytree(wheel.parent / part, closed / part)
    place = closed / wheel.name / "pginstall18" / "bin"
    monkeypatch.setattr("retrieval.runtime.postgres.programs", lambda: place)
    other = Cluster(closed / "pg")
    other.address(60)
    told = Path(f"/proc/{other.pid}/status").read_text()
    assert Path(f"/proc/{other.pid}/exe").readlink() == place / "postgres"
    assert "\nUid:\t0" not in told
    assert closed.stat().st_mode & 0o777 == 0o700
    other.leave()


def test_a_folder_that_cannot_be_written_is_said(server: Cluster, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotReady, match="cannot be started in .*set PARALLAX_CACHE"):
        Cluster(tmp_path / "file" / "pg").address(5)


def test_a_server_that_does_not_start_says_why(server: Cluster, tmp_path: Path) -> None:
    other = Cluster(tmp_path / "pg")
    other.address(60)
    other.leave()
    (other.data / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(NotReady, match="does not start: .*FATAL.*see "):
        other.address(60)
    other.leave()


STAGES = ["COPY", "CREATE INDEX", "ALTER TABLE"]


@pytest.mark.parametrize("stage", STAGES)
def test_killed_in_a_load_serves_no_half(
    server: Cluster, stage: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    vectors = drawn(Metric.COSINE, 700, seed=STAGES.index(stage))
    index = made("pgvector-hnsw", Metric.COSINE)
    before = tables(server) if built("pgvector-hnsw", Metric.COSINE, vectors[:50]) else set()
    whole, run = list(pgcopy.copied(vectors, {})), postgres.Session._run

    def dying(*_: object) -> Iterator[bytes]:
        yield b"".join(whole)[:100_000]
        killed(server.pid)
        yield b"".join(whole)[100_000:]

    def running(session: postgres.Session, statement: str) -> None:
        run(session, statement)
        if statement.startswith(stage):
            killed(server.pid)

    with monkeypatch.context() as patch:
        if stage == "COPY":
            patch.setattr(postgres, "copied", dying)
        patch.setattr(postgres.Session, "_run", running)
        with pytest.raises(Unreachable, match="does not answer"):
            index.build(vectors)
    assert (index.search(vectors[:1], 1)[0] == -1).all()
    assert tables(server) == before  # another server by now, over the same folder
    index.build(vectors)
    assert index.search(vectors[-1:], 1)[0].tolist() == [[699]]
    index.save(tmp_path)
    with made("pgvector-hnsw", Metric.COSINE) as again:
        again.load(tmp_path, vectors)
        assert again.search(vectors[-1:], 1)[0].tolist() == [[699]]


@pytest.mark.parametrize("whole", [True, False])
def test_a_killed_server_costs_one_query_and_heals(server: Cluster, whole: bool) -> None:
    vectors = drawn(Metric.COSINE, 300)
    index, other = (built(name, Metric.COSINE, vectors) for name in TABLES)
    wanted = index.search(vectors[:5], 10)[0]
    pid = server.pid
    if whole:
        killed(pid)
    else:
        handle = os.pidfd_open(pid)
        signal.pidfd_send_signal(handle, signal.SIGINT)
        gone(handle)
    with pytest.raises(Unreachable, match="the PostgreSQL of Parallax itself does not answer"):
        index.search(vectors[:5], 10)
    assert np.array_equal(index.search(vectors[:5], 10)[0], wanted)
    assert server.pid != pid
    with pytest.raises(Unreachable):
        other.search(vectors[:1], 1)
    assert other.search(vectors[:1], 1)[0].tolist() == [[0]]


def test_a_connection_made_again_walks_the_index_too(server: Cluster) -> None:
    """By its own settings PostgreSQL would compare all rows of a small table."""
    index: Any = built("pgvector-hnsw", Metric.COSINE, drawn(Metric.COSINE, 300))
    killed(server.pid)
    with pytest.raises(Unreachable):
        index.search(drawn(Metric.COSINE, 1), 1)
    index.search(drawn(Metric.COSINE, 1), 1)
    index._session.check(index._table)
    for name, value in {**postgres.PLAIN, "hnsw.ef_search": "40"}.items():
        assert index._session.rows(f"SHOW {name}") == [(value,)]
    index.close()


def test_a_server_is_reached_before_anything_is_timed(
    server: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = drawn(Metric.COSINE, 300)
    index: Any = built("pgvector-hnsw", Metric.COSINE, vectors)
    killed(server.pid)
    with pytest.raises(Unreachable, match="does not answer"):
        index.reach()
    index.reach()
    monkeypatch.setattr(index, "_opened", lambda seconds: pytest.fail("a search connects"))
    assert index.search(vectors[:1], 1)[0].tolist() == [[0]]
    index.close()
    index.reach()


def test_a_dead_server_costs_its_own_panel_alone(server: Cluster, lab: Lab) -> None:
    names = ["colour@exact", "colour@pgvector-hnsw", "colour@qdrant-hnsw"]
    panels = [Panel.parse(name) for name in names]

    def asked_once() -> list[Result]:
        results = lab.compare("colours", panels, Query(row=7), 3)
        return sorted(results, key=lambda result: result.position)

    before = asked_once()
    assert [result.problem for result in before] == ["", "", ""]
    killed(server.pid)
    down, healed = asked_once(), asked_once()
    assert "does not answer" in down[1].problem and not down[1].hits
    assert [result.problem for result in (down[0], down[2], *healed)] == [""] * 5
    for result in (down[0], down[2], *healed):
        assert [hit.row for hit in result.hits] == [hit.row for hit in before[0].hits]


def test_a_lost_table_is_built_again_by_a_new_lab(server: Cluster, lab: Lab) -> None:
    panel = Panel.parse("colour@pgvector-hnsw?m=5")
    gallery = lab.gallery("colours")
    index: Any = lab.index(gallery, panel).index
    assert not lab_again(lab).index(gallery, panel).fresh
    asked(server, f"DROP TABLE parallax.{index._table}")
    assert lab_again(lab).index(gallery, panel).fresh
    assert index._table in tables(server)


def lab_again(lab: Lab) -> Lab:
    """A lab over the same folders that has nothing loaded."""
    again = Lab(data=lab.data, cache=lab.cache)
    again.catalog = lab.catalog
    return again


def test_a_server_that_hangs_is_given_up(server: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = drawn(Metric.COSINE, 300)
    index: Any = built("pgvector-hnsw", Metric.COSINE, vectors)
    connection = index._session._connection
    monkeypatch.setattr(connection, "limit", 0.2)
    handle = os.pidfd_open(connection.info.backend_pid)
    signal.pidfd_send_signal(handle, signal.SIGSTOP)
    with pytest.raises(Unreachable, match="does not answer .*ask again"):
        index.search(vectors[:1], 1)
    assert index.search(vectors[:1], 1)[0].tolist() == [[0]]
    signal.pidfd_send_signal(handle, signal.SIGCONT)
    gone(handle)
