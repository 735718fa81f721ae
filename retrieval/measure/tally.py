"""What votes come to: judgements, nDCG of each panel, and how often one beats another."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from retrieval.measure import bootstrap
from retrieval.measure.metrics import CUT, SHOWN, shown
from retrieval.measure.votes import Vote

NDCG = SHOWN.index("nDCG@10")
Judged = dict[str, dict[int, bool]]
"""Whether a row is right, by query and row."""


@dataclass(frozen=True)
class Contest:
    """Two panels that were voted on.

    Attributes:
        one: a panel.
        other: another.
        won: votes for the one.
        lost: votes for the other.
        ties: votes for neither.
    """

    one: str
    other: str
    won: int
    lost: int
    ties: int

    @property
    def rate(self) -> float | None:
        """The one's share of the votes that chose; none where none did."""
        return self.won / (self.won + self.lost) if self.won + self.lost else None

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval (Wilson)."""
        return bootstrap.wilson(self.won, self.won + self.lost)


@dataclass(frozen=True)
class Gain:
    """What a panel's pictures are worth by the judgements.

    Attributes:
        panel: which.
        queries: that have a right picture among all that was judged.
        ndcg: mean nDCG@10 over them.
        low: lower end of its 95 % interval.
        high: upper end.
    """

    panel: str
    queries: int
    ndcg: float
    low: float
    high: float


def contests(votes: Sequence[Vote]) -> list[Contest]:
    """Every two panels between which somebody chose."""
    counts: dict[tuple[str, str], list[int]] = {}
    for each in votes:
        if not each.choice:
            continue
        one, other = sorted((each.left, each.right))
        place = {one: 0, other: 1}.get(each.winner, 2)
        counts.setdefault((one, other), [0, 0, 0])[place] += 1
    return [Contest(one, other, *found) for (one, other), found in sorted(counts.items())]


def judged(votes: Sequence[Vote]) -> Judged:
    """Whether each row that was shown is right, where pictures were marked.

    A row that several judged is right where half of them say so.
    """
    said: dict[str, dict[int, list[bool]]] = {}
    for each in votes:
        if each.marked is not None:
            for row in each.seen:
                said.setdefault(each.query, {}).setdefault(row, []).append(row in each.marked)
    return {
        query: {row: 2 * sum(words) >= len(words) for row, words in rows.items()}
        for query, rows in said.items()
    }


def runs(votes: Sequence[Vote]) -> dict[str, dict[str, tuple[int, ...]]]:
    """What each panel last showed for each query that was judged, by panel and query."""
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for each in votes:
        if each.marked is not None:
            for panel, rows in ((each.left, each.shown_left), (each.right, each.shown_right)):
                found.setdefault(panel, {})[each.query] = rows
    return found


def gains(votes: Sequence[Vote]) -> list[Gain]:
    """NDCG@10 of each panel over the queries that have a right picture, the best first.

    Its ideal is every picture that was judged right for the query, whoever showed it.
    """
    known = judged(votes)
    found = [
        gain
        for panel, shown_ in runs(votes).items()
        if (gain := _gain(panel, shown_, known)) is not None
    ]
    return sorted(found, key=lambda each: -each.ndcg)


def _gain(panel: str, run: Mapping[str, Sequence[int]], known: Judged) -> Gain | None:
    able = [query for query in run if any(known[query].values())]
    if not able:
        return None
    right = np.zeros((len(able), CUT), dtype=bool)
    for at, query in enumerate(able):
        right[at, : len(run[query])] = [known[query][row] for row in run[query]]
    wanted = np.array([sum(known[query].values()) for query in able], dtype=np.int64)
    values = shown(right, wanted)[:, [NDCG]]
    low, high = bootstrap.interval(values)
    return Gain(panel, len(able), float(values.mean()), float(low[0]), float(high[0]))


def qrels(votes: Sequence[Vote]) -> str:
    """The judgements as TREC has them: query, 0, row, 1 or 0, a line each."""
    return "".join(f"{query} 0 {row} {int(right)}\n" for query, row, right in _judged(votes))


def as_csv(votes: Sequence[Vote]) -> str:
    """The judgements with the queries' words."""
    texts = {each.query: each.text or "" for each in votes}
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["query", "text", "row", "relevant"])
    for query, row, right in _judged(votes):
        writer.writerow([query, _plain(texts[query]), row, int(right)])
    return out.getvalue()


def _plain(text: str) -> str:
    """Words that a spreadsheet takes for no formula."""
    return f"'{text}" if text[:1] in "=+-@\t\r" and text else text


def _judged(votes: Sequence[Vote]) -> Iterator[tuple[str, int, bool]]:
    for query, rows in sorted(judged(votes).items()):
        for row, right in sorted(rows.items()):
            yield query, row, right
