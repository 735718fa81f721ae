"""``evaluate --pair``: whether panels differ, by which labels, and on which queries."""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from retrieval.commands.compare import declared
from retrieval.commands.evaluate import can, tasks, usual
from retrieval.commands.listing import table
from retrieval.errors import BadQuery
from retrieval.galleries.base import Gallery
from retrieval.lab import Lab
from retrieval.measure.losses import Loss, loss
from retrieval.measure.metrics import CUT, SHOWN
from retrieval.measure.pairs import FEW, Rate, apart, by_label, compared
from retrieval.measure.quality import Task
from retrieval.panel import Panel

WORST = 10
"""Queries that are told of each pair."""
NDCG = SHOWN.index("nDCG@10")
Measured = list[tuple[Task, list[Loss]]]


def pairs(lab: Lab, gallery: Gallery, options: argparse.Namespace) -> dict[str, Any]:
    """Each pair of the panels that are named, in each task that both can do.

    Raises:
        BadQuery: fewer than two are named, or no task can be asked of two.
    """
    panels = [declared(lab, panel(text)) for text in dict.fromkeys(options.pair)]
    if len(panels) < 2:
        raise BadQuery("a test needs two panels that differ: --pair A@exact B@exact")
    measured = list(_measured(lab, gallery, panels, options))
    if not measured:
        raise BadQuery(f"no task of {gallery.name} can be asked of two of these panels")
    named = [
        (task.name, [(str(each.panel), each.values) for each in some]) for task, some in measured
    ]
    labels = gallery.labels(range(len(gallery)))
    return {
        "gallery": gallery.name,
        "revision": gallery.revision,
        "pairs": [asdict(each) for each in compared(named)],
        "labels": _labels(measured, labels) if options.by == "label" else [],
        "worst": [each for task, some in measured for each in _worst(gallery, task, some)],
    }


def panel(text: str) -> Panel:
    """A panel by its address; an embedder's name alone is searched exactly."""
    return Panel.parse(text if "@" in text else f"{text}@exact")


def _measured(
    lab: Lab, gallery: Gallery, panels: Sequence[Panel], options: argparse.Namespace
) -> Iterator[tuple[Task, list[Loss]]]:
    for task in tasks(gallery, options.language or [usual(gallery)]):
        able = [each for each in panels if can(lab.spec(each.embedder), task)]
        if len(able) > 1:
            yield task, [loss(lab, gallery, each, task, CUT) for each in able]


def _labels(measured: Measured, labels: list[str]) -> list[dict[str, Any]]:
    return [
        told(task, rate, [str(each.panel) for each in some])
        for task, some in measured
        for rate in by_label(labels, task, [each.found > 0 for each in some])
    ]


def told(task: Task, rate: Rate, names: list[str]) -> dict[str, Any]:
    """A label's rates as JSON has them."""
    found = {
        name: {
            "found": rate.found[at],
            "rate": rate.found[at] / rate.count,
            "low": low,
            "high": high,
        }
        for at, name in enumerate(names)
        for low, high in [rate.interval(at)]
    }
    named = {"task": task.name, "label": rate.label, "queries": rate.count, "few": rate.few}
    return {**named, "panels": found}


def _worst(gallery: Gallery, task: Task, some: list[Loss]) -> Iterator[dict[str, Any]]:
    """The queries on which each falls furthest behind each other one."""
    for one in some:
        for other in some:
            by, than = one.values[:, NDCG], other.values[:, NDCG]
            for at in apart(by, than, WORST).tolist() if one is not other else []:
                row = int(task.rows[at])
                yield {
                    "task": task.name,
                    "panel": str(one.panel),
                    "behind": str(other.panel),
                    "row": row,
                    "query": gallery.caption(row) if task.texts is None else task.texts[at],
                    "nDCG@10": float(by[at]),
                    "other": float(than[at]),
                }


def show(answer: dict[str, Any]) -> str:
    """A table a task, then one of its labels."""
    named = dict.fromkeys(each["task"] for each in answer["pairs"])
    return "\n\n".join(part for task in named for part in _task(answer, task))


def _task(answer: dict[str, Any], task: str) -> Iterator[str]:
    mine = {
        name: [each for each in answer[name] if each["task"] == task]
        for name in ("pairs", "labels", "worst")
    }
    title = f"{answer['gallery']}: {task}, difference [95 %], p after Holm"
    yield table(title, _pairs(mine["pairs"]))
    if mine["labels"]:
        yield table(f"found among {CUT}, by label", [_label(each) for each in mine["labels"]])
    if mine["worst"]:
        yield table("furthest behind", [_behind(each) for each in mine["worst"]])


def _pairs(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for each in given:
        row = rows.setdefault(
            (each["one"], each["other"]), {"pair": f"{each['one']} - {each['other']}"}
        )
        row[each["metric"]] = (
            f"{each['mean']:+.3f} [{each['low']:+.3f}, {each['high']:+.3f}] {each['holm']:.4f}"
        )
    return list(rows.values())


def _label(each: dict[str, Any]) -> dict[str, Any]:
    cells = {name: f"{told['found']} ({told['rate']:.0%})" for name, told in each["panels"].items()}
    few = f", fewer than {FEW}" if each["few"] else ""
    return {"label": each["label"], "queries": f"{each['queries']}{few}", **cells}


def _behind(each: dict[str, Any]) -> dict[str, Any]:
    return {
        "panel": each["panel"],
        "query": each["query"][:60],
        "row": each["row"],
        "nDCG@10": f"{each['nDCG@10']:.3f} against {each['other']:.3f}",
    }


def as_csv(answer: dict[str, Any]) -> str:
    """What was measured, a line for each figure."""
    return lines([*flat(answer)])


def lines(rows: list[dict[str, Any]]) -> str:
    """Rows as CSV, with every column that any of them has."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().replace("\r\n", "\n").rstrip("\n")


def flat(answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What ``evaluate`` has found, a row for each figure."""
    head = {"gallery": answer["gallery"], "revision": answer["revision"]}
    for each in answer.get("measured", []):
        named = {name: each[name] for name in ("embedder", "task", "queries")}
        for metric, told in each["metrics"].items():
            yield {**head, **named, "metric": metric, **told}
    for each in answer.get("split", []):
        by = {f"lost_by_index_{end}": value for end, value in each["lost_by_index"].items()}
        rest = {name: value for name, value in each.items() if name != "lost_by_index"}
        yield {**head, **rest, "lost_by_index": by.pop("lost_by_index_mean"), **by}
    if answer.get("labels"):  # what was asked for beside the pairs
        for each in answer["labels"]:
            for name, told in each["panels"].items():
                yield {
                    **head,
                    **{key: each[key] for key in ("task", "label", "queries")},
                    "panel": name,
                    **told,
                }
    else:
        for each in answer.get("pairs", []):
            yield {**head, **each}
