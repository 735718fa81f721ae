"""What is compared: a hash within a radius beside an embedding above a threshold."""

from __future__ import annotations

from dataclasses import dataclass

from retrieval.duplicates.finder import Finder, least
from retrieval.duplicates.groups import Case, Group, by_picture, matched
from retrieval.errors import BadQuery
from retrieval.galleries.base import Gallery
from retrieval.types import Metric, Spec

HASH = "phash"
EMBEDDER = "efficientnet-lite2"
RADIUS = 8


@dataclass(frozen=True)
class Way:
    """An embedder and its threshold.

    Attributes:
        spec: the embedder, or hash.
        value: radius in bits, or cosine.
        least: the same as a score.
    """

    spec: Spec
    value: float
    least: float

    @classmethod
    def of(cls, spec: Spec, value: float) -> Way:
        """Checked.

        Raises:
            BadQuery: the value is outside.
        """
        return cls(spec, value, least(spec, value))

    def __str__(self) -> str:
        """In words, such as ``pHash within 8 bits``."""
        if self.spec.metric is Metric.HAMMING:
            return f"{self.spec.title} within {self.value:g} bit{'' if self.value == 1 else 's'}"
        return f"{self.spec.title} from {self.value:.4f}"


@dataclass(frozen=True)
class Ways:
    """The two that are compared.

    Attributes:
        gallery: whose pictures.
        first: the hash.
        second: the embedding.
        equal: its threshold was chosen so that both find as many pairs.
    """

    gallery: Gallery
    first: Way
    second: Way
    equal: bool


@dataclass(frozen=True, eq=False)
class Found:
    """The groups of both.

    Attributes:
        ways: what was compared.
        first: groups by the hash, tightest first.
        second: groups by the embedding.
        pairs: how many pairs each finds.
        rates: the same as shares of all pairs.
    """

    ways: Ways
    first: list[Group]
    second: list[Group]
    pairs: tuple[int, int]
    rates: tuple[float, float]

    @property
    def cases(self) -> list[Case]:
        """Groups beside groups: one that both find, one of each alone, and so on in turns."""
        every = matched(self.first, self.second)
        kinds = ("both", "first", "second")
        turns = [[case for case in every if case.kind == kind] for kind in kinds]
        order = sorted((at, place) for place, some in enumerate(turns) for at in range(len(some)))
        return [turns[place][at] for at, place in order]

    @property
    def pictures(self) -> dict[str, int]:
        """Pictures with a near-duplicate by both, and by one alone."""
        return {str(kind): count for kind, count in by_picture(self.first, self.second).items()}


def ways(
    finder: Finder,
    gallery: Gallery,
    first: Spec,
    second: Spec,
    radius: float,
    threshold: float | None,
) -> Ways:
    """What is compared, checked.

    Args:
        finder: which compares.
        gallery: whose pictures.
        first: the hash.
        second: the embedding.
        radius: Hamming distance in bits.
        threshold: cosine; where none is given the embedding finds as many pairs as the hash.

    Raises:
        LabError: a setting is outside, or of the wrong kind of embedder, or has no vectors.
    """
    for spec, metric in ((first, Metric.HAMMING), (second, Metric.COSINE)):
        if spec.metric is not metric or not spec.reads_images:
            raise BadQuery(
                f"{spec.title} cannot stand here: a hash of pictures is compared with an embedding "
                "of pictures, such as phash with efficientnet-lite2"
            )
    one = Way.of(first, radius)
    equal = threshold is None
    if threshold is None:
        by_first, by_second = finder.both(gallery, first.name, second.name)
        count = by_first.within(one.least)
        if count >= len(by_second.scores):
            by_second = finder.near(gallery, second.name)
        threshold = min(1.0, by_second.level(count))
    return Ways(gallery, one, Way.of(second, threshold), equal)


def found(finder: Finder, asked: Ways) -> Found:
    """The groups of both.

    Raises:
        LabError: a threshold is so loose that too many pairs reach it.
    """
    ways = (asked.first, asked.second)
    finder.both(asked.gallery, ways[0].spec.name, ways[1].spec.name)
    both = [(way, finder.reaching(asked.gallery, way.spec.name, way.least)) for way in ways]
    pairs = [near.within(way.least) for way, near in both]
    rates = [near.rate(way.least) for way, near in both]
    some = [finder.groups(asked.gallery, way.spec.name, way.least) for way, _ in both]
    return Found(asked, some[0], some[1], (pairs[0], pairs[1]), (rates[0], rates[1]))
