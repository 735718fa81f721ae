"""A hub on loopback with one split, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hub.split import README, SHA, shard
from tests.hubclient import HubClient
from tests.hubserver import HubServer, Trouble


@pytest.fixture(scope="package")
def server() -> Iterator[HubServer]:
    files = {
        "README.md": README,
        "data/test-00000-of-00002.parquet": shard(0, 20, broken=3),
        "data/test-00001-of-00002.parquet": shard(20, 30),
    }
    with HubServer() as made:
        made.add("datasets", "lab/tiny", SHA, files)
        yield made


@pytest.fixture(scope="package")
def client(server: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubClient]:
    with HubClient(tmp_path_factory.mktemp("home"), server.url) as made:
        made.run("import datasets; datasets.config.STREAMING_READ_RETRY_INTERVAL = 0.1")
        yield made


@pytest.fixture(autouse=True)
def calm(server: HubServer) -> None:
    server.trouble = Trouble()
    server.log.clear()
