"""Rows for PostgreSQL's binary COPY, their columns, conditions on these. Holds no ``SPECS``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.types import Vectors
from retrieval.where import Column, Columns, Several, Where, cut

HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END = b"\xff\xff"
BATCH = 1 << 24
"""Bytes that are handed to COPY at once."""
TEXT = 25
"""PostgreSQL's number of the type text."""
KEPT = "kept_"
"""Before the name of a gallery's column."""


class Packed(bytes):
    """A vector as PostgreSQL sends it: its width, two bytes of nothing, big-endian floats."""


@dataclass(frozen=True)
class Only:
    """A filter as PostgreSQL takes it.

    Attributes:
        where: the filter.
        value: its parameter: the bound, or a list of values.
        few: whether to compare all rows that are allowed, without the vectors' index.
        several: whether a row has several texts, of which one is enough.
    """

    where: Where
    value: object
    few: bool
    several: bool = False

    def source(self, table: str) -> str:
        """A table and the condition on its rows."""
        equal = "&& %s::text[]" if self.several else "= ANY(%s)"
        operand = equal if self.where.sign == "=" else f"{self.where.sign} %s"
        return f'{table} WHERE "{KEPT}{self.where.column}" {operand}'


def pack(vector: Vectors) -> Packed:
    """One vector, (dim,), as PostgreSQL sends it."""
    return Packed(len(vector).to_bytes(2, "big") + bytes(2) + vector.astype(">f4").tobytes())


def copied(vectors: Vectors, columns: Columns, first: int = 0) -> Iterator[bytes]:
    """The parts of a binary COPY of rows, numbered from ``first`` on, vectors and columns."""
    width = vectors.shape[1]
    head = [("fields", ">i2"), ("four", ">i4"), ("id", ">i4"), ("size", ">i4")]
    layout = np.dtype([*head, ("width", ">i2"), ("none", ">i2"), ("v", ">f4", (width,))])
    step = max(1, BATCH // layout.itemsize)
    yield HEAD
    for start in range(0, len(vectors), step):
        part = vectors[start : start + step]
        lines: NDArray[Any] = np.zeros(len(part), layout)
        lines["fields"], lines["four"], lines["size"] = 2 + len(columns), 4, 4 + 4 * width
        lines["id"] = np.arange(first + start, first + start + len(part))
        lines["width"], lines["v"] = width, part
        yield beside(lines, [values(cut(each, start, start + step)) for each in columns.values()])
    yield END


def beside(lines: NDArray[Any], columns: Sequence[Sequence[bytes]]) -> bytes:
    """Lines, each with its values behind it."""
    if not columns:
        return lines.tobytes()
    rows = zip(*columns, strict=True)
    return b"".join(line.tobytes() + b"".join(row) for line, row in zip(lines, rows, strict=True))


def values(column: Column) -> list[bytes]:
    """Values as COPY reads them, each behind its length."""
    if isinstance(column, np.ndarray):
        data = column.astype(">i8").tobytes()  # an element alone would turn to our own order
        return [b"\0\0\0\x08" + data[at : at + 8] for at in range(0, len(data), 8)]
    if isinstance(column, Several):
        return [sized(array(each)) for each in column]
    return [sized(told(each)) for each in column]


def array(texts: Sequence[str]) -> bytes:
    """Texts as PostgreSQL sends a text[]: dimensions, no nulls, type, length, first subscript."""
    head = (1, 0, TEXT, len(texts), 1)
    return b"".join(each.to_bytes(4, "big") for each in head) + b"".join(
        sized(told(each)) for each in texts
    )


def told(text: str) -> bytes:
    """A text as a database in UTF-8 takes it."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace")


def sized(data: bytes) -> bytes:
    """A value behind its length."""
    return len(data).to_bytes(4, "big") + data


def declared(columns: Columns) -> str:
    """The columns as CREATE TABLE has them, each behind a comma."""
    return "".join(f', "{KEPT}{name}" {kind(each)}' for name, each in columns.items())


def kind(column: Column) -> str:
    """The type of a column."""
    if isinstance(column, Several):
        return "text[]"
    return "int8" if isinstance(column, np.ndarray) else "text"


def indexed(columns: Columns) -> list[str]:
    """The columns' indexes as CREATE INDEX has them; a text may be longer than a tree takes.

    Several texts a row have none: PostgreSQL's index of an array refuses long ones.
    """
    return [
        f'USING {"btree" if isinstance(each, np.ndarray) else "hash"} ("{KEPT}{name}")'
        for name, each in columns.items()
        if not isinstance(each, Several)
    ]
