"""Servers on loopback for the engines that are reached by an address, one of each a process."""

from __future__ import annotations

import atexit
import os
from functools import cache
from importlib import import_module
from typing import Any

from retrieval.indexes import INDEXES

KINDS = {
    "qdrant-server": "tests.fakeqdrant:Qdrant",
    "milvus-server": "tests.fakemilvus:Milvus",
    "pinecone": "tests.fakepinecone:Pinecone",
    "weaviate-hnsw": "tests.fakeweaviate:Weaviate",
}
"""One index of each kind of server."""


def start(name: str) -> Any:
    """A new server of the kind that an index asks; close it."""
    module, _, kind = KINDS[first(str(INDEXES.spec(name).param("address")))].partition(":")
    return getattr(import_module(module), kind)()


def first(variable: str) -> str:
    """The index of ``KINDS`` whose server's address is in a variable."""
    return next(each for each in KINDS if INDEXES.spec(each).param("address") == variable)


@cache
def shared(name: str) -> Any:
    """The server of this process for an index."""
    server = start(name)
    atexit.register(server.close)
    return server


def given(name: str, variable: str) -> None:
    """Have an index ask the server of this process where nobody has set another."""
    if not os.environ.get(variable):
        os.environ[variable] = shared(first(variable)).address
        if variable == "PARALLAX_PINECONE":  # which is never without one
            os.environ.setdefault(f"{variable}_KEY", "key")
