"""``list``: what there is, and whether it can be used now."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from retrieval import probe
from retrieval.embedders import EMBEDDERS
from retrieval.indexes import INDEXES
from retrieval.lab import Lab
from retrieval.readiness import download, parameters
from retrieval.types import Spec

FIRST = "that of the first download"
"""The revision of what nobody pinned, until it is downloaded; the full commit from then on."""


def add(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command."""
    command = commands.add_parser("list", help="galleries, embedders and indexes")
    command.add_argument(
        "kind", nargs="?", choices=("galleries", "embedders", "indexes"), help="only these"
    )
    command.add_argument(
        "--commercial", action="store_true", help="say what commercial use does not allow"
    )
    command.set_defaults(run=run, show=show)
    return [command]


def run(lab: Lab, options: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Rows by kind; it waits for the hub's word, as a page may not."""
    probe.settled()
    states = lab.states()
    kinds: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "galleries": lambda: [_gallery(lab, name) for name in lab.catalog.names()],
        "embedders": lambda: [
            _embedder(spec, states[spec.name].reason, options.commercial) for spec in specs()
        ],
        "indexes": lambda: [_index(spec, states[spec.name].reason) for spec in INDEXES.specs()],
    }
    return {kind: rows() for kind, rows in kinds.items() if options.kind in (None, kind)}


def specs() -> list[Spec]:
    """Every embedder."""
    return EMBEDDERS.specs()


def _gallery(lab: Lab, name: str) -> dict[str, Any]:
    entry = lab.catalog.entry(name)
    return {
        "name": name,
        "title": entry.title,
        "rows": entry.rows,
        "licence": entry.licence.id,
        "state": lab.catalog.state(name).reason or "ready",
    }


def _embedder(spec: Spec, reason: str, commercial: bool) -> dict[str, Any]:
    reads = [
        what for what, does in (("images", spec.reads_images), ("text", spec.reads_text)) if does
    ]
    return {
        "name": spec.name,
        "title": spec.title,
        "reads": " + ".join(reads),
        "dim": spec.dim,
        "side": spec.side or "",
        "parameters": parameters(spec.parameters),
        "download": size(spec),
        "metric": str(spec.metric),
        "licence": spec.licence.id if spec.licence else "",
        "commercial": spec.licence.commercial if spec.licence else "",
        "revision": spec.revision or (FIRST if spec.param("repo") else ""),
        "state": sold(spec, reason) if commercial else reason or "ready",
    }


def size(spec: Spec) -> str:
    """What a download takes; empty where there is none."""
    return download(spec) if spec.bytes or spec.param("repo") else ""


def sold(spec: Spec, reason: str) -> str:
    """What stands against commercial use of an embedder, else its state and the conditions."""
    if spec.licence is None:
        return "not for commercial use: its licence is not known"
    if spec.licence.commercial == "no":
        return f"not for commercial use: {spec.licence.id}, {spec.licence.link}"
    if spec.licence.commercial == "conditions":
        return f"{reason or 'ready'}; commercial use under conditions: {spec.licence.link}"
    return reason or "ready"


def _index(spec: Spec, reason: str) -> dict[str, Any]:
    return {
        "name": spec.name,
        "title": spec.title,
        "metrics": " or ".join(spec.metrics),
        "knobs": " ".join(f"{each.name}={each.default}" for each in spec.knobs),
        "state": reason or "ready",
    }


def show(answer: dict[str, list[dict[str, Any]]]) -> str:
    """Each kind as a table."""
    return "\n\n".join(table(kind, rows) for kind, rows in answer.items())


def table(title: str, rows: list[dict[str, Any]]) -> str:
    """Rows with aligned columns under a title."""
    if not rows:
        return f"{title}: none"
    cells = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )
    return "\n".join([title, *(f"  {line}" for line in lines)])
