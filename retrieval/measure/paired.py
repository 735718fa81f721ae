"""One index asked with captions and with pictures: what text, which lies elsewhere, costs more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from retrieval.indexes import INDEXES
from retrieval.measure.sweep import Kind, Point, cheapest
from retrieval.measure.sweeps import Sweep

KINDS: tuple[Kind, ...] = ("picture", "text")


@dataclass(frozen=True)
class Pair:
    """Two sweeps of an index over the same vectors, measured on the same machine.

    Attributes:
        index: its name.
        picture: asked with pictures of the gallery.
        text: asked with its captions.
    """

    index: str
    picture: Sweep
    text: Sweep

    def points(self, kind: Kind) -> tuple[Point, ...]:
        """What was measured with one kind of queries."""
        return self.text.points if kind == "text" else self.picture.points

    def settings(self) -> list[tuple[Point, Point]]:
        """Settings that were asked both ways: with pictures, with captions."""
        return [
            (one, other)
            for one in self.picture.points
            for other in self.text.points
            if one.knobs == other.knobs
        ]

    def default(self) -> tuple[Point, Point] | None:
        """The default setting, both ways; none where it was not measured so."""
        knobs = INDEXES.spec(self.index).knobs
        usual = {each.name: each.default for each in knobs if each.when == "query"}
        return next((both for both in self.settings() if both[0].knobs == usual), None)

    def best(self, kind: Kind, target: float) -> Point | None:
        """The cheapest setting that reaches a recall with one kind; none where none does."""
        return cheapest(self.points(kind), target)

    def times(self, target: float) -> float | None:
        """How many times as long captions take to the same recall; none where one misses it."""
        picture, text = (self.best(kind, target) for kind in KINDS)
        return text.p50 / picture.p50 if picture and text else None

    def told(self, target: float) -> dict[str, Any]:
        """As JSON has it."""
        default = self.default()
        best = {kind: self.best(kind, target) for kind in KINDS}
        return {
            "index": self.index,
            "default": default and dict(zip(KINDS, map(asdict, default), strict=True)),
            "cheapest": {kind: point and asdict(point) for kind, point in best.items()},
            "times": self.times(target),
        }


def pairs(sweeps: Iterable[Sweep]) -> list[Pair]:
    """The indexes that were swept with both kinds on one machine, in the order of the first."""
    kept: dict[tuple[str, str], dict[str, Sweep]] = {}
    for each in sweeps:
        place = kept.setdefault((str(each.key["index"]), each.machine), {})
        place[str(each.key["queries"])] = each
    return [
        Pair(index, found["picture"], found["text"])
        for (index, _), found in kept.items()
        if len(found) == len(KINDS)
    ]
