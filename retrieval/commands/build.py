"""``build``: galleries, vectors and indexes, with progress; what is stopped goes on later."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from retrieval.embedders import EMBEDDERS
from retrieval.errors import LabError
from retrieval.indexes import INDEXES
from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.types import Progress


def add(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command."""
    command = commands.add_parser("build", help="embed a gallery and index it")
    command.add_argument("--gallery", action="append", help="default: those that ship")
    command.add_argument("--embedder", action="append", help="default: all that are ready")
    command.add_argument("--index", action="append", help="EMBEDDER@INDEX needs no --embedder")
    command.add_argument("--limit", type=int, help="rows of a gallery from the hub, at most")
    command.set_defaults(run=run, show=show)
    return [command]


def run(lab: Lab, options: argparse.Namespace) -> dict[str, Any]:
    """Build what is missing."""
    galleries = options.gallery or [e.name for e in lab.catalog.entries() if e.kind == "parquet"]
    return {"built": [_gallery(lab, name, options) for name in galleries]}


def _gallery(lab: Lab, name: str, options: argparse.Namespace) -> dict[str, Any]:
    entry = lab.catalog.entry(name)
    if entry.kind == "hub":
        from retrieval.galleries import hub

        hub.build(entry, lab.cache, options.limit, progress())
    rows = [
        _vectors(lab, name, embedder, options.index) for embedder in options.embedder or ready(lab)
    ]
    return {"gallery": name, "rows": len(lab.gallery(name)), "embedders": rows}


def ready(lab: Lab) -> list[str]:
    """Embedders that can be used now."""
    states = lab.states()
    return [name for name in EMBEDDERS.names() if states[name].kind == "ready"]


def _vectors(lab: Lab, name: str, embedder: str, indexes: list[str] | None) -> dict[str, Any]:
    gallery, spec = lab.gallery(name), lab.spec(embedder)
    vectors = lab.vectors(gallery, embedder, progress())
    fitting = [each.name for each in INDEXES.specs() if spec.metric in each.metrics]
    built = {each: _index(lab, name, embedder, each) for each in indexes or fitting}
    return {"embedder": embedder, "bytes": vectors.nbytes, "indexes": built}


def _index(lab: Lab, gallery: str, embedder: str, index: str) -> str:
    try:
        built = lab.index(lab.gallery(gallery), Panel(embedder, index))
    except LabError as error:
        return str(error)
    return f"built in {built.seconds:.2f} s" if built.fresh else "was there"


def progress() -> Progress:
    """A bar on stderr, with pictures a second and the time left."""
    start = time.monotonic()

    def bar(what: str, done: int, total: int) -> None:
        rate = done / max(time.monotonic() - start, 1e-9)
        left = (total - done) / rate if rate else 0.0
        share = "#" * (30 * done // max(total, 1))
        end = "\n" if done >= total else ""
        text = f"\r{what}  [{share:<30}] {done:,}/{total:,}  {rate:,.0f}/s  {left:,.0f} s left "
        sys.stderr.write(text + end)
        sys.stderr.flush()

    return bar


def show(answer: dict[str, Any]) -> str:
    """What was built, a line each."""
    return "\n".join(
        f"{gallery['gallery']} x {row['embedder']}: {row['bytes'] / 1e6:.1f} MB of vectors; "
        + ", ".join(f"{name} {said}" for name, said in row["indexes"].items())
        for gallery in answer["built"]
        for row in gallery["embedders"]
    )
