"""Groups of near-duplicates, by complete link: in a group, every two pictures are near.

Being near is not transitive. Connected components would join a crow to a raven to a plane by
small steps, and whoever deletes all but one of such a group loses pictures that were like
nothing else in it. Pairs are taken best first, and two groups become one where every pair across
them is near too (agglomerative, complete linkage: Defays 1977).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from retrieval.duplicates.pairs import Near

Group = tuple[int, ...]
Kind = Literal["both", "first", "second"]


@dataclass(frozen=True)
class Case:
    """A group by one way beside the group by another that shares most pictures with it.

    Attributes:
        first: rows by the first way, ascending; none where it finds nothing here.
        second: rows by the second.
    """

    first: Group
    second: Group

    @property
    def kind(self) -> Kind:
        """Which of them finds a group here."""
        return "second" if not self.first else "both" if self.second else "first"

    def of(self, row: int) -> Kind:
        """Which of them has a row in its group."""
        if row in self.first:
            return "both" if row in self.second else "first"
        return "second"


def groups(near: Near, least: float) -> list[Group]:
    """Groups in which every two pictures reach a score, the tightest first.

    Raises:
        BadQuery: too many pairs do.
    """
    pairs = near.rows[: near.within(least)].tolist()
    links: dict[int, Counter[int]] = {}
    for one, other in pairs:
        links.setdefault(one, Counter())[other] = 1
        links.setdefault(other, Counter())[one] = 1
    members: dict[int, list[int]] = {row: [row] for row in links}
    home = {row: row for row in links}
    for one, other in pairs:
        keep, gone = home[one], home[other]
        if keep == gone or links[keep][gone] < len(members[keep]) * len(members[gone]):
            continue
        if len(members[keep]) < len(members[gone]):
            keep, gone = gone, keep
        _merge(keep, gone, links, members)
        for row in members[keep][-len(members.pop(gone)) :]:
            home[row] = keep
    firsts = {home[one]: None for one, _ in pairs}  # in the order of their best pairs
    return [tuple(sorted(members[at])) for at in firsts if len(members[at]) > 1]


def _merge(
    keep: int, gone: int, links: dict[int, Counter[int]], members: dict[int, list[int]]
) -> None:
    """Put one group into another; links count the near pairs across two groups."""
    members[keep].extend(members[gone])
    for other, count in links.pop(gone).items():
        del links[other][gone]
        if other != keep:
            links[keep][other] += count
            links[other][keep] += count


def matched(first: Sequence[Group], second: Sequence[Group]) -> list[Case]:
    """Each group once, beside the free group of the other way that shares most pictures with it."""
    home = {row: at for at, group in enumerate(second) for row in group}
    shared: Counter[tuple[int, int]] = Counter()
    for at, group in enumerate(first):
        shared.update((at, home[row]) for row in group if row in home)
    partner: dict[int, int] = {}
    for (one, other), _ in sorted(shared.items(), key=lambda item: (-item[1], item[0])):
        if one not in partner and other not in partner.values():
            partner[one] = other
    taken = set(partner.values())
    return [
        *(
            Case(group, second[partner[at]] if at in partner else ())
            for at, group in enumerate(first)
        ),
        *(Case((), group) for at, group in enumerate(second) if at not in taken),
    ]


def by_picture(first: Sequence[Group], second: Sequence[Group]) -> dict[Kind, int]:
    """How many pictures have a near-duplicate by both ways, and by one alone."""
    one, other = ({row for group in some for row in group} for some in (first, second))
    return {"both": len(one & other), "first": len(one - other), "second": len(other - one)}
