"""``sweep --auto``: the fastest index and setting that reach a recall within a memory."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from typing import Any

from retrieval.commands.bar import line
from retrieval.commands.differences import lines
from retrieval.commands.listing import table
from retrieval.indexes import INDEXES
from retrieval.lab import Lab
from retrieval.measure.looks import Look
from retrieval.measure.pick import pick
from retrieval.measure.rounds import Job
from retrieval.measure.sweep import Kind, fitting
from retrieval.panel import Panel
from retrieval.readiness import state
from retrieval.runtime.amounts import amount
from retrieval.types import Spec


def run(lab: Lab, options: argparse.Namespace) -> dict[str, Any]:
    """Look, measure the best again, tell; ``--memory`` bounds what the index holds too.

    Raises:
        BadQuery: nothing reaches the recall within the memory and the time.
    """
    spec, gallery = lab.spec(options.embedder), lab.gallery(options.gallery)
    kind: Kind = options.queries or ("text" if spec.reads_text else "picture")
    named = options.index and [INDEXES.spec(each) for each in options.index]
    job = Job(gallery, spec, named or ready(spec), kind)
    with line() as say:
        looked = partial(told, say)
        room, seconds = amount(options.memory), options.seconds
        seconds = math.inf if seconds is None else seconds
        picked = pick(lab, job, options.recall, room, looked, seconds)
    return {
        "gallery": gallery.name,
        "embedder": spec.name,
        "queries": kind,
        "target": options.recall,
        "csv": options.csv,
        "panel": panel(spec, picked.best),
        "finalists": [asdict(each) for each in picked.finalists],
        "out": picked.out,
        "looks": picked.looks,
        "seconds": picked.seconds,
        "asked": picked.queries,
        "time_was_up": picked.late,
    }


def ready(embedder: Spec) -> list[Spec]:
    """The indexes of the published grid for an embedder that can be used now."""
    return [each for each in fitting(embedder) if state(each).kind == "ready"]


def panel(embedder: Spec, look: Look) -> str:
    """The panel that was picked, as it is written."""
    return str(Panel(embedder.name, look.index, tuple(look.knobs.items())))


def told(say: Callable[[str], None], said: str, done: int, total: int) -> None:
    """How far the looking is."""
    say(f"{said}, {done} of {total}")


def _rows(answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The finalists, the fastest first."""
    head = {name: answer[name] for name in ("gallery", "embedder")}
    for each in answer["finalists"]:
        knobs = "&".join(f"{name}={value}" for name, value in each["knobs"].items())
        yield {**head, **each, "queries": answer["queries"], "knobs": knobs}


def show(answer: dict[str, Any]) -> str:
    """The panel, the finalists, and what was out; or the finalists as CSV."""
    if answer["csv"]:
        return lines([*_rows(answer)])
    rows = [
        {
            "index": each["index"],
            "knobs": " ".join(f"{name}={value}" for name, value in each["knobs"].items()) or "-",
            "recall": f"{each['recall']:.3f}",
            "p50 ms": f"{each['p50']:.3f}",
        }
        for each in answer["finalists"]
    ]
    out = "".join(f"\n  {name}: {why}" for name, why in answer["out"].items())
    looked = f"{answer['looks']} settings looked at in {answer['seconds']:.1f} s"
    if answer["time_was_up"]:
        looked += f"; then the time was up, and what was asked {answer['asked']} queries decides"
    title = f"{answer['panel']}  reaches {answer['target']:g} fastest ({looked})"
    return table(title, rows) + (f"\nOut:{out}" if out else "")
