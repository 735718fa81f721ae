"""``knobs``: what each query-time knob of each index changes on a gallery."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np

from retrieval.commands.bar import progress
from retrieval.commands.listing import table
from retrieval.errors import BadKnob, BadQuery, BadVectors, NotReady, Unreachable
from retrieval.galleries.base import Gallery
from retrieval.indexes import INDEXES
from retrieval.lab import Lab
from retrieval.measure.knobs import Effect, K, effects
from retrieval.panel import Panel
from retrieval.types import Spec

EMBEDDERS = ["efficientnet-lite2", "phash"]
"""One for each metric: an index is measured with the first that it can compare."""


def add(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command."""
    command = commands.add_parser("knobs", help="what each index's knobs change, measured")
    command.add_argument("--gallery", default="clipart")
    command.add_argument(
        "--embedder", action="append", help=f"default: {' and '.join(EMBEDDERS)}, whichever fits"
    )
    command.add_argument("--index", action="append", help="default: all")
    command.add_argument("--queries", type=int, default=200, help="rows to ask by, at most")
    command.set_defaults(run=run, show=show)
    return [command]


def run(lab: Lab, options: argparse.Namespace) -> dict[str, Any]:
    """Measure every index that can compare what the embedders make.

    Raises:
        BadQuery: no number of queries.
        UnknownName: of a gallery, an embedder or an index.
    """
    if options.queries < 1:
        raise BadQuery(f"--queries is {options.queries}; it must be 1 or more")
    names = options.embedder or EMBEDDERS
    indexes = [INDEXES.spec(name) for name in options.index or INDEXES.names()]
    metrics = {lab.spec(name).metric: name for name in reversed(names)}
    gallery = lab.gallery(options.gallery)
    rows = [
        row
        for spec in indexes
        for name in [next((metrics[each] for each in spec.metrics if each in metrics), None)]
        if name is not None
        for row in _index(lab, gallery, Panel(name, spec.name), options.queries)
    ]
    return {"gallery": gallery.name, "revision": gallery.revision, "k": K, "knobs": rows}


def _index(lab: Lab, gallery: Gallery, panel: Panel, most: int) -> Iterator[dict[str, Any]]:
    spec = INDEXES.spec(panel.index)
    vectors = lab.vectors(gallery, panel.embedder)
    rows = np.random.default_rng(0).permutation(len(vectors))[:most]
    queries = vectors[np.sort(rows)]
    _, truth = lab.index(gallery, Panel(panel.embedder, "exact")).index.search(queries, K)
    try:
        index = lab.index(gallery, panel, progress()).index
        for effect in effects(index, vectors, queries, truth):
            yield plain(spec, panel.embedder, len(queries), effect)
    except (BadKnob, BadVectors, NotReady, Unreachable) as error:  # a server may go at any time
        yield {"index": spec.name, "embedder": panel.embedder, "problem": str(error)}


def plain(spec: Spec, embedder: str, queries: int, effect: Effect) -> dict[str, Any]:
    """A measurement as JSON has it; a knob that changes nothing has ``changes`` of none."""
    return {
        "index": spec.name,
        "embedder": embedder,
        "queries": queries,
        "knob": effect.knob.name if effect.knob else None,
        "default": effect.knob.default if effect.knob else None,
        "settings": [
            {"value": each.value, "recall": each.recall, "search_ms": each.median_ms}
            for each in effect.settings
        ],
        "changes": list(effect.changes),
        "problem": None,
    }


def show(answer: dict[str, Any]) -> str:
    """A table, and below it which knobs do nothing, and what could not be measured."""
    measured = [row for row in answer["knobs"] if not row["problem"]]
    title = f"{answer['gallery']}: recall@{answer['k']} and median milliseconds of one search"
    problems = [f"  {row['problem']}" for row in answer["knobs"] if row["problem"]]
    return "\n".join([table(title, [_row(each) for each in measured]), *_idle(measured), *problems])


def _idle(measured: list[dict[str, Any]]) -> list[str]:
    """A sentence for each knob that changes nothing."""
    return [
        f"  {row['knob']} of {row['embedder']}@{row['index']} does nothing here: "
        "neither recall nor work differs between its lowest and its highest"
        for row in measured
        if row["knob"] and not row["changes"]
    ]


def _row(each: dict[str, Any]) -> dict[str, Any]:
    cells = {_place(each, one): _cell(one) for one in each["settings"]}
    effect = " and ".join(each["changes"]) or "no effect"
    return {
        "index": each["index"],
        "embedder": each["embedder"],
        "knob": each["knob"] or "",
        **{name: cells.get(name, "") for name in ("low", "default", "high")},
        "changes": effect if each["knob"] else "",
    }


def _place(each: dict[str, Any], setting: dict[str, Any]) -> str:
    if setting["value"] == each["default"]:
        return "default"
    return "low" if setting["value"] < each["default"] else "high"


def _cell(setting: dict[str, Any]) -> str:
    value = "" if setting["value"] is None else f"{setting['value']}: "
    return f"{value}{setting['recall']:.3f} {setting['search_ms']:.3f} ms"
