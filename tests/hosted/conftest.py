"""A server on loopback that answers as Jina and Cohere publish, and a lab that may ask it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from retrieval.embedders import EMBEDDERS
from retrieval.hosted import client
from retrieval.lab import Lab
from tests.hosted.models import NAMES
from tests.hostedserver import KEY, Provider, provider


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """Every hosted embedder asks the loopback server, with a key, and does not wait long."""
    monkeypatch.setenv("JINA_API_KEY", KEY)
    monkeypatch.setenv("COHERE_API_KEY", f" {KEY}\n")
    monkeypatch.setattr(client, "PAUSE", 0.02)
    with provider() as made:
        for name in NAMES:
            there = replace(EMBEDDERS.spec(name), source=made.url)
            monkeypatch.setitem(EMBEDDERS._specs, name, there)
        yield made


@pytest.fixture
def mine(lab: Lab, server: Provider) -> Lab:
    """A lab over 40 colours that may ask the server."""
    return lab
