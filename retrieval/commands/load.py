"""``load``: a gallery's vectors into a server, in batches; what is stopped goes on later."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from retrieval.commands.bar import progress
from retrieval.commands.compare import declared
from retrieval.errors import BadQuery, BadVectors, Refused
from retrieval.indexes import INDEXES
from retrieval.indexes.base import knob
from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.store import columns_key
from retrieval.types import Spec

POSTGRES = ("postgresql", "postgres")
SECURE = ("pinecone",)
"""Schemes that stand for HTTPS where nothing else is said."""
EXAMPLES = (
    "qdrant://host:6333, milvus://host:19530, weaviate://host:8080 or "
    "postgresql://user@host/database"
)


def add(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command."""
    command = commands.add_parser("load", help="fill a server with a gallery's vectors")
    command.add_argument("--gallery", default="clipart")
    command.add_argument("--embedder", default="efficientnet-lite2")
    command.add_argument(
        "--to", required=True, help=f"{EXAMPLES}; with +https before the colon for TLS"
    )
    command.add_argument("--index", help="INDEX?knob=n of that server; default: its first")
    command.set_defaults(run=run, show=show)
    return [command]


def run(lab: Lab, options: argparse.Namespace) -> dict[str, Any]:
    """Load, see that counts and a sample of vectors are right, and let the panels know.

    Raises:
        BadQuery: the address is of no server that is known.
        BadVectors: the server cannot compare what the embedder makes.
        Unreachable: it does not answer; the same command goes on.
    """
    if lab.public:
        raise Refused("a public lab loads nothing; run Parallax on your own machine for that")
    specs, variable, address = target(options.to)
    panel = declared(lab, Panel.parse(f"{options.embedder}@{options.index or specs[0].name}"))
    spec, embedder = INDEXES.spec(panel.index), lab.spec(panel.embedder)
    if spec not in specs:
        names = ", ".join(each.name for each in specs)
        scheme = options.to.partition("://")[0]
        raise BadQuery(f"{spec.name} is not on {scheme}; there is: {names}")
    if embedder.metric not in spec.metrics:
        raise BadVectors(
            f"{spec.title} compares by {' or '.join(spec.metrics)}, {embedder.title} makes vectors "
            f"for {embedder.metric}; choose another embedder"
        )
    gallery = lab.gallery(options.gallery)
    vectors = lab.vectors(gallery, panel.embedder, progress())
    build = {name: value for name, value in panel.knobs if knob(spec, name).when == "build"}
    with pointing(variable, address):
        index: Any = INDEXES.load(spec)(spec, embedder.metric, **build)
        index.told = progress()
        start = time.perf_counter()
        with index:
            index.build(vectors, gallery.columns if columns_key(gallery, spec) else None)
            seconds = time.perf_counter() - start
            lab.index(gallery, panel)  # takes up what was loaded, and keeps its name for panels
            return {
                "gallery": gallery.name,
                "embedder": panel.embedder,
                "index": spec.name,
                "rows": len(vectors),
                "into": index.where,
                "seconds": seconds,
                "variable": variable,
            }


def target(text: str) -> tuple[list[Spec], str, str]:
    """The indexes that an address is for, its environment variable, and what that should hold.

    Raises:
        BadQuery: no server of this kind is known, or it is no address.
    """
    scheme, _, rest = text.partition("://")
    kind, _, plain = scheme.partition("+")
    if kind in POSTGRES and rest:
        specs = [each for each in INDEXES.specs() if each.family == "PostgreSQL"]
        return specs, "PARALLAX_POSTGRES", text
    specs = [each for each in INDEXES.specs() if each.param("scheme") == kind]
    if not specs or not rest or plain not in ("", "http", "https"):
        raise BadQuery(f"--to is no address that is known here; it looks like {EXAMPLES}")
    plain = plain or ("https" if kind in SECURE else "http")
    return specs, str(specs[0].param("address")), f"{plain}://{rest}"


@contextmanager
def pointing(variable: str, address: str) -> Iterator[None]:
    """The environment names a server while the block runs."""
    before = os.environ.get(variable)
    os.environ[variable] = address
    try:
        yield
    finally:
        os.environ.pop(variable)
        os.environ.update({variable: before} if before is not None else {})


def show(answer: dict[str, Any]) -> str:
    """What was loaded, and how a panel uses it."""
    return (
        f"{answer['gallery']} x {answer['embedder']}: {answer['rows']:,} vectors are in "
        f"{answer['into']}, count and sample checked, {answer['seconds']:.1f} s; with "
        f"{answer['variable']} set to its address, {answer['embedder']}@{answer['index']} asks it"
    )
