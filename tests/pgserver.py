"""A PostgreSQL for tests, and what kills it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from retrieval.indexes import postgres
from retrieval.runtime.postgres import Cluster, cluster
from retrieval.types import Metric
from tests.held import LONGEST
from tests.vectors import made

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A PostgreSQL over a new folder; it runs once something was asked of it."""
    made("pgvector-hnsw", Metric.COSINE)  # skips where it is not installed
    monkeypatch.setenv("PARALLAX_CACHE", str(folder))
    monkeypatch.delenv(postgres.VARIABLE, raising=False)
    return cluster(folder / "postgres")


@pytest.fixture(scope="module", autouse=True)
def ended(folder: Path) -> Iterator[None]:
    yield
    cluster(folder / "postgres").leave()


def asked(server: Cluster, statement: str) -> list[Any]:
    """What the server answers somebody else."""
    with postgres.library().connect(server.address(30), autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def tables(server: Cluster) -> set[str]:
    found = asked(
        server, "SELECT relname FROM pg_class WHERE relnamespace = 'parallax'::regnamespace"
    )
    return {name for (name,) in found if not name.endswith("_index")}


def killed(pid: int) -> None:
    """End a process and its children by -9 and wait until they are gone."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    handles = []
    for each in (pid, *map(int, children)):
        with suppress(ProcessLookupError):  # a child may end by itself meanwhile
            handles.append(os.pidfd_open(each))
            signal.pidfd_send_signal(handles[-1], signal.SIGKILL)
    for handle in handles:
        gone(handle)


def gone(handle: int) -> None:
    """Wait until the process of a handle has ended."""
    assert select.select([handle], [], [], LONGEST)[0], "it still runs"
    os.close(handle)


USES = """
import os, sys
from pathlib import Path
from retrieval.runtime.postgres import cluster
server = cluster(Path(sys.argv[1]))
server.address(60)
print(server.pid, flush=True)
sys.stdin.read()
"""


def user(folder: Path) -> subprocess.Popen[str]:
    """A process that uses the server over a folder until it is ended."""
    return subprocess.Popen(
        [sys.executable, "-c", USES, str(folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
