"""Results that were shown, kept for a while so that their receipts can be asked for."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from retrieval.errors import BadQuery
from retrieval.galleries.base import Gallery
from retrieval.lab import Lab
from retrieval.measure import receipts
from retrieval.measure.receipts import Receipt
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.types import Result
from retrieval.ui.address import Address
from retrieval.ui.takeaway import told

MOST = 200
"""Results that are kept, for all who use this server."""


@dataclass(frozen=True)
class Shown:
    """One result; its query's picture is told by its hash.

    Attributes:
        address: that asks it again, of the panels that could be asked.
        gallery: whose rows.
        asked: the query, as receipts have it.
        results: one a panel.
        at: when it was shown.
    """

    address: Address
    gallery: Gallery
    asked: Mapping[str, Any]
    results: tuple[Result, ...]
    at: datetime

    @property
    def panels(self) -> list[Panel]:
        """Those that were asked; others are not kept."""
        return [each for each in self.address.panels if isinstance(each, Panel)]


class Kept:
    """The latest results.

    Args:
        lab: which answered them.
    """

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._shown: OrderedDict[str, Shown] = OrderedDict()
        self._lock = Lock()

    def add(
        self, address: Address, gallery: Gallery, query: Query, results: Sequence[Result]
    ) -> str:
        """Keep a result; by what is returned its receipt is found."""
        name = secrets.token_urlsafe(12)
        shown = Shown(address, gallery, receipts.told(query), tuple(results), datetime.now(UTC))
        with self._lock:
            self._shown[name] = shown
            while len(self._shown) > MOST:
                self._shown.popitem(last=False)
        return name

    def receipt(self, name: str) -> Receipt:
        """The receipt of a result, with the link that asks it again.

        Raises:
            BadQuery: it is not kept any more, or never was.
        """
        shown = self._named(name)
        panels, k = shown.panels, shown.address.k
        made = receipts.of(self.lab, shown.gallery, panels, shown.asked, k, shown.results, shown.at)
        return {**made, "link": str(shown.address)}

    def figures(self, name: str) -> dict[str, Any]:
        """A result as a table, a row a picture.

        Raises:
            BadQuery: it is not kept any more, or never was.
        """
        shown = self._named(name)
        specs = [self.lab.spec(each.embedder) for each in shown.panels]
        title = f"Results of {shown.gallery.title}"
        return told(title, [*_rows(shown)], shown.gallery, *specs)

    def _named(self, name: str) -> Shown:
        with self._lock:
            shown = self._shown.get(name)
        if shown is None:
            raise BadQuery("this result is no longer kept; search again for its receipt")
        return shown


def _rows(shown: Shown) -> Iterator[dict[str, Any]]:
    for result in shown.results:
        panel = shown.panels[result.position]
        times = {f"{name}_ms": value for name, value in asdict(result.timings).items()}
        of = {"recall": result.recall, **times, "problem": result.problem or None}
        sources = shown.gallery.sources([hit.row for hit in result.hits])
        for hit, source in zip(result.hits, sources, strict=True):
            yield {"panel": str(panel), **asdict(hit), "source": source, **of}
        if not result.hits:
            yield {"panel": str(panel), **of}
