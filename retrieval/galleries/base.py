"""What a gallery is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property

from PIL.Image import Image

from retrieval import images
from retrieval.types import Licence
from retrieval.where import Columns, parts


class Gallery(ABC):
    """Pictures by row, with their words. Rows run from 0 to ``len - 1``.

    Attributes:
        name: what people type.
        title: what people read.
        licence: what its pictures allow.
        source: where they come from, a link or a package.
        revision: which pictures: changes whenever a row changes.
        words: which captions, where they change without the pictures.
        left_out: pictures that are no rows, each with its reason.
        about: what its pictures are of, such as faces; empty where that is not declared.
    """

    name: str
    title: str
    licence: Licence
    source: str
    revision: str
    words: str = ""
    left_out: Sequence[str] = ()
    about: str = ""

    def identities(self) -> list[str] | None:
        """A line for each row that changes when its picture does; none where rows never do."""
        return None

    @abstractmethod
    def __len__(self) -> int:
        """How many rows."""

    @abstractmethod
    def encoded(self, row: int) -> bytes:
        """The picture as stored: WebP, JPEG or PNG bytes.

        Raises:
            BadImage: it is gone or cannot be read.
        """

    def image(self, row: int, least: int | None = None) -> Image:
        """The picture, decoded to RGB.

        Args:
            row: which.
            least: the shortest side that is needed; a large JPEG is then decoded scaled.

        Raises:
            BadImage: it is gone or cannot be read.
        """
        return images.decode(self.encoded(row), least)

    @abstractmethod
    def captions(self, rows: Sequence[int]) -> list[str]:
        """One line of words for each row; empty where there are none."""

    @abstractmethod
    def labels(self, rows: Sequence[int]) -> list[str]:
        """The class of each row; empty where there is none."""

    @abstractmethod
    def sources(self, rows: Sequence[int]) -> list[str]:
        """Where each picture came from: a path or a link."""

    def verify(self) -> None:  # noqa: B027 - a folder promises nothing that could be checked
        """Compare every file with what is promised of it.

        Raises:
            Damaged: naming the file that differs.
        """

    def caption(self, row: int) -> str:
        """One line of words for a row."""
        return self.captions([row])[0]

    def label(self, row: int) -> str:
        """The class of a row."""
        return self.labels([row])[0]

    @cached_property
    def columns(self) -> Columns:
        """Values of all rows by name, which filters choose by; ``part`` is dealt at random."""
        rows = range(len(self))
        return {
            "caption": self.captions(rows),
            "label": self.labels(rows),
            "source": self.sources(rows),
            "part": parts(len(self)),
        }

    @cached_property
    def captioned(self) -> bool:
        """Whether any row has a caption."""
        return any(self.captions(range(len(self))))
