"""``choose``: a few questions, answered with a stack and its reasons."""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Iterator
from contextlib import closing
from textwrap import indent, wrap
from typing import Any

from retrieval import probe
from retrieval.advisor.advice import choose, measuring
from retrieval.advisor.need import QUESTIONS, Need
from retrieval.errors import BadQuery
from retrieval.lab import Lab
from retrieval.measure.tables import header

LONGEST = 3600.0
"""Seconds of one measuring."""
WIDTH = 96
COLUMNS = ("stack", "part", "kind", "text", "source", "at", "receipt")


def add(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command."""
    command = commands.add_parser("choose", help="questions about a project -> a stack")
    command.add_argument("--gallery", default="clipart", help="with which it is measured")
    for question in QUESTIONS:
        words = [value for value, _ in question.answers]
        command.add_argument(f"--{question.name}", choices=words, help=question.asks)
    command.add_argument("--now", type=float, help="pictures today")
    command.add_argument("--later", type=float, help="pictures in two years")
    command.add_argument("--ms", type=float, help="that the search of a query may take")
    command.add_argument("--ram", type=float, help="GB where it runs; default: this machine's")
    command.add_argument("--measure", type=float, metavar="SECONDS", help="measure here first")
    command.add_argument("--csv", action="store_true", help="print CSV")
    command.set_defaults(run=run, show=show)
    return [command]


def run(lab: Lab, options: argparse.Namespace) -> dict[str, Any]:
    """Measure where that is asked for, then answer.

    Raises:
        BadQuery: a number is out of its range.
    """
    probe.settled()
    names = [*(each.name for each in QUESTIONS), "now", "later", "ms"]
    given = {**{name: getattr(options, name) for name in names}, "memory": options.ram}
    need = Need.of({name: value for name, value in given.items() if value is not None})
    gallery = lab.gallery(options.gallery)
    if options.measure is not None:
        if not 1 <= options.measure <= LONGEST:  # NaN is in no range
            raise BadQuery(f"--measure is {options.measure:g}; it must be from 1 to {LONGEST:g}")
        with closing(measuring(lab, gallery, need, options.measure)) as steps:
            for step in steps:
                sys.stderr.write(f"{step}\n")
    told = header("choose", gallery, [], need=need.told())
    answer = choose(lab, gallery, need).told()
    return {"gallery": gallery.name, "csv": options.csv, **answer, **told}


def show(answer: dict[str, Any]) -> str:
    """Both stacks with their reasons, what was left out, and when to pick something else."""
    if answer["csv"]:
        return _csv(answer)
    parts = [_stack("Recommended", answer["recommended"]), _stack("Next", answer["runner_up"])]
    if answer["left_out"]:
        out = [f"{each['title']}: {each['why']}" for each in answer["left_out"]]
        parts.append(_section("Left out", out))
    other = [f"{each['title']}: {each['reason']}" for each in answer["elsewhere"]]
    parts.append(_section("When to pick something else", other))
    if answer["panels"]:
        panels = " ".join(f"--panel '{each}'" for each in answer["panels"])
        gallery = f"--gallery {answer['gallery']}"
        query = "--row 0" if answer["need"]["reads"] == "image" else "--text 'a bird'"
        parts.append(f"See it: python -m retrieval compare {gallery} {panels} {query}")
    return "\n\n".join(parts)


def _stack(head: str, stack: dict[str, Any]) -> str:
    licence = stack["weights_licence"]
    title = f"{head}: {stack['embedder']['title']} + {stack['index']['title']}"
    lines = [f"{_mark(each)} {each['text']}{_where(each)}" for each in stack["reasons"]]
    lines += [f"{_mark(each)} {each['text']}{_where(each)}" for each in stack["costs"]]
    weights = licence["id"] if licence else "unknown"
    lines.append(f"[licence] weights {weights}; {stack['index']['title']} {stack['index_licence']}")
    lines += [f"[against] {each}" for each in stack["against"]]
    return _section(title, lines + ([stack["instead"]] if stack["instead"] else []))


def _section(title: str, lines: list[str]) -> str:
    return "\n".join([title, *(indent("\n  ".join(wrap(each, WIDTH)), "  ") for each in lines)])


def _mark(reason: dict[str, Any]) -> str:
    return f"[{reason['kind']}]"


def _where(reason: dict[str, Any]) -> str:
    if reason["at"]:
        return f" ({reason['at'][:10]}, receipt {reason['receipt']})"
    return f" {reason['source']}" if reason["source"] else ""


def rows(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Both stacks, a row a part, a reason, a cost and what speaks against it."""
    return [
        dict(zip(COLUMNS, (name, *row), strict=True))
        for name in ("recommended", "runner_up")
        for row in _rows(answer[name])
    ]


def _rows(stack: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for part in ("embedder", "index"):
        told = stack[part]
        yield part, told["state"], told["title"], told["name"] or "", "", ""
    for part in ("reasons", "costs"):
        for each in stack[part]:
            yield part, *(each[column] for column in COLUMNS[2:])
    for each in stack["against"]:
        yield "against", "", each, "", "", ""


def _csv(answer: dict[str, Any]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(answer))
    return out.getvalue().rstrip("\n")
