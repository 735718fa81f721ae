"""A server of a test's own, and a second that is enough."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from retrieval.indexes import remote_fill
from retrieval.runtime import servers
from tests import remotes
from tests.remote.engines import Hurry, variable


@pytest.fixture
def server(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A server of a test's own, and an environment that names it."""
    monkeypatch.setattr(remote_fill, "PAUSE", 0.01)
    monkeypatch.setenv("PARALLAX_CACHE", str(tmp_path / "cache"))
    made_now = remotes.start(name)
    monkeypatch.setenv(variable(name), made_now.address)
    monkeypatch.setenv(f"{variable(name)}_KEY", "secret")
    yield made_now
    made_now.mood = ""
    made_now.close()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Hurry:
    """From now on a second is enough."""
    return lambda: monkeypatch.setenv(servers.VARIABLE, "1")
