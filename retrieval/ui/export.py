"""Sweeps to take away, with the licences of what they are about."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from retrieval.errors import BadQuery
from retrieval.measure.drawing import K as SCALE_K
from retrieval.measure.outlook import Outlook, flat, rows
from retrieval.measure.rounds import COUNT, Job, K
from retrieval.measure.scale import TARGET
from retrieval.measure.scale import Job as ScaleJob
from retrieval.measure.tables import header
from retrieval.ui.curves import Curve
from retrieval.ui.licences import licence, weights

FIGURES = ("recall", "p50", "p95", "p99", "alone", "together")
HEAD = ("gallery", "embedder", "index", "queries", "k", "knobs", *FIGURES)
TAIL = ("nbytes", "build_s", "machine", "at", "gallery_licence", "weights_licence")


def as_json(job: Job, curves: Sequence[Curve]) -> dict[str, Any]:
    """Every stored setting, its machine and its day."""
    return {
        "gallery": job.gallery.name,
        "gallery_revision": job.gallery.revision,
        "embedder": job.embedder.name,
        "queries": job.kind,
        "k": K,
        "units": {"p50": "ms", "p95": "ms", "p99": "ms", "alone": "1/s", "together": "1/s"},
        "licences": {"gallery": licence(job.gallery.licence), "weights": weights(job)},
        "source": job.gallery.source,
        **header("sweep", job.gallery, [job.embedder], k=K, count=COUNT),
        "sweeps": [
            {
                "index": curve.spec.name,
                "build": curve.sweep.key["knobs"],
                "nbytes": curve.sweep.nbytes,
                "build_s": curve.sweep.build_s,
                "machine": curve.sweep.machine,
                "at": curve.sweep.at,
                "points": [asdict(point) for point in curve.points],
            }
            for curve in curves
            if curve.sweep
        ],
    }


def as_csv(job: Job, curves: Sequence[Curve]) -> str:
    """A line a setting; the licences stand in each, so that no reader stumbles on a comment."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*HEAD, *TAIL])
    for curve in curves:
        if curve.sweep is None:
            continue
        sweep = curve.sweep
        tail = [sweep.nbytes, sweep.build_s, sweep.machine, sweep.at]
        licences = [licence(job.gallery.licence), weights(job)]
        for point in curve.points:
            knobs = "&".join(f"{name}={value}" for name, value in point.knobs.items())
            head = [job.gallery.name, job.embedder.name, curve.spec.name, job.kind, K, knobs]
            figures = [getattr(point, name) for name in FIGURES]
            writer.writerow([*head, *figures, *tail, *licences])
    return out.getvalue()


def scale_json(job: ScaleJob, found: Sequence[Outlook]) -> dict[str, Any]:
    """Every size of every index, what was measured and what is told."""
    return {
        "gallery": job.gallery.name,
        "gallery_revision": job.gallery.revision,
        "embedder": job.embedder.name,
        "k": SCALE_K,
        "target": TARGET,
        "units": {"ms": "ms", "bytes": "B", "seconds": "s"},
        "drawn_over_real": dict(found[0].note.body["drawn"]) if found else {},
        "licences": {"gallery": licence(job.gallery.licence), "weights": weights(job)},
        "source": job.gallery.source,
        "scale": rows(found),
        **header("scale", job.gallery, [job.embedder]),
    }


def scale_csv(job: ScaleJob, found: Sequence[Outlook]) -> str:
    """A line an index and size; ``measured`` tells what was from what a fit says."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    told = [flat(row) for row in rows(found)]
    licences = [licence(job.gallery.licence), weights(job)]
    writer.writerow(["gallery", "embedder", *(told[0] if told else ()), *TAIL[-2:]])
    for row in told:
        writer.writerow([job.gallery.name, job.embedder.name, *row.values(), *licences])
    return out.getvalue()


def written(kind: str, table: Callable[[], str], told: Callable[[], dict[str, Any]]) -> str:
    """Figures in the form that is asked for.

    Raises:
        BadQuery: there is no such form.
    """
    if kind == "csv":
        return table()
    if kind == "json":
        return json.dumps(told(), indent=1, ensure_ascii=False)
    raise BadQuery("figures are given as csv or as json")
