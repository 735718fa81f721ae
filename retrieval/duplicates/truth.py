"""Pairs that were picked by looking: near-duplicates, and look-alikes that are none."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.duplicates.pairs import DECIMALS
from retrieval.errors import Damaged
from retrieval.galleries.base import Gallery
from retrieval.indexes.products import words
from retrieval.measure.bootstrap import LEVEL, ROUNDS, alike
from retrieval.types import Metric, Rows, Vectors

COLUMNS = ("kind", "difference", "one", "other", "gallery_revision")
KINDS = ("near-duplicate", "look-alike")
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Truth:
    """Pairs of a gallery.

    Attributes:
        rows: (m, 2) rows.
        same: (m,) whether they are near-duplicates.
        differences: what differs, in one or two words.
    """

    rows: Rows
    same: NDArray[np.bool_]
    differences: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Rated:
    """How well a way tells near-duplicates from look-alikes.

    Attributes:
        scores: (m,) similarity of each pair.
        same: (m,) whether they are near-duplicates.
        auc: area under the ROC curve, a tie counting half (Mann and Whitney 1947).
        low: lower end of its 95 % interval.
        high: upper end.
        precision: average precision.
    """

    scores: Floats
    same: NDArray[np.bool_]
    auc: float
    low: float
    high: float
    precision: float

    def at(self, least: float) -> tuple[float, float]:
        """Shares of the near-duplicates and of the look-alikes that reach a score."""
        found = self.scores >= least - 5e-7
        return float(found[self.same].mean()), float(found[~self.same].mean())

    def curve(self) -> list[tuple[float, float]]:
        """The ROC curve: look-alikes and near-duplicates found, from (0, 0) to (1, 1)."""
        levels = sorted(set(self.scores.tolist()), reverse=True)
        return [(0.0, 0.0), *((self.at(level)[1], self.at(level)[0]) for level in levels)]


def read(data: Path, gallery: Gallery) -> Truth | None:
    """The pairs of a gallery; none where nobody has looked.

    Raises:
        Damaged: the file names what the gallery does not have, or is of another revision.
    """
    path = data / "duplicates" / f"{gallery.name}.csv"
    if not path.is_file():
        return None
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    home = {source: row for row, source in enumerate(gallery.sources(range(len(gallery))))}
    for number, line in enumerate(lines, 2):
        _check(f"{path.name}, line {number}", line, home, gallery.revision)
    if {line["kind"] for line in lines} != set(KINDS):
        raise Damaged(f"{path.name} must hold both kinds, {' and '.join(KINDS)}; restore the file")
    return Truth(
        np.array([(home[line["one"]], home[line["other"]]) for line in lines], np.int64),
        np.array([line["kind"] == KINDS[0] for line in lines]),
        tuple(line["difference"] for line in lines),
    )


def _check(place: str, line: dict[str, str], home: dict[str, int], revision: str) -> None:
    if tuple(line) != COLUMNS or None in line.values() or line["kind"] not in KINDS:
        raise Damaged(f"{place}: its columns must be {', '.join(COLUMNS)}; restore the file")
    if not line["gallery_revision"] or not revision.startswith(line["gallery_revision"]):
        raise Damaged(
            f"{place}: picked over revision {line['gallery_revision'][:12]}, and the gallery is "
            f"{revision[:12]}; look at the pairs again, or restore the gallery"
        )
    for source in (line["one"], line["other"]):
        if source not in home:
            raise Damaged(f"{place}: the gallery has no {source[-80:]}; restore the file")


def rate(vectors: Vectors, metric: Metric, truth: Truth) -> Rated:
    """Compare each pair, and the two kinds with each other."""
    scores = similarities(vectors[truth.rows[:, 0]], vectors[truth.rows[:, 1]], metric)
    wins = _wins(scores[truth.same], scores[~truth.same])
    low, high = _interval(wins)
    return Rated(scores, truth.same, float(wins.mean()), low, high, _precision(scores, truth.same))


def similarities(one: Vectors, other: Vectors, metric: Metric) -> Floats:
    """Of each row with the row beside it, (n,): cosine, or share of equal bits."""
    if metric is Metric.COSINE:
        cosines: Floats = np.round(np.vecdot(one, other).astype(np.float64), DECIMALS)
        return cosines
    differ = np.bitwise_count(words(one) ^ words(other)).sum(axis=1)
    shares: Floats = 1 - differ / (8 * one.shape[1])
    return shares


def _wins(same: Floats, other: Floats) -> Floats:
    """Whether each near-duplicate is above each look-alike, (p, n); a tie is a half."""
    above: Floats = (same[:, None] > other[None, :]).astype(np.float64)
    ties: Floats = (same[:, None] == other[None, :]).astype(np.float64)
    wins: Floats = above + 0.5 * ties
    return wins


def _interval(wins: Floats, seed: int = 0) -> tuple[float, float]:
    """Of the mean, with near-duplicates and look-alikes drawn anew apart.

    Where all are won, that of as many apart from each other as the fewer of both are.
    """
    if (wins == wins[0, 0]).all():
        return alike(float(wins[0, 0]), min(wins.shape))
    draws = np.random.default_rng(seed)
    weights = [draws.multinomial(n, np.full(n, 1 / n), ROUNDS) / n for n in wins.shape]
    means = np.einsum("rp,pn,rn->r", weights[0], wins, weights[1], optimize=True)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def _precision(scores: Floats, same: NDArray[np.bool_]) -> float:
    """Average precision; pairs of one score are taken together (Manning et al. 2008, 8.4)."""
    total, before = 0.0, 0
    for level in sorted(set(scores.tolist()), reverse=True):
        found = scores >= level
        hits = int((found & same).sum())
        total += (hits - before) * hits / int(found.sum())
        before = hits
    return total / max(1, before)
