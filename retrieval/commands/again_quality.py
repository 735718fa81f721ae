"""Tables of quality, of duplicates and of advice as receipts have them, and measured again."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from retrieval import probe
from retrieval.commands.bar import line
from retrieval.errors import BadQuery
from retrieval.galleries.base import Gallery
from retrieval.indexes.base import MOST
from retrieval.lab import Lab
from retrieval.measure.tables import ROWS, Row, Table, whole

ENDLESS = 1e9
"""Seconds: what a receipt holds is measured to its end."""
Rows = Iterable[Row]


def evaluated(given: Mapping[str, Any]) -> Rows:
    """What ``evaluate`` has found, a row for each figure."""
    from retrieval.commands.differences import flat

    return flat({"revision": "", **given})


def evaluate(lab: Lab, gallery: Gallery, old: Table) -> Rows:
    """The same queries of the same embedders or panels."""
    from retrieval.commands.evaluate import K, run

    names = ("embedder", "language", "panel", "pair")
    texts = {name: old.texts(name) for name in names}
    asked = Namespace(
        gallery=gallery.name,
        **texts,
        by="label" if texts["pair"] and old.options.get("by") else None,
        k=whole(old.options.get("k", K), "k", MOST) if texts["panel"] else K,
        csv=False,
    )
    return evaluated(run(lab, asked))


def calibrated(given: Mapping[str, Any]) -> Rows:
    """What ``calibrate`` has fitted, a row a bin."""
    from retrieval.commands.calibrate import rows

    return [row for each in given["fits"] for row in rows(each["embedder"], each["asked"], each)]


def calibrate(lab: Lab, gallery: Gallery, old: Table) -> Rows:
    """The same fits, which are not kept."""
    from retrieval.commands.calibrate import rows
    from retrieval.commands.evaluate import can, tasks, usual
    from retrieval.measure.calibrations import fitted, kind

    names = dict.fromkeys(str(row.get("embedder")) for row in old.rows)
    for task in tasks(gallery, [usual(gallery)]):
        for name in names if kind(task) else ():
            if can(lab.spec(name), task):
                yield from rows(name, str(kind(task)), asdict(fitted(lab, gallery, name, task)))


def rated(given: Mapping[str, Any]) -> Rows:
    """A figure of Choose."""
    return [_rating(given["key"]["embedder"], given["measured"])]


def rate(lab: Lab, gallery: Gallery, old: Table) -> Rows:
    """The same figure, which is not kept."""
    from retrieval.advisor.evidence import rating

    reads = "image" if old.options.get("queries") == "picture" else "text"
    for name in old.keys:
        yield _rating(name, rating(lab, gallery, lab.spec(name), reads))


def _rating(name: str, body: Mapping[str, Any]) -> Row:
    told = {key: body[key] for key in ("task", "queries", "query_ms")}
    return {"embedder": name, **told, **body["R@10"]}


def twins(given: Mapping[str, Any]) -> Iterator[Row]:
    """What ``duplicates`` has found: ways, groups, detection, pairs picked by looking."""
    for kind in ("hash", "embedding"):
        yield {"table": kind, **given[kind]}
    for group in given["groups"]:
        rows = " ".join(str(each["row"]) for each in group["pictures"])
        yield {"table": "group", "name": rows, "found_by": group["found_by"]}
    for table in ("detection", "truth"):
        for each in given[table]:
            place = ("embedder", "distortion", "strength")
            name = " ".join(str(each[part]) for part in place if part in each)
            rest = {key: each[key] for key in each.keys() - {*place, "machine", "at"}}
            yield {"table": table, "name": name, **rest}


def twin(lab: Lab, gallery: Gallery, old: Table) -> Rows:
    """The same groups, and as many pictures distorted and looked for anew."""
    from retrieval.duplicates import detection
    from retrieval.duplicates.asked import ways
    from retrieval.duplicates.figures import figures, rates
    from retrieval.duplicates.finder import Finder
    from retrieval.duplicates.kept import Detection, key

    finder, asked = Finder(lab), old.options
    first, second = (lab.spec(str(asked.get(name))) for name in ("hash", "embedder"))
    radius, threshold = asked.get("radius"), asked.get("threshold")
    if not all(type(each) in (int, float) for each in (radius, threshold or 0.0)):
        raise BadQuery("the receipt's radius and threshold must be numbers")
    chosen = ways(finder, gallery, first, second, float(radius or 0), threshold)
    found: list[dict[str, Any]] = []
    for way in (chosen.first, chosen.second):
        mine = [row for row in old.rows if str(row.get("name")).startswith(f"{way.spec.name} ")]
        count = max((whole(row["pictures"], "pictures", ROWS) for row in mine), default=0)
        known = Detection(key(gallery, way.spec))
        sample = detection.sample(len(gallery))[:count]
        with line() as say:
            for part in detection.measure(lab, gallery, way.spec.name, sample, ENDLESS):
                known = known.more(part)
                say(f"{way.spec.name}: {len(known.measured)} of {count} pictures")
        found += rates(way, known)
    return twins({**figures(finder, chosen), "detection": found})


def advised(given: Mapping[str, Any]) -> Iterator[Row]:
    """The stacks; their reasons tell figures of their day."""
    from retrieval.commands.choose import rows

    for row in given["rows"] if "rows" in given else rows(dict(given)):
        if row["part"] in ("embedder", "index"):
            yield {name: row[name] for name in ("stack", "part", "text")}


def advise(lab: Lab, gallery: Gallery, old: Table) -> Rows:
    """The answer of now to the same questions."""
    from retrieval.advisor.advice import choose
    from retrieval.advisor.need import Need

    probe.settled()
    given = old.options.get("need")
    if not isinstance(given, dict):
        raise BadQuery("the receipt does not say what was asked for; choose again")
    memory: Any = given.get("memory")
    whole = {**given, "memory": memory / 1e9 if type(memory) in (int, float) else memory}
    return advised(choose(lab, gallery, Need.of(whole)).told())
