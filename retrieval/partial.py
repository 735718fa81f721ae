"""Vectors that are being made: pieces of a gallery on the disk, until all are there."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from retrieval import manifest
from retrieval.errors import Damaged
from retrieval.known import Known
from retrieval.types import Progress, Vectors

Ahead = Callable[[Sequence[Sequence[int]]], Generator[tuple[int, Vectors]]]
"""Embeds pieces of rows elsewhere: each piece's number with its vectors, as they are done."""


class Partial:
    """Pieces of a gallery's vectors; a killed process leaves those that were finished.

    Args:
        folder: where they are.
        count: rows of the gallery.
        size: rows of a piece.
    """

    def __init__(self, folder: Path, count: int, size: int) -> None:
        self._folder = folder
        self.count = count
        self.pieces = [range(start, min(start + size, count)) for start in range(0, count, size)]

    def sound(self, rows: range) -> bool:
        """Whether a piece is there and unharmed."""
        try:
            return bool(manifest.check(self._place(rows))["key"] == _key(rows))
        except Damaged:
            return False

    def keep(self, rows: range, make: Callable[[], Vectors]) -> None:
        """Make a piece and write it, wholly or not at all."""
        start = time.perf_counter()
        made = make()  # what fails here is no trouble with the disk
        spent = time.perf_counter() - start
        with manifest.publish(self._place(rows), _key(rows), spent) as beside:
            np.save(beside / "chunk.npy", made)

    def read(self, rows: range) -> Vectors:
        """A piece that is there."""
        chunk: Vectors = np.load(self._place(rows) / "chunk.npy", allow_pickle=False)
        return chunk

    def fill(self, known: Known, ahead: Ahead, progress: Progress | None, name: str) -> None:
        """Write the pieces that are made elsewhere; those on the disk are not asked for.

        Args:
            known: what need not be made.
            ahead: makes the rest, or some of it.
            progress: told of rows done.
            name: of the gallery.
        """
        left = [rows for rows in self.pieces if not self.sound(rows) and known.new(rows)]
        done = self.count - sum(map(len, left))
        with closing(ahead([known.new(rows) for rows in left])) as coming:
            for number, made in coming if left else ():
                rows = left[number]
                self.keep(rows, partial(known.joined, rows, made))
                done += len(rows)
                if progress is not None:
                    progress(f"embedding {name} elsewhere", done, self.count)

    def drop(self) -> None:
        """Remove all pieces."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _place(self, rows: range) -> Path:
        return self._folder / f"{rows.start:09}"


def _key(rows: range) -> dict[str, Any]:
    return {"rows": [rows.start, rows.stop]}
