"""Ballots: a query and two answers whose panels nobody is told, until the vote is cast."""

from __future__ import annotations

import random
import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock

from retrieval.errors import BadQuery
from retrieval.galleries.base import Gallery
from retrieval.lab import Lab
from retrieval.measure.votes import SHOWN, Choice, Vote
from retrieval.panel import Panel
from retrieval.query import Query

MOST = 500
"""Ballots that are kept, for all who use this server."""


@dataclass(frozen=True)
class Ballot:
    """A query and what two panels show for it.

    Attributes:
        id: by which the vote is cast.
        gallery: whose rows.
        query: a text or a row.
        seed: which drew the query and the order.
        sides: the panels, left and right.
        rows: what each shows, best first.
    """

    id: str
    gallery: Gallery
    query: Query
    seed: int
    sides: tuple[Panel, Panel]
    rows: tuple[tuple[int, ...], tuple[int, ...]]

    def vote(self, choice: Choice, marked: tuple[int, ...] | None) -> Vote:
        """What was said of it.

        Raises:
            BadQuery: it names what was not shown, or nothing.
        """
        return Vote(
            id=self.id,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            gallery=self.gallery.name,
            revision=self.gallery.revision,
            text=self.query.text,
            row=self.query.row,
            seed=self.seed,
            left=str(self.sides[0]),
            right=str(self.sides[1]),
            shown_left=self.rows[0],
            shown_right=self.rows[1],
            choice=choice,
            marked=marked,
        )


class Ballots:
    """Ballots that are open.

    Args:
        lab: which answers the queries.
    """

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._open: OrderedDict[str, Ballot] = OrderedDict()
        self._lock = Lock()

    def draw(self, gallery: Gallery, panels: Sequence[Panel]) -> Ballot:
        """A query at random, asked of two of the panels, in an order at random.

        Raises:
            BadQuery: there are not two different panels, or one cannot answer.
        """
        different = list(dict.fromkeys(panels))
        if len(different) < 2:
            raise BadQuery("a blind vote needs two panels that differ; add one in the search")
        seed = secrets.randbits(32)
        draws = random.Random(seed)
        left, right = draws.sample(different, 2)
        query, own = drawn(draws, self.lab, gallery, (left, right))
        rows = self._answers(gallery, (left, right), query, own)
        ballot = Ballot(secrets.token_urlsafe(12), gallery, query, seed, (left, right), rows)
        with self._lock:
            self._open[ballot.id] = ballot
            while len(self._open) > MOST:
                self._open.popitem(last=False)
        return ballot

    def cast(
        self,
        name: str,
        choice: Choice,
        marked: tuple[int, ...] | None,
        keep: Callable[[Vote], None] | None = None,
    ) -> Vote:
        """Vote with a ballot, which is then closed; one that is refused stays open.

        Args:
            name: of the ballot.
            choice: which side is better.
            marked: rows that are right; none where nobody marked any.
            keep: called with the vote before the ballot is closed.

        Raises:
            LabError: it is not open, what is said does not fit it, or it cannot be kept.
        """
        with self._lock:
            ballot = self._open.get(name)
            if ballot is None:
                raise BadQuery("this pair was voted on already, or is too old; take the next one")
            vote = ballot.vote(choice, marked)
            if keep is not None:
                keep(vote)
            del self._open[name]
        return vote

    def _answers(
        self, gallery: Gallery, sides: tuple[Panel, Panel], query: Query, own: int | None
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        found: dict[int, tuple[int, ...]] = {}
        for result in self.lab.compare(gallery.name, sides, query, SHOWN + 1):
            if result.problem:  # without the panel's name, which nobody is to know
                raise BadQuery(f"one of the panels cannot answer: {result.problem}")
            rows = [hit.row for hit in result.hits if hit.row != own]
            found[result.position] = tuple(rows[:SHOWN])
        return found[0], found[1]


def drawn(
    draws: random.Random, lab: Lab, gallery: Gallery, sides: tuple[Panel, Panel]
) -> tuple[Query, int | None]:
    """A caption of the gallery where both panels read text, else the picture of a row.

    Returns:
        The query, and the row that neither shows: the picture that is asked with, or whose
        caption is asked of a panel that reads captions.
    """
    specs = [lab.spec(each.embedder) for each in sides]
    if gallery.captioned and all(each.reads_text for each in specs):
        captions = gallery.captions(range(len(gallery)))
        row = draws.choice([at for at, words in enumerate(captions) if words.strip()])
        told = not all(each.reads_images for each in specs)
        return Query(text=captions[row][:500]), row if told else None
    row = draws.choice(range(len(gallery)))
    return Query(row=row), row
