"""Tables of speed as receipts have them, and measured again at the same settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from itertools import groupby
from typing import Any

from retrieval.errors import BadQuery
from retrieval.galleries.base import Gallery
from retrieval.indexes import INDEXES
from retrieval.indexes.base import MOST, checked
from retrieval.lab import Lab
from retrieval.measure.scale import SIZES, Job, Running, sizes
from retrieval.measure.sweep import asked, measured
from retrieval.measure.tables import ROWS, Row, Table, knobs, marked, whole, written
from retrieval.panel import Panel
from retrieval.store import index_key
from retrieval.types import Spec


def swept(given: Mapping[str, Any]) -> Iterator[Row]:
    """A sweep as the page or the command gives it, a row a setting."""
    for each in given["sweeps"]:
        kind = each.get("queries", given.get("queries"))
        for point in each["points"]:
            settings = written(knobs(point["knobs"]))
            built = {"build": written(knobs(each["build"]))} if "build" in each else {}
            yield {**point, "index": each["index"], "queries": kind, "knobs": settings, **built}


def sweep(lab: Lab, gallery: Gallery, old: Table) -> Iterator[Row]:
    """The same settings, asked with as many queries of the same draw."""
    embedder = _embedder(lab, old)
    k = whole(old.options.get("k", 10), "k", MOST)
    count = whole(old.options.get("count"), "count", ROWS)
    rows = sorted(old.rows, key=lambda row: (str(row.get("queries")), str(row.get("index"))))
    for kind, some in groupby(rows, lambda row: row.get("queries")):
        if kind not in ("text", "picture"):
            raise BadQuery(f"queries are {str(kind)[:40]!r}; they must be text or picture")
        queries = asked(lab, gallery, embedder.name, kind, k, count)
        for name, each in groupby(some, lambda row: str(row.get("index"))):
            index = lab.index(gallery, Panel(embedder.name, name)).index
            settings = [knobs(row.get("knobs")) for row in each]
            for setting in settings:
                checked(index.spec, setting)
            for setting in settings:
                built = written(index_key({}, index.spec, index.knobs)["knobs"])
                told = {"index": name, "queries": kind, "knobs": written(setting), "build": built}
                yield {**asdict(measured(index, queries, setting)), **told}


def scaled(given: Mapping[str, Any]) -> Iterator[Row]:
    """What was measured at each size; what a fit tells is no measurement."""
    if "measured" in given:  # a note of Choose
        yield from (marked(mark) for mark in given["measured"]["marks"])
    for row in given.get("scale", []):
        if row["measured"]:
            settings = {name: written(knobs(row[name])) for name in ("knobs", "build")}
            wanted = ("index", "count", "recall", "ms", "bytes", "seconds")
            yield {**{name: row[name] for name in wanted}, **settings}


def scale(lab: Lab, gallery: Gallery, old: Table) -> Iterator[Row]:
    """The same settings over as many vectors, drawn by the same seed."""
    embedder = _embedder(lab, old)
    room = max(sizes(embedder.dim), default=0)
    rows = [(whole(row.get("count"), "count", SIZES[-1]), row) for row in old.rows]
    with closing(Running(lab, Job(gallery, embedder, []))) as running:
        for count, row in sorted(rows, key=lambda each: each[0]):
            if count > room:
                raise BadQuery(f"{count:,} vectors do not fit in a quarter of this memory")
            spec, setting = INDEXES.spec(str(row.get("index"))), knobs(row.get("knobs"))
            checked(spec, setting)
            yield marked(asdict(running.again(spec, count, setting)))


def _embedder(lab: Lab, old: Table) -> Spec:
    if len(old.keys) != 1:
        raise BadQuery(f"the receipt names {len(old.keys)} embedders; it must name one")
    return lab.spec(next(iter(old.keys)))
