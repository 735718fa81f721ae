"""Which rows may answer: ``label=owl``, ``label=owl|crow``, ``part<10``; and those rows.

Of a column that has several texts a row, such as ``labels``, one that is wanted is enough.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Self, TypeAlias, cast, get_args
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import BadQuery
from retrieval.types import Rows


class Several(tuple[tuple[str, ...], ...]):
    """The texts of each row, each once; a row without any has the empty one."""

    __slots__ = ()

    @classmethod
    def of(cls, rows: Iterable[Iterable[str]]) -> Self:
        """From lists of any length, by row."""
        return cls(tuple(dict.fromkeys(each)) or ("",) for each in rows)

    def part(self, start: int, stop: int) -> Self:
        """Some rows in a sequence."""
        return type(self)(self[start:stop])

    @property
    def most(self) -> int:
        """Texts of the row that has the most, 1 at least."""
        return max(map(len, self), default=1)


Column: TypeAlias = Sequence[str] | NDArray[np.int64] | Several
"""What each row has: a text, a whole number, or several texts."""
Columns: TypeAlias = Mapping[str, Column]
"""A gallery's columns by name."""
Sign: TypeAlias = Literal["=", "<", "<=", ">", ">="]
SIGNS: dict[Sign, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
LONGEST = 500
"""Characters of a filter that are read."""
PARTS = 1000
"""Parts of equal size that the column ``part`` deals a gallery's rows into, at random."""
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
FORM = re.compile(rf"\s*({NAME.pattern})\s*(<=|>=|<|>|=)(.*)", re.DOTALL)
WHOLE = re.compile(r"-?[0-9]{1,9}")
EXAMPLE = "a filter is written label=owl, label=owl|crow or part<10"


@dataclass(frozen=True, slots=True)
class Where:
    """One column and what its values must be.

    Attributes:
        column: a gallery's column.
        sign: ``=`` for any of some values, else how a number compares with the one bound.
        values: texts as the column has them; the bound, for the other signs.

    Raises:
        BadQuery: the column is no name, there are no values, a bound is no number.
    """

    column: str
    sign: Sign
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        _check(self)

    @classmethod
    def parse(cls, text: object) -> Where:
        """Read a filter; ``%7C`` in a value is a bar, ``%25`` a percent sign.

        Raises:
            BadQuery: it has another form, or is longer than 500 characters.
        """
        found = FORM.fullmatch(text) if isinstance(text, str) and len(text) <= LONGEST else None
        if found is None:
            raise BadQuery(f"{EXAMPLE}, not {text!r:.80}")
        column, sign, rest = found[1], cast(Sign, found[2]), found[3]
        if sign == "=":
            return cls(column, sign, tuple(dict.fromkeys(map(unquote, rest.split("|")))))
        return cls(column, sign, (rest.strip(),))

    def __str__(self) -> str:
        """The text that ``parse`` reads."""
        safe = (each.replace("%", "%25").replace("|", "%7C") for each in self.values)
        return f"{self.column}{self.sign}{'|'.join(safe)}"

    @property
    def bound(self) -> int:
        """The number of a filter that compares."""
        return int(self.values[0])

    def wanted(self, column: Column) -> list[str] | list[int]:
        """The values of ``=`` as a column's own, for engines that compare: numbers or texts."""
        if not isinstance(column, np.ndarray):
            return list(self.values)
        whole = (each for each in self.values if WHOLE.fullmatch(each))
        return [number for each in whole if str(number := int(each)) == each]

    def allows(self, columns: Columns) -> NDArray[np.bool_]:
        """Whether each row has what is wanted, (n,); one of several texts is enough.

        Raises:
            BadQuery: there is no such column, or it holds texts where numbers are compared.
        """
        if self.column not in columns:
            known = ", ".join(sorted(columns)) or "none"
            raise BadQuery(f"there is no column {self.column!r} to filter by; there are: {known}")
        column = columns[self.column]
        if self.sign == "=":
            wanted = set(self.values)
            if isinstance(column, Several):
                met = (not wanted.isdisjoint(each) for each in column)
                return np.fromiter(met, np.bool_, len(column))
            given = map(str, column.tolist()) if isinstance(column, np.ndarray) else column
            return np.fromiter((each in wanted for each in given), np.bool_, len(column))
        if not isinstance(column, np.ndarray):
            raise BadQuery(f"{self.column} holds words; write {self.column}=one|other, not {self}")
        return np.asarray(SIGNS[self.sign](column, self.bound), np.bool_)


def _check(where: Where) -> None:
    if where.sign not in get_args(Sign) or not where.values or not NAME.fullmatch(where.column):
        raise BadQuery(f"{EXAMPLE}, not {where!r:.80}")
    for value in where.values:
        if any(char == "\0" or "\ud800" <= char <= "\udfff" for char in value):
            raise BadQuery(
                f"{where.column} is compared with a sign that no text has; type it again"
            )
    if where.sign != "=":
        _number(where)


def _number(where: Where) -> None:
    (value,) = where.values if len(where.values) == 1 else ("",)
    if not WHOLE.fullmatch(value):
        raise BadQuery(
            f"{where.column} is compared with {value[:80]!r}; it must be a whole number of at "
            "most 9 digits"
        )


@dataclass(frozen=True, eq=False)
class Allowed:
    """The rows of a gallery that a filter allows.

    Attributes:
        where: the filter.
        mask: whether each row is allowed, (n,).
        rows: those that are, (m,) ascending.
    """

    where: Where
    mask: NDArray[np.bool_]
    rows: Rows = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", np.flatnonzero(self.mask))

    @classmethod
    def of(cls, where: Where, columns: Columns) -> Allowed:
        """The rows that a filter allows by some columns.

        Raises:
            BadQuery: the filter does not fit them.
        """
        return cls(where, where.allows(columns))

    @property
    def share(self) -> float:
        """Allowed rows of all rows, from 0 to 1."""
        return len(self.rows) / max(1, len(self.mask))

    @cached_property
    def listed(self) -> list[bool]:
        """The mask for engines that ask for one row at a time."""
        found: list[bool] = self.mask.tolist()
        return found

    def few(self, k: int) -> int:
        """How many of k can be found."""
        return min(k, len(self.rows))


def value(column: Column, row: int) -> str | int | list[str]:
    """What a row has in a column, as JSON has it."""
    found = column[row]
    if isinstance(found, tuple):
        return list(found)
    return found if isinstance(found, str) else int(found)


def cut(column: Column, start: int, stop: int) -> Column:
    """Some rows of a column in a sequence."""
    return column.part(start, stop) if isinstance(column, Several) else column[start:stop]


def parts(count: int) -> NDArray[np.int64]:
    """A part from 0 to 999 for each of ``count`` rows, dealt at random but always alike.

    ``part<N`` so allows N thousandths of any gallery, whatever its order.
    """
    dealt = np.random.default_rng(0).permutation(count).astype(np.int64)
    return dealt * PARTS // max(1, count)
