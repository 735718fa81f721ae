"""``sweep``: recall against speed of indexes, over the settings of their knobs."""

from __future__ import annotations

import argparse
import csv
import io
import math
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from retrieval.commands import pick, scaled
from retrieval.commands.bar import line
from retrieval.commands.listing import table
from retrieval.errors import BadKnob, BadQuery, BadVectors, LabError, NotReady, Unreachable
from retrieval.galleries.base import Gallery
from retrieval.lab import Lab
from retrieval.measure.paired import KINDS, pairs
from retrieval.measure.rounds import COUNT, K, sweeps
from retrieval.measure.sweep import Kind, Point, asked, cheapest, fitting, front, grid, sweep
from retrieval.measure.sweeps import Sweep, key, made
from retrieval.measure.tables import header
from retrieval.panel import Panel
from retrieval.store import Built

SECONDS = 60.0
TARGET = 0.95
COLUMNS = ("recall", "p50 ms", "p95 ms", "alone/s", "together/s")
UNUSED: dict[str, dict[str, Any]] = {
    "auto": {"k": K, "count": COUNT},
    "both": {"queries": None},
    "scale": {"queries": None, "recall": TARGET, "k": K, "count": COUNT},
}
"""Flags that another one does not heed, with their defaults."""
LEFT_OUT = (BadKnob, BadVectors, NotReady, Unreachable)
"""Errors that are one index's own."""


def add(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command."""
    command = commands.add_parser("sweep", help="recall against speed, over the knobs of indexes")
    command.add_argument("--gallery", default="clipart")
    command.add_argument("--embedder", default="conse-lite2")
    command.add_argument("--index", action="append", help="default: all that fit the embedder")
    command.add_argument("--queries", choices=("text", "picture"), help="default: what it reads")
    command.add_argument("--count", type=int, default=COUNT, help="how many queries")
    command.add_argument(
        "--seconds",
        type=float,
        help=f"for each index, at most ({SECONDS:g}); --scale: for all ({SECONDS:g}); "
        "--auto: for all (no end)",
    )
    command.add_argument("--recall", type=float, default=TARGET, help="the target")
    command.add_argument("-k", type=int, default=K)
    instead = command.add_mutually_exclusive_group()
    instead.add_argument("--auto", action="store_true", help="only the fastest that reaches it")
    instead.add_argument("--both", action="store_true", help="captions and pictures, side by side")
    instead.add_argument(
        "--scale", action="store_true", help="at 1 k to 1 M drawn vectors within --memory, and on"
    )
    command.add_argument("--csv", action="store_true", help="print CSV")
    command.set_defaults(run=run, show=show)
    return [command]


def run(lab: Lab, options: argparse.Namespace) -> dict[str, Any]:
    """Sweep, keep and tell; or pick without a whole sweep.

    Raises:
        BadQuery: a flag that is not heeded here, or a number out of its range.
    """
    _checked(options)
    if options.auto:
        return pick.run(lab, options)
    options.seconds = SECONDS if options.seconds is None else options.seconds
    if options.scale:
        return scaled.run(lab, options)
    kinds: list[Kind | None] = ["text", "picture"] if options.both else [options.queries]
    done = [each for kind in kinds for each in swept(lab, options, kind)]
    if not done:
        raise BadQuery("nothing was measured; give more --seconds, or another --index")
    about = lab.gallery(options.gallery), [lab.spec(options.embedder)]
    return {
        "gallery": options.gallery,
        "embedder": options.embedder,
        "target": options.recall,
        "csv": options.csv,
        "sweeps": [plain(each, options.recall) for each in done],
        "pairs": [pair.told(options.recall) for pair in pairs(done)],
        **header("sweep", *about, k=options.k, count=options.count),
    }


def _checked(options: argparse.Namespace) -> None:
    if options.seconds is not None and not options.seconds >= 0:  # NaN is not
        raise BadQuery(f"--seconds is {options.seconds:g}; it must be 0 or more")
    if not math.isfinite(options.recall):
        raise BadQuery(f"--recall is {options.recall:g}; it must be a number")
    for mode, unused in UNUSED.items():
        given = [name for name, usual in unused.items() if getattr(options, name) != usual]
        if getattr(options, mode) and given:
            flag = "-k" if given[0] == "k" else f"--{given[0]}"
            raise BadQuery(f"sweep --{mode} does not heed {flag}; leave one of them out")


def swept(lab: Lab, options: argparse.Namespace, wanted: Kind | None) -> Iterator[Sweep]:
    """Measure index after index; what was measured is kept when it is stopped."""
    spec, gallery = lab.spec(options.embedder), lab.gallery(options.gallery)
    kind: Kind = wanted or ("text" if spec.reads_text else "picture")
    queries = asked(lab, gallery, spec.name, kind, options.k, options.count)
    for name in options.index or [each.name for each in fitting(spec)]:
        built = _built(lab, gallery, Panel(spec.name, name), bool(options.index))
        if built is None:
            continue
        points: list[Point] = []
        try:
            with line() as say:
                for point in sweep(built.index, queries, grid(built.index.spec), options.seconds):
                    points.append(point)
                    say(f"{name}: {len(points)} settings")
        except Exception as error:  # an engine's own failure costs its own points alone
            _left_out(name, error, bool(options.index))
        finally:
            if points:
                done = made(key(gallery, spec, built.index, queries), points, built)
                sweeps(lab).save(done)
        if points:
            yield done


def _built(lab: Lab, gallery: Gallery, panel: Panel, named: bool) -> Built | None:
    """The index; none, said on stderr, where nobody named it and it cannot be used here."""
    try:
        return lab.index(gallery, panel)
    except Exception as error:
        _left_out(panel.index, error, named)
        return None


def _left_out(name: str, error: Exception, named: bool) -> None:
    """Say what failed of an index that nobody named; raise it where somebody did."""
    if isinstance(error, LabError):
        if named or not isinstance(error, LEFT_OUT):
            raise error
    elif named:
        raise LabError(f"{name} failed: {error}"[:500]) from error
    sys.stderr.write(f"{name} is left out: {' '.join(str(error).split())[:500]}\n")


def plain(done: Sweep, target: float) -> dict[str, Any]:
    """A sweep as JSON has it."""
    best = cheapest(done.points, target)
    return {
        "index": done.key["index"],
        "queries": done.key["queries"],
        "count": done.key["count"],
        "k": done.key["k"],
        "build": done.key["knobs"],
        "nbytes": done.nbytes,
        "build_s": done.build_s,
        "machine": done.machine,
        "at": done.at,
        "points": [asdict(point) for point in done.points],
        "front": [asdict(point) for point in front(done.points)],
        "cheapest": asdict(best) if best else None,
    }


def show(answer: dict[str, Any]) -> str:
    """The cheapest setting of each index that reaches the target, or CSV of all points."""
    if "panel" in answer:
        return pick.show(answer)
    if "scale" in answer:
        return scaled.show(answer)
    if answer["csv"]:
        return _csv(answer)
    rows = [_row(each) for each in answer["sweeps"]]
    title = f"{answer['gallery']} x {answer['embedder']}: cheapest at recall {answer['target']:g}"
    pairs = [_pair(each) for each in answer["pairs"]]
    beside = "Captions against pictures: recall at the default setting, p50 ms at the target"
    return table(title, rows) + (f"\n\n{table(beside, pairs)}" if pairs else "")


def _pair(each: dict[str, Any]) -> dict[str, str]:
    default = {
        f"{kind} recall": f"{each['default'][kind]['recall']:.3f}" if each["default"] else "-"
        for kind in KINDS
    }
    best = {
        f"{kind} ms": f"{each['cheapest'][kind]['p50']:.3f}" if each["cheapest"][kind] else "none"
        for kind in KINDS
    }
    times = "-" if each["times"] is None else f"{each['times']:.2g}x"
    return {"index": each["index"], **default, **best, "captions cost": times}


def _row(each: dict[str, Any]) -> dict[str, Any]:
    held = {"MB": f"{each['nbytes'] / 1e6:.1f}", "build s": f"{each['build_s']:.2f}"}
    by = {"index": each["index"], "asked with": each["queries"]}
    return {**by, **_figures(each["cheapest"]), **held}


def _figures(best: dict[str, Any] | None) -> dict[str, str]:
    if best is None:
        return {"knobs": "none reaches it", **dict.fromkeys(COLUMNS, "")}
    knobs = " ".join(f"{name}={value}" for name, value in best["knobs"].items())
    values = (
        f"{best['recall']:.3f}",
        f"{best['p50']:.3f}",
        f"{best['p95']:.3f}",
        f"{best['alone']:,.0f}",
        f"{best['together']:,.0f}",
    )
    return {"knobs": knobs or "-", **dict(zip(COLUMNS, values, strict=True))}


def _csv(answer: dict[str, Any]) -> str:
    out = io.StringIO()
    names = ("recall", "p50", "p95", "p99", "alone", "together")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["gallery", "embedder", "index", "queries", "k", "knobs", *names])
    for each in answer["sweeps"]:
        for point in each["points"]:
            knobs = "&".join(f"{name}={value}" for name, value in point["knobs"].items())
            head = [answer["gallery"], answer["embedder"], each["index"], each["queries"]]
            writer.writerow([*head, each["k"], knobs, *(point[name] for name in names)])
    return out.getvalue().rstrip("\n")
