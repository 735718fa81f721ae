"""Measuring that waits after its first result, so that it can surely be stopped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from threading import Event
from typing import Any

import pytest

LONGEST = 60.0
"""Seconds after which it goes on by itself."""


@contextmanager
def held(running: type[Any]) -> Iterator[None]:
    """Hold every step of a measuring but the first while the block runs.

    Args:
        running: whose `step` measures.
    """
    go, calls, step = Event(), count(), running.step

    def waiting(self: Any, *given: Any) -> Any:
        if next(calls):
            go.wait(LONGEST)
        return step(self, *given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "step", waiting)
        try:
            yield
        finally:
            go.set()
