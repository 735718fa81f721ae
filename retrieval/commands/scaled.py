"""``sweep --scale``: indexes at sizes that the gallery does not have, measured and told."""

from __future__ import annotations

import argparse
import csv
import io
import sys
from contextlib import closing
from typing import Any

from retrieval.commands.listing import table
from retrieval.errors import BadQuery
from retrieval.indexes import INDEXES
from retrieval.lab import Lab
from retrieval.measure import outlook, scale
from retrieval.measure.drawing import K
from retrieval.measure.outlook import BEYOND, SHOWN, VAGUE, many
from retrieval.measure.scale import TARGET, Left
from retrieval.measure.tables import header
from retrieval.runtime.amounts import amount
from retrieval.runtime.machine import machine, memory

MS = 20.0
"""Milliseconds that a query may take, where exact search is asked whether it is enough."""
NOTE = "~ is extrapolated by a fit to what was measured, with its 95 % interval; never measured"


def run(lab: Lab, options: argparse.Namespace) -> dict[str, Any]:
    """Measure within the seconds and the memory, then tell all that is known.

    Raises:
        BadQuery: nothing was measured, now or before.
    """
    spec, gallery = lab.spec(options.embedder), lab.gallery(options.gallery)
    named = options.index and [INDEXES.spec(each) for each in options.index]
    job = scale.Job(gallery, spec, named or outlook.usual(spec))
    room = amount(options.memory)
    left = measured(lab, job, options.seconds, room)
    found = outlook.outlooks(lab, job)
    if not found:
        lacking = "--seconds" if scale.sizes(spec.dim, room=room) else "--memory"
        raise BadQuery(f"nothing was measured; {left[0] if left else f'give more {lacking}'}")
    limits = outlook.limits(found, MS, memory())
    return {
        "gallery": gallery.name,
        "embedder": spec.name,
        "target": TARGET,
        "k": K,
        "csv": options.csv,
        "drawn": dict(found[0].note.body["drawn"]),
        "scale": outlook.rows(found),
        "exact": [told(each) for each in limits],
        "left": left,
        **header("scale", gallery, [spec]),
    }


def measured(lab: Lab, job: scale.Job, seconds: float, room: int | None) -> list[str]:
    """Measure; what was left out, in sentences."""
    left = []
    with closing(scale.measure(lab, job, seconds, room=room)) as steps:
        for step in steps:
            title = INDEXES.spec(step.index).title
            if isinstance(step, Left):
                left.append(f"{title}: {step.problem}")
                continue
            sys.stderr.write(f"{title}, {many(step.count)}: {step.point.p50:.3g} ms\n")
    return left


def told(limit: outlook.Limit) -> dict[str, Any]:
    """Where an exact search stops being enough, as JSON has it."""
    middle, low, high = limit.count
    return {
        "index": limit.outlook.spec.name,
        "ms": limit.ms,
        "count": {"value": middle, "low": low, "high": high, "measured": limit.measured},
        "fits": limit.fits,
        "beaten": limit.beaten and {"count": limit.beaten[0], "by": limit.beaten[1]},
        "said": "; ".join(outlook.said(limit, memory())),
    }


def lines(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """A line an index: milliseconds at each size."""
    by_index: dict[str, dict[int, dict[str, Any]]] = {}
    for row in rows:
        by_index.setdefault(row["index"], {})[row["count"]] = row
    return [
        {
            "index": name,
            **{many(count): _cell(found.get(count)) for count in (*SHOWN, *BEYOND)},
            "": "" if found[BEYOND[0]]["machine"] == machine() else "another machine",
        }
        for name, found in by_index.items()
    ]


def show(answer: dict[str, Any]) -> str:
    """Milliseconds by size, and where exact search stops being enough; or CSV."""
    if answer["csv"]:
        return _csv(answer)
    title = (
        f"{answer['gallery']} x {answer['embedder']}: ms a query at recall {answer['target']:g}, "
        "by number of vectors drawn around the gallery's own"
    )
    parts = [table(title, lines(answer["scale"])), NOTE]
    parts += [each["said"] for each in answer["exact"]]
    parts += [f"Left out: {each}" for each in answer["left"]]
    return "\n".join(parts)


def _cell(row: dict[str, Any] | None) -> str:
    if row is None or row["ms"] is None:
        return ""
    if not row["measured"] and row["ms_high"] > VAGUE * row["ms_low"]:
        return "too uncertain"
    if not row["measured"]:
        return f"~{row['ms']:.2g} [{row['ms_low']:.2g}, {row['ms_high']:.2g}]"
    short = "" if row["recall"] >= TARGET else f" (recall {row['recall']:.2f})"
    return f"{row['ms']:.3g}{short}"


def _csv(answer: dict[str, Any]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, ["gallery", "embedder", *answer["scale"][0]], lineterminator="\n")
    writer.writeheader()
    for row in answer["scale"]:
        writer.writerow(
            {"gallery": answer["gallery"], "embedder": answer["embedder"], **outlook.flat(row)}
        )
    return out.getvalue().rstrip("\n")
