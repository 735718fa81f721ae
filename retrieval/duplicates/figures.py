"""What was found and measured, as JSON and CSV have it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from retrieval.duplicates.asked import Found, Way, Ways, found
from retrieval.duplicates.distortions import Setting, settings
from retrieval.duplicates.finder import Finder
from retrieval.duplicates.kept import Detection
from retrieval.measure.tables import header

TABLES = ("groups", "detection", "truth")
KINDS = {"both": "both", "first": "hash only", "second": "embedding only"}


def figures(finder: Finder, asked: Ways) -> dict[str, Any]:
    """Groups, detection and the rating by pairs that were picked by looking.

    Raises:
        LabError: a threshold is too loose, or something is damaged.
    """
    gallery, both = asked.gallery, (asked.first, asked.second)
    given = found(finder, asked)
    return {
        "gallery": gallery.name,
        "gallery_revision": gallery.revision,
        "licence": gallery.licence.id,
        "source": gallery.source,
        "hash": _way(asked.first, given, 0),
        "embedding": {**_way(asked.second, given, 1), "equal_pairs": asked.equal},
        "pictures": {KINDS[kind]: count for kind, count in given.pictures.items()},
        "groups": list(_groups(given)),
        "detection": [each for way in both for each in detection(finder, asked, way)],
        "truth": [each for way in both for each in truth(finder, asked, way)],
        **header(
            "duplicates",
            gallery,
            [way.spec for way in both],
            hash=asked.first.spec.name,
            radius=asked.first.value,
            embedder=asked.second.spec.name,
            threshold=None if asked.equal else asked.second.value,
        ),
    }


def as_csv(answer: dict[str, Any], name: str) -> str:
    """One of the tables, a line an entry."""
    out = io.StringIO()
    lines = _pictures(answer) if name == "groups" else answer[name]
    writer = csv.DictWriter(out, list(lines[0]) if lines else [name], lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _safe(value) for key, value in line.items()} for line in lines)
    return out.getvalue()


def detection(finder: Finder, asked: Ways, way: Way) -> Iterator[dict[str, Any]]:
    """The rates of one way at every setting; nothing where nothing was measured.

    Raises:
        Damaged: what ships differs from its manifest.
    """
    known = finder.detection(asked.gallery, way.spec.name)
    yield from rates(way, known)


def asked_of(way: Way, setting: Setting) -> dict[str, Any]:
    """The columns that say which way was asked, at which threshold, after which change."""
    return {
        "embedder": way.spec.name,
        "threshold": way.value,
        "distortion": setting.distortion.name,
        "strength": setting.strength,
        "unit": setting.distortion.unit,
    }


def rates(way: Way, known: Detection) -> Iterator[dict[str, Any]]:
    """The rates of what is known of one way; nothing where nothing is."""
    if not len(known.measured):
        return
    hits, alarms = known.measured.detected(way.least), known.measured.alarms(way.least)
    for at, setting in enumerate(settings()):
        yield {
            **asked_of(way, setting),
            "detected": float(hits.mean[at]),
            "low": float(hits.low[at]),
            "high": float(hits.high[at]),
            "another_found": float(alarms[at]),
            "pictures": len(known.measured),
            "machine": known.machine,
            "at": known.at,
        }


def truth(finder: Finder, asked: Ways, way: Way) -> Iterator[dict[str, Any]]:
    """How one way tells the pairs that were picked by looking; nothing where nobody has.

    Raises:
        Damaged: the pairs are of another gallery.
    """
    rated = finder.rated(asked.gallery, way.spec.name)
    if rated is None:
        return
    same, other = rated.at(way.least)
    yield {
        "embedder": way.spec.name,
        "threshold": way.value,
        "pairs": len(rated.scores),
        "near_duplicates_found": same,
        "look_alikes_found": other,
        "auc": rated.auc,
        "auc_low": rated.low,
        "auc_high": rated.high,
        "average_precision": rated.precision,
    }


def _way(way: Way, given: Found, place: int) -> dict[str, Any]:
    groups = (given.first, given.second)[place]
    return {
        "name": way.spec.name,
        "threshold": way.value,
        "pairs": given.pairs[place],
        "share_of_all_pairs": given.rates[place],
        "groups": len(groups),
        "pictures": sum(map(len, groups)),
    }


def _groups(given: Found) -> Iterator[dict[str, Any]]:
    gallery = given.ways.gallery
    for number, case in enumerate(given.cases):
        rows = sorted({*case.first, *case.second})
        yield {
            "group": number,
            "found_by": KINDS[case.kind],
            "pictures": [
                {"row": row, "found_by": KINDS[case.of(row)], "source": source, "caption": words}
                for row, source, words in zip(
                    rows, gallery.sources(rows), gallery.captions(rows), strict=True
                )
            ],
        }


def _pictures(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """A line a picture, with its group."""
    return [
        {"gallery": answer["gallery"], "group": group["group"], **picture}
        for group in answer["groups"]
        for picture in group["pictures"]
    ]


def _safe(value: Any) -> Any:
    """A text that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value
