"""What hosted embedders share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from PIL.Image import Image

from retrieval.embedders.base import Embedder
from retrieval.errors import BadQuery, BadVectors
from retrieval.hosted.client import Client, Provider
from retrieval.hosted.pictures import jpeg, parts
from retrieval.types import Spec, Vectors

MOST_LETTERS = 4_000
"""Of a text; the rest is neither sent nor paid for."""
MOST_BYTES = 12_000_000
"""Letters of one request."""
QUERY, GALLERY = 20.0, 150.0
"""Seconds of patience with a single thing, for which somebody waits, and with many."""
NOTE = "hosted and paid: embed is a network round trip"


class Hosted(Embedder):
    """Pictures and texts that are sent to a provider. Constructing sends nothing.

    Args:
        spec: its source is the address that is asked.

    Raises:
        NotReady: there is no key, or no safe address.
    """

    provider: ClassVar[Provider]
    path: ClassVar[str]
    most_pictures: ClassVar[int]
    most_texts: ClassVar[int]

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self._client = Client(self.provider, spec.source)

    def _images(self, batch: Sequence[Image]) -> Vectors:
        sent = [jpeg(image) for image in batch]
        return self._all(sent, self.most_pictures, self._pictures_body)

    def _texts(self, batch: Sequence[str]) -> Vectors:
        return self._all([_clean(text) for text in batch], self.most_texts, self._texts_body)

    def _all(
        self, items: list[str], most: int, body: Callable[[Sequence[str]], dict[str, Any]]
    ) -> Vectors:
        patience = QUERY if len(items) == 1 else GALLERY
        rows = [np.empty((0, self.spec.dim), dtype=np.float32)]
        for part in parts(items, most, MOST_BYTES):
            answer = self._client.post(self.path, body(part), patience)
            rows.append(np.asarray(self._sound(answer, len(part)), dtype=np.float32))
        return np.concatenate(rows)

    def _sound(self, answer: Any, count: int) -> Vectors:
        try:
            vectors = np.array(self._vectors(answer), dtype=np.float32)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise BadVectors(
                f"{self.provider.name}'s answer is not of the form that it publishes; "
                "perhaps it has changed: take a newer Parallax"
            ) from error
        return self._checked(vectors, count)  # before parts are joined

    @abstractmethod
    def _pictures_body(self, part: Sequence[str]) -> dict[str, Any]: ...

    @abstractmethod
    def _texts_body(self, part: Sequence[str]) -> dict[str, Any]: ...

    @abstractmethod
    def _vectors(self, answer: Any) -> Sequence[Sequence[float]]:
        """The rows of an answer in the order of what was sent."""


def _clean(text: str) -> str:
    """A text that can be sent: short, no half of a surrogate pair, no NUL, and not empty."""
    clean = text[:MOST_LETTERS].encode("utf-8", "replace").decode("utf-8").replace("\0", " ")
    if not clean.strip():
        raise BadQuery("an empty text has no embedding at a provider; give it some words")
    return clean
