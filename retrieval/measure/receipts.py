"""What a result came of, written down so that it can be run again."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from retrieval import manifest
from retrieval.errors import BadQuery
from retrieval.galleries.base import Gallery
from retrieval.indexes import INDEXES
from retrieval.indexes.base import checked
from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.runtime.machine import machine
from retrieval.store import columns_key, index_key, vectors_key
from retrieval.types import Result
from retrieval.where import Where

FORMAT = 1
LONGEST = 16_000_000
"""Bytes of a receipt that are read."""
SLACK = 1e-4
"""Scores that differ by less are told as equal."""
Receipt = dict[str, Any]


def receipt(
    lab: Lab,
    gallery: Gallery,
    panels: Sequence[Panel],
    query: Query,
    k: int,
    results: Sequence[Result],
) -> Receipt:
    """All that a comparison came of, and what came of it; plain JSON.

    Args:
        lab: which answered.
        gallery: whose rows.
        panels: in their order.
        query: what was asked; a picture is told by its SHA-256, not kept.
        k: how many were asked for.
        results: one a panel, in any order.
    """
    return of(lab, gallery, panels, told(query), k, results)


def of(
    lab: Lab,
    gallery: Gallery,
    panels: Sequence[Panel],
    asked: Mapping[str, Any],
    k: int,
    results: Sequence[Result],
    at: datetime | None = None,
) -> Receipt:
    """As ``receipt``, of a query that ``told`` has written down, and of a time that has passed."""
    ordered = sorted(results, key=lambda result: result.position)
    return {
        "format": FORMAT,
        "at": (at or datetime.now(UTC)).isoformat(timespec="seconds"),
        "machine": machine(),
        **manifest.recorded(),
        "gallery": {"name": gallery.name, "revision": gallery.revision},
        "query": dict(asked),
        "k": k,
        "panels": [
            _panel(lab, gallery, panel, result)
            for panel, result in zip(panels, ordered, strict=True)
        ],
    }


def told(query: Query) -> dict[str, Any]:
    """A query as a receipt has it: a picture by its SHA-256."""
    every: dict[str, Any] = {
        "text": query.text,
        "row": query.row,
        "image_sha256": hashlib.sha256(query.image).hexdigest() if query.image else None,
        "crop": list(query.crop) if query.crop else None,
        "where": str(query.where) if query.where else None,
    }
    return {name: value for name, value in every.items() if value is not None}


def _panel(lab: Lab, gallery: Gallery, panel: Panel, result: Result) -> dict[str, Any]:
    spec = INDEXES.spec(panel.index)
    knobs = {knob.name: knob.default for knob in spec.knobs} | checked(spec, dict(panel.knobs))
    stored = vectors_key(gallery, lab.spec(panel.embedder)) | columns_key(gallery, spec)
    return {
        "panel": str(panel),
        "key": index_key(stored, spec, knobs),
        "rows": [hit.row for hit in result.hits],
        "scores": [round(hit.score, 6) for hit in result.hits],
        "recall": result.recall,
        "timings": asdict(result.timings),
        "problem": result.problem,
    } | ({"how": result.how, "allowed": result.allowed} if result.allowed is not None else {})


def loaded(data: bytes) -> Receipt:
    """A receipt of any kind from a file.

    Raises:
        BadQuery: it is none, or of another format.
    """
    with _refusing():
        given = json.loads(data) if len(data) <= LONGEST else None
        if not isinstance(given, dict) or given.get("format") != FORMAT:
            raise ValueError("no receipt of this format")
        return given


def read(data: bytes) -> Receipt:
    """A search's receipt from a file, cut to what a replay uses, each part of its type.

    Raises:
        BadQuery: it is none, or of another format.
    """
    given = loaded(data)
    with _refusing():
        return _formed(given)


HARM = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What reading a receipt raises that is none."""


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
        OverflowError,
    ) as error:
        raise BadQuery(
            f"this is no receipt of format {FORMAT} ({error}); give one that Parallax has written"
        ) from error


def _formed(given: Mapping[str, Any]) -> Receipt:
    return {
        "machine": str(given["machine"]),
        "python": str(given["python"]),
        "versions": {str(name): str(version) for name, version in given["versions"].items()},
        "gallery": {name: str(given["gallery"][name]) for name in ("name", "revision")},
        "query": dict(given["query"]),
        "k": int(given["k"]),
        "panels": [_read(each) for each in given["panels"]],
    }


def _read(given: Mapping[str, Any]) -> dict[str, Any]:
    rows = [int(row) for row in given["rows"]]
    scores = [float(score) for score in given["scores"]]
    if len(rows) != len(scores) or not all(map(math.isfinite, scores)):
        raise ValueError(f"{len(rows)} rows have {len(scores)} scores, or one is no number")
    return {
        "panel": str(Panel.parse(str(given["panel"]))),
        "key": dict(given["key"]),
        "rows": rows,
        "scores": scores,
        "problem": str(given["problem"]),
    }


def replay(lab: Lab, old: Receipt, image: bytes | None = None) -> Receipt:
    """Run a receipt again, as far as what is here allows it.

    Args:
        lab: which answers.
        old: from ``read``.
        image: the query's picture, where it was one.

    Returns:
        The receipt of now.

    Raises:
        LabError: the gallery is not here, or the picture is missing or another one.
    """
    gallery, panels = lab.gallery(old["gallery"]["name"]), _panels(old)
    query = _asked(old, image)
    results = list(lab.compare(gallery.name, panels, query, old["k"]))
    return receipt(lab, gallery, panels, query, old["k"], results)


def _panels(old: Receipt) -> list[Panel]:
    return [Panel.parse(each["panel"]) for each in old["panels"]]


def _asked(old: Receipt, image: bytes | None) -> Query:
    told = old["query"]
    wanted = told.get("image_sha256")
    if wanted is not None and image is None:
        raise BadQuery("the receipt is of a picture, which it does not hold; give it with --image")
    if image is not None and hashlib.sha256(image).hexdigest() != wanted:
        raise BadQuery("the picture is not that of the receipt; give that one, or none")
    text, row, crop = told.get("text"), told.get("row"), told.get("crop")
    whole = isinstance(row, int) and not isinstance(row, bool)
    if not (text is None or isinstance(text, str)) or not (row is None or whole):
        raise BadQuery("the receipt's query has the wrong form; give one that Parallax has written")
    where = told.get("where")
    chosen = Where.parse(where) if where is not None else None
    return Query(text, image, row, _crop(crop) if crop is not None else None, chosen)


def _crop(edges: Any) -> tuple[float, float, float, float]:
    try:
        left, top, right, bottom = (float(edge) for edge in edges)
    except (TypeError, ValueError) as error:
        raise BadQuery("the receipt's crop is no four numbers") from error
    return left, top, right, bottom


def differences(old: Receipt, new: Receipt) -> list[str]:
    """What differs in the answers, one sentence each; none where they are the same."""
    return [
        line
        for was, now in zip(old["panels"], new["panels"], strict=True)
        for line in _differing(was, now)
    ]


def _differing(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    name = was["panel"]
    if was["problem"] != now["problem"]:
        yield f"{name}: the problem was {was['problem'] or 'none'!r}, is {now['problem']!r}"
    if was["rows"] != now["rows"]:
        pairs = enumerate(zip(was["rows"], now["rows"], strict=False), 1)
        first = next((rank for rank, (one, other) in pairs if one != other), None)
        kept = len(set(was["rows"]) & set(now["rows"]))
        place = f"from rank {first} on" if first else "in their number"
        yield f"{name}: rows differ {place}; {kept} of {len(was['rows'])} are still among them"
    elif any(abs(a - b) > SLACK for a, b in zip(was["scores"], now["scores"], strict=True)):
        worst = max(abs(a - b) for a, b in zip(was["scores"], now["scores"], strict=True))
        yield f"{name}: same rows, scores differ by up to {worst:.5f}"


def circumstances(old: Receipt, new: Receipt) -> list[str]:
    """What differs in how the answers came about, one sentence each."""
    lines = [
        f"{name}: {old[name]} then, {new[name]} now"
        for name in ("machine", "python")
        if old.get(name) != new[name]
    ]
    if old["gallery"].get("revision") != new["gallery"]["revision"]:
        lines.append(f"{new['gallery']['name']} has another revision now")
    then = old.get("versions", {})
    lines += [
        f"{name} {then.get(name)} then, {version} now"
        for name, version in new["versions"].items()
        if then.get(name) != version
    ]
    for was, now in zip(old["panels"], new["panels"], strict=True):
        lines += [
            f"{was['panel']}: {name} was {was['key'].get(name)!r}, is {value!r}"
            for name, value in now["key"].items()
            if was["key"].get(name) != value and name != "gallery_revision"
        ]
    return lines
