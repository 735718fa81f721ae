"""Tables that say what they came of, so that they can be measured again and compared."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from statistics import median
from typing import Any, TypeGuard

from retrieval import manifest
from retrieval.errors import BadQuery
from retrieval.galleries.base import Gallery
from retrieval.measure.receipts import FORMAT, SLACK
from retrieval.runtime.machine import machine
from retrieval.store import Key, vectors_key
from retrieval.types import Spec

MOST = 20_000
"""Rows of a table that are read."""
MANY = 100
"""Names of a list that a receipt may ask for."""
ROWS = 10**9
"""Queries, or pictures, that a receipt may ask for; no more are asked than there are."""
TOLD = 20
"""Differences that are told; the rest is counted."""
TIMED = (
    *("p50", "p95", "p99", "alone", "together", "build_s", "query_ms"),
    *(f"{cost}{end}" for cost in ("ms", "seconds") for end in ("", "_low", "_high")),
)
"""Columns that no two runs share: how they compare is told, and is no difference."""
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """What was written down of a table.

    Attributes:
        gallery: its name.
        revision: of the gallery.
        options: what it was asked with.
        keys: all that decides the vectors, by embedder.
        rows: what came out.
        about: machine, Python and versions of then.
    """

    gallery: str
    revision: str
    options: dict[str, Any]
    keys: dict[str, Key]
    rows: list[dict[str, Any]]
    about: dict[str, Any]

    @classmethod
    def of(cls, given: Mapping[str, Any], rows: Iterable[Row]) -> Table:
        """From a receipt's JSON and its rows.

        Raises:
            BadQuery: a part is missing or of another type, or it is too long.
        """
        try:
            told = [dict(row) for row in rows]
            keys = {str(name): dict(key) for name, key in given["keys"].items()}
            about = {name: str(given[name]) for name in ("machine", "python")}
            about |= {str(name): str(told) for name, told in given["versions"].items()}
            names = str(given["gallery"]), str(given["gallery_revision"])
            made = cls(*names, dict(given["options"]), keys, told, about)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadQuery(
                f"this is no receipt of format {FORMAT} ({error!r:.80}); give one that Parallax "
                "has written"
            ) from error
        if not 0 < len(made.rows) <= MOST:
            raise BadQuery(f"the receipt has {len(made.rows):,} rows; it must have 1 to {MOST:,}")
        return made

    def texts(self, name: str) -> list[str] | None:
        """An option that is a list of texts; none where it was not given.

        Raises:
            BadQuery: it is something else.
        """
        given = self.options.get(name)
        if given is None:
            return None
        if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
            raise BadQuery(f"the receipt's {name} must be a list of texts")
        if not 0 < len(given) <= MANY:
            raise BadQuery(f"the receipt's {name} must be 1 to {MANY} texts")
        return given


def whole(given: object, name: str, most: int) -> int:
    """A whole number of a receipt.

    Raises:
        BadQuery: it is something else, or outside.
    """
    if type(given) is int and 1 <= given <= most:
        return given
    raise BadQuery(f"{name} is {str(given)[:20]}; it must be a whole number from 1 to {most:,}")


def header(kind: str, gallery: Gallery, specs: Sequence[Spec], **options: Any) -> dict[str, Any]:
    """What makes a table a receipt: all that it came of, beside its rows.

    ``written`` is when, in UTC; what was kept may have been measured before.
    """
    return {
        "format": FORMAT,
        "kind": kind,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "gallery_revision": gallery.revision,
        "options": options,
        "keys": {spec.name: vectors_key(gallery, spec) for spec in specs},
        **here(),
    }


@cache
def here() -> dict[str, Any]:
    """Machine, Python and versions."""
    return {"machine": machine(), **manifest.recorded()}


def knobs(given: object) -> dict[str, int]:
    """Settings from ``a=1&b=2``, from a mapping, or none.

    Raises:
        BadQuery: they are of another form.
    """
    try:
        if isinstance(given, Mapping):
            return {str(name): int(value) for name, value in given.items()}
        pairs = (each.split("=") for each in str(given or "").split("&") if each)
        return {name: int(value) for name, value in pairs}
    except (TypeError, ValueError, OverflowError) as error:
        raise BadQuery(f"settings are {str(given)[:40]!r}; they must be as a=1&b=2") from error


def written(given: Mapping[str, int]) -> str:
    """Settings as ``a=1&b=2``."""
    return "&".join(f"{name}={value}" for name, value in given.items())


def marked(mark: Mapping[str, Any]) -> dict[str, Any]:
    """A mark's JSON as a row, its settings as ``a=1&b=2``."""
    point = mark["point"]
    return {
        "index": mark["index"],
        "count": mark["count"],
        "knobs": written(knobs(point["knobs"])),
        "build": written(knobs(mark["build"])),
        "recall": point["recall"],
        "ms": point["p50"],
        "bytes": float(mark["nbytes"]),
        "seconds": mark["build_s"],
    }


Named = tuple[Any, ...]
Slack = Callable[[Row, str], float]
"""By how much a figure may differ where nothing has changed."""


def differences(
    old: Sequence[Row], new: Sequence[Row], names: Sequence[str], slack: Slack = lambda *_: SLACK
) -> list[str]:
    """What differs in the figures, a sentence each; none where they are the same.

    Args:
        old: rows of then.
        new: rows of now; more than those of then are no difference.
        names: columns that name a row.
        slack: how far numbers may be apart.
    """
    found = list(_differing(old, {_name(row, names): row for row in new}, names, slack))
    more = [f"and {len(found) - TOLD:,} more"] if len(found) > TOLD else []
    return [*found[:TOLD], *more]


def _differing(
    old: Sequence[Row], new: Mapping[Named, Row], names: Sequence[str], slack: Slack
) -> Iterator[str]:
    for was in old:
        place = _name(was, names)
        said = " ".join(str(each) for each in place if each not in (None, ""))[:200]
        now = new.get(place)
        if now is None:
            yield f"{said}: it is not there any more"
            continue
        for column in was.keys() & now.keys() - {*names, *TIMED}:
            if not _same(was[column], now[column], slack(was, column)):
                yield f"{said}: {column} was {_word(was[column])}, is {_word(now[column])}"


def circumstances(
    old: Table, gallery: Gallery, specs: Sequence[Spec], rows: Sequence[Row], names: Sequence[str]
) -> list[str]:
    """What differs in how the figures came about, and in their times."""
    now = here()
    told = {"machine": now["machine"], "python": now["python"], **now["versions"]}
    lines = [
        f"{name}: {old.about.get(name)} then, {value} now"
        for name, value in told.items()
        if old.about.get(name) != value
    ]
    if old.revision != gallery.revision:
        lines.append(f"{gallery.name} has another revision now")
    for spec in specs:
        key = vectors_key(gallery, spec)
        then = old.keys.get(spec.name, key)
        lines += [
            f"{spec.name}: {name} was {str(then.get(name))[:80]!r}, is {value!r}"
            for name, value in key.items()
            if then.get(name) != value and name != "gallery_revision"
        ]
    return [*lines, *_times(old.rows, {_name(row, names): row for row in rows}, names)]


def _times(old: Sequence[Row], new: Mapping[Named, Row], names: Sequence[str]) -> Iterator[str]:
    for column in TIMED:
        pairs = [(row.get(column), new.get(_name(row, names), {}).get(column)) for row in old]
        ratios = [now / was for was, now in pairs if _number(was) and _number(now) and was > 0]
        if ratios:
            yield f"{column}: {median(ratios):.2g} times that of then (median of {len(ratios):,})"


def _name(row: Row, names: Sequence[str]) -> Named:
    return tuple(str(row.get(name, "")) for name in names)


def _number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _same(was: Any, now: Any, slack: float) -> bool:
    if _number(was) and _number(now):
        return bool(abs(was - now) <= slack * max(1.0, abs(was)))
    return bool(was == now) or (was is None and isinstance(now, float) and math.isnan(now))


def _word(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)[:80]
