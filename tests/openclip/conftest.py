"""Tiny CLIPs of random weights in the hub's layout, in folders and on a hub on loopback."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.clipmodels import read, write_model
from tests.hubclient import HubClient
from tests.hubserver import HubServer, Trouble
from tests.openclip.embedded import HUB, SHA


@pytest.fixture(scope="package")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a kind's model, written once."""
    root = tmp_path_factory.mktemp("tiny")
    return cache(lambda kind: write_model(root / kind, 0, kind))


@pytest.fixture(scope="package")
def folder(folders: Callable[[str], Path]) -> Path:
    return folders("clip")


@pytest.fixture(scope="package")
def server(folders: Callable[[str], Path]) -> Iterator[HubServer]:
    with HubServer() as made:
        for kind in HUB:
            made.add("models", f"lab/tiny-{kind}", SHA, read(folders(kind)))
        yield made


@pytest.fixture(scope="package")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Converted networks: converting once a revision is enough, downloading is what is tested."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def client(server: HubServer, tmp_path: Path, networks: Path) -> Iterator[HubClient]:
    """A client that has downloaded nothing."""
    server.trouble = Trouble()
    server.log.clear()
    server.sent.clear()
    with HubClient(tmp_path, server.url, networks) as made:
        yield made


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))
