"""What several tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from retrieval import probe
from retrieval.embedders import EMBEDDERS
from retrieval.indexes import pgvector, postgres
from retrieval.lab import Lab
from retrieval.runtime import paths, servers
from retrieval.store import Store
from tests.bare import unmeasured
from tests.fakes import BLIND, COLOUR, Colours
from tests.hubclient import HubClient
from tests.hubserver import HubServer, Trouble

SLOW = (HealthCheck.too_slow,)
for name in ("JINA_API_KEY", "COHERE_API_KEY"):  # no test spends the money of whoever runs it
    os.environ.pop(name, None)
probe.PATIENCE = 60.0  # seconds: a busy machine is no server that hangs
os.environ.setdefault(servers.VARIABLE, "60")
for each in (postgres, pgvector):
    vars(each)["SECONDS"] = 60
postgres.PLAIN["statement_timeout"] = "90s"  # as the server writes it: of 60 it makes 1min
# nor is it a strategy that is slow, and examples are the same each time
settings.register_profile("here", deadline=None, derandomize=True, suppress_health_check=SLOW)
settings.load_profile("here")


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab over a gallery of 40 plain colours, with two embedders of three numbers."""
    monkeypatch.setitem(EMBEDDERS._specs, "colour", COLOUR)
    monkeypatch.setitem(EMBEDDERS._specs, "blind", BLIND)
    made = Lab(data=tmp_path / "data", cache=tmp_path / "cache")
    gallery = Colours(40)
    monkeypatch.setattr(made.catalog, "open", lambda name: gallery)
    return made


@pytest.fixture
def shop(tmp_path: Path) -> Store:
    """A store in which nothing is yet."""
    return Store(tmp_path / "shipped", tmp_path / "cache")


@pytest.fixture
def warm(tmp_path: Path) -> Path:
    """A cache of a test's own, but with the networks that are converted already."""
    networks = paths.cache() / "networks"
    networks.mkdir(parents=True, exist_ok=True)
    folder = tmp_path / "warm"
    folder.mkdir()
    (folder / "networks").symlink_to(networks.resolve())
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of a module's own: what one test converted the next finds."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def client(server: HubServer, tmp_path: Path, cache: Path) -> Iterator[HubClient]:
    """A client of a module's own hub that has downloaded nothing."""
    server.trouble = Trouble()
    server.log.clear()
    with HubClient(tmp_path, server.url, cache) as made:
        yield made


@pytest.fixture
def unshipped(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands have what ships but what was measured of it."""
    bare = unmeasured(tmp_path_factory.mktemp("bare"))
    monkeypatch.setattr("retrieval.cli.Lab", partial(Lab, data=bare.data))
