"""Tiny models in folders and on a hub on loopback."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import tiny
from tests.dino.models import REPO, SHA, models, processor
from tests.hubserver import HubServer


@pytest.fixture(scope="package")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("tiny")
    return {
        kind: tiny.save(root / kind, model, processor(kind)) for kind, model in models().items()
    }


@pytest.fixture(scope="package")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="package")
def server(folders: dict[str, Path]) -> Iterator[HubServer]:
    with HubServer() as made:
        made.add("models", REPO, SHA, tiny.files(folders["dinov2"]))
        yield made


@pytest.fixture
def copy(folders: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(folders["dinov2"], tmp_path / "copy"))
