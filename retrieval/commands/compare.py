"""``search`` and ``compare``: one query, one panel or several."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from retrieval import images
from retrieval.errors import LabError
from retrieval.indexes import INDEXES
from retrieval.indexes.base import checked
from retrieval.lab import Lab
from retrieval.measure.receipts import Receipt, receipt
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.runtime.disk import publish
from retrieval.types import Result
from retrieval.where import Where

PANELS = ["conse-lite2@exact", "conse-lite2@faiss-hnsw"]


def add(commands: Any) -> list[argparse.ArgumentParser]:
    """Add both commands."""
    search = commands.add_parser("search", help="answer one query by one panel")
    search.add_argument("--panel", dest="panels", nargs=1, default=PANELS[:1])
    compare = commands.add_parser("compare", help="answer one query by several panels")
    compare.add_argument("--panel", dest="panels", action="append", help="EMBEDDER@INDEX?knob=n")
    for command in (search, compare):
        command.add_argument("--gallery", default="stamps")
        asked = command.add_mutually_exclusive_group(required=True)
        asked.add_argument("--text", help="what the picture should show")
        asked.add_argument("--image", type=Path, help="a picture to search by")
        asked.add_argument("--row", type=int, help="a row of the gallery to search by")
        command.add_argument(
            "--where", help="which rows may answer: label=owl, label=a|b, labels=a, part<10"
        )
        command.add_argument("-k", type=int, default=10, help="how many pictures")
        command.add_argument("--receipt", type=Path, help="write what `replay` reads")
        command.set_defaults(run=run, show=show)
    return [search, compare]


def run(lab: Lab, options: argparse.Namespace) -> dict[str, Any]:
    """Answer, in the order of the panels.

    Raises:
        LabError: no panel has answered; with the problem of each.
    """
    panels = [declared(lab, Panel.parse(text)) for text in options.panels or PANELS]
    image = images.read(options.image) if options.image else None
    where = Where.parse(options.where) if options.where is not None else None
    query = Query(text=options.text, image=image, row=options.row, where=where)
    if image is not None:
        images.decode(image)  # a bad picture is the user's, not a panel's
    results = list(lab.compare(options.gallery, panels, query, options.k))
    problems = dict.fromkeys(each.problem for each in results)
    if all(problems):
        raise LabError("; ".join(problems))
    if options.receipt:
        gallery = lab.gallery(options.gallery)
        keep(options.receipt, receipt(lab, gallery, panels, query, options.k, results))
    return {"panels": [plain(each) for each in sorted(results, key=lambda one: one.position)]}


def keep(path: Path, made: Receipt) -> None:
    """Write a receipt, wholly or not at all.

    Raises:
        LabError: the file cannot be written.
    """
    text, place = json.dumps(made, indent=1), path.resolve()
    beside = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        if place.exists() and not place.is_file():  # such as /dev/stdout
            place.write_text(text, "utf-8")
            return
        beside.write_text(text, "utf-8")
        publish(beside, place)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise LabError(f"cannot write {path}: {error.strerror}; name another file") from error


def declared(lab: Lab, panel: Panel) -> Panel:
    """The panel, whose names and knobs exist: a slip in typing is no panel's own failure.

    Raises:
        UnknownName: of the embedder or the index.
        BadKnob: a knob that is not declared or out of its range.
    """
    lab.spec(panel.embedder)
    checked(INDEXES.spec(panel.index), dict(panel.knobs))
    return panel


def plain(result: Result) -> dict[str, Any]:
    """A result as JSON has it; times in milliseconds."""
    fields = dataclasses.asdict(result)
    del fields["position"]
    fields["timings"]["total"] = result.timings.total
    fields["problem"] = result.problem or None
    return fields


def show(answer: dict[str, Any]) -> str:
    """A result as a person reads it."""
    return "\n\n".join(_panel(each) for each in answer["panels"])


def _panel(panel: dict[str, Any]) -> str:
    head = f"{panel['embedder']} x {panel['index']}"
    if panel["problem"]:
        return f"{head}\n  {panel['problem']}"
    times = "  ".join(f"{name} {ms:.2f} ms" for name, ms in panel["timings"].items())
    trip = "  (embed is a network round trip)" if panel["remote"] else ""
    cold = f"  (cold: {', '.join(panel['cold'])})" if panel["cold"] else ""
    notes = [f"  {panel['note']}"] if panel["note"] else []
    lines = [
        f"  {hit['rank']:>3}  {hit['score']:.3f}  {hit['caption']}  [{hit['label']}]  #{hit['row']}"
        for hit in panel["hits"]
    ]
    chosen = [f"  {_chosen(panel)}"] if panel["allowed"] is not None else []
    return "\n".join(
        [
            f"{head}   recall {panel['recall']:.2f}",
            *chosen,
            f"  {times}{trip}{cold}",
            *notes,
            *lines,
        ]
    )


def _chosen(panel: dict[str, Any]) -> str:
    how = f": {panel['how']}" if panel["how"] else ""
    return f"{len(panel['hits'])} of {panel['allowed']:,} rows that the filter allows{how}"
