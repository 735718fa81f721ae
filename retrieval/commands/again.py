"""Tables of receipts, measured again: one function a kind; nothing of it is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from retrieval.commands import again_quality as quality
from retrieval.commands import again_speed as speed
from retrieval.errors import BadQuery
from retrieval.galleries.base import Gallery
from retrieval.lab import Lab
from retrieval.measure import tables
from retrieval.measure.receipts import SLACK
from retrieval.measure.tables import Row, Table

THREADS = 0.02
"""By how much a recall may differ: several threads build a graph in no fixed order."""
Rows = Iterable[Row]


@dataclass(frozen=True)
class Kind:
    """One kind of table.

    Attributes:
        names: columns that name a row.
        flat: a command's JSON as rows; a file of the page has them already.
        again: the rows of now.
        recall: by how much a recall may differ where nothing has changed.
    """

    names: tuple[str, ...]
    flat: Callable[[Mapping[str, Any]], Rows]
    again: Callable[[Lab, Gallery, Table], Rows]
    recall: float = SLACK

    def slack(self, row: Row, column: str) -> float:
        """How far two numbers may be apart."""
        exact = row.get("index") in ("exact", "faiss-flat")
        return self.recall if column == "recall" and not exact else SLACK


def replayed(lab: Lab, given: Mapping[str, Any]) -> dict[str, Any]:
    """Measure a receipt's table again.

    Raises:
        LabError: it is of no known kind, has another form, or cannot be measured here.
    """
    kind = KINDS.get(str(given.get("kind")))
    if kind is None:
        raise BadQuery(
            f"a receipt of {str(given.get('kind'))[:40]!r} cannot be run again; these can: a "
            f"search's, and those of {', '.join(KINDS)}"
        )
    old = Table.of(given, _rows(kind, given))
    gallery = lab.gallery(old.gallery)
    specs = [lab.spec(name) for name in old.keys]
    new = [*kind.again(lab, gallery, old)]
    differ = tables.differences(old.rows, new, kind.names, kind.slack)
    return {
        "same": not differ,
        "differences": differ,
        "circumstances": tables.circumstances(old, gallery, specs, new, kind.names),
        "rows": new,
        "count": len(old.rows),
    }


def _rows(kind: Kind, given: Mapping[str, Any]) -> list[Row]:
    try:
        there = "rows" in given and kind is not KINDS["choose"]
        return [{**row} for row in (given["rows"] if there else kind.flat(given))]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadQuery(
            f"the receipt's table has another form ({error!r:.80}); give one that Parallax has "
            "written"
        ) from error


QUALITY = ("embedder", "panel", "one", "other", "task", "label", "metric")
KINDS = {
    "evaluate": Kind(QUALITY, quality.evaluated, quality.evaluate),
    "calibrate": Kind(("embedder", "asked", "bin"), quality.calibrated, quality.calibrate),
    "rating": Kind(("embedder", "task"), quality.rated, quality.rate),
    "sweep": Kind(("index", "queries", "knobs"), speed.swept, speed.sweep),
    "scale": Kind(("index", "count", "knobs", "build"), speed.scaled, speed.scale, THREADS),
    "duplicates": Kind(("table", "name"), quality.twins, quality.twin),
    "choose": Kind(("stack", "part"), quality.advised, quality.advise),
}
