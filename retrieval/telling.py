"""Who is told how far a download is, without every function on the way handing it on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, Self

MB = 10**6


class Tell(Protocol):
    """Told of what is being done; may raise to stop it."""

    def __call__(self, said: str, done: int, total: int, unit: str = "") -> None:
        """What is being done, how many are done, of how many, and what is counted."""


_TOLD: ContextVar[Tell | None] = ContextVar("told", default=None)


@contextmanager
def telling(tell: Tell) -> Iterator[None]:
    """Tell this one of every download that the block makes on its thread."""
    token = _TOLD.set(tell)
    try:
        yield
    finally:
        _TOLD.reset(token)


def now(what: str) -> None:
    """Tell whoever is told of downloads what comes instead: they are over."""
    tell = _TOLD.get()
    if tell is not None:
        tell(what, 0, 0)


class Bar:
    """What the hub's client takes for a ``tqdm``; ``update`` passes on what ``Tell`` raises.

    Args:
        desc: name of the file.
        total: its bytes, none where that is not known.
        initial: bytes that an earlier download left.
    """

    def __init__(
        self, *_: Any, desc: str = "", total: int | None = None, initial: int = 0, **__: Any
    ) -> None:
        self.desc = desc.rsplit("/", 1)[-1]
        self.total, self.n = total or 0, initial
        self._tell = _TOLD.get()  # now: the client may update from a thread of its own

    def update(self, n: float | None = 1) -> None:
        """So many bytes more have come."""
        self.n += int(n or 0)
        if self._tell is not None:
            self._tell(f"downloading {self.desc}", self.n // MB, self.total // MB, "MB")

    def set_description(self, desc: str = "", refresh: bool = True) -> None:
        """Another name for what comes."""
        self.desc = desc.rsplit("/", 1)[-1]

    def set_postfix_str(self, s: str = "", refresh: bool = True) -> None:
        """Nothing is drawn."""

    def refresh(self) -> None:
        """Nothing is drawn."""

    def close(self) -> None:
        """Nothing is held."""

    def __enter__(self) -> Self:
        """The bar itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held."""
