"""Vectors that need not be made again when pictures come and go."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from retrieval.embedders.base import Embedder
from retrieval.errors import Damaged
from retrieval.galleries.base import Gallery
from retrieval.types import Progress, Vectors

FILE = "rows.json"
"""Which row is which picture, beside the vectors."""


class Known:
    """A gallery's vectors by the identity of its pictures.

    Args:
        names: an identity for each row of the gallery; none where rows never change.
        vectors: by identity, from earlier revisions.
    """

    def __init__(self, names: Sequence[str] | None, vectors: dict[str, Vectors]) -> None:
        self._names = names
        self._vectors = vectors

    def embed(
        self, gallery: Gallery, embedder: Embedder, rows: range, progress: Progress | None
    ) -> Vectors:
        """Vectors of some rows, made now for those pictures alone that are new."""
        from retrieval.embedders.gallery import embed

        return self.joined(rows, embed(gallery, embedder, self.new(rows), progress))

    def new(self, rows: range) -> Sequence[int]:
        """Those of some rows whose pictures have no vectors yet."""
        if self._names is None:
            return rows
        return [row for row in rows if self._names[row] not in self._vectors]

    def joined(self, rows: range, made: Vectors) -> Vectors:
        """Vectors of some rows, in their order.

        Args:
            rows: which.
            made: of ``new(rows)``.
        """
        if self._names is None:
            return made
        fresh = dict(zip(self.new(rows), made, strict=True))
        whole: Vectors = np.stack(
            [fresh[row] if row in fresh else self._vectors[self._names[row]] for row in rows]
        )
        return whole

    def save(self, folder: Path) -> None:
        """Write the identities beside the vectors, where there are any."""
        if self._names is not None:
            (folder / FILE).write_text(json.dumps(list(self._names)), "utf-8")


def named(folder: Path) -> list[str]:
    """The identities that ``save`` wrote.

    Raises:
        Damaged: there are none.
    """
    try:
        names: list[str] = json.loads((folder / FILE).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise Damaged(f"{folder / FILE} cannot be read ({error})") from error
    return names


def newest_first(folders: Iterable[Path]) -> list[Path]:
    """Folders by the time of their last change."""
    return sorted(folders, key=lambda each: each.stat().st_mtime_ns, reverse=True)
