"""What is held until a test lets it go, waits that end, and processes that end with their test."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import Any, AnyStr

import pytest

from retrieval.ui import arrivals

LONGEST = 120.0
"""Seconds after which what is held goes on by itself, and what is waited for has failed."""
ENOUGH = 600.0
"""Seconds of a measuring that ends by itself long before."""


def until(true: Callable[[], object]) -> None:
    """Wait for a condition that nothing tells of."""
    end = time.monotonic() + LONGEST
    while not true():
        assert time.monotonic() < end, "it never comes"
        time.sleep(0.01)


@contextmanager
def ending(process: subprocess.Popen[AnyStr]) -> Iterator[subprocess.Popen[AnyStr]]:
    """A process that is ended with the block, and its pipes too, whatever fails in it."""
    with process:
        try:
            yield process
        finally:
            process.kill()


@dataclass
class Held:
    """Steps that wait.

    Attributes:
        go: set to let all of them go on.
        begun: how many were begun, those that wait among them.
    """

    go: Event = field(default_factory=Event)
    begun: int = 0


@contextmanager
def held(owner: Any, name: str = "step") -> Iterator[Held]:
    """Hold every step of a measuring but the first while the block runs.

    Args:
        owner: the class or module whose function is a step.
        name: of the function.
    """
    hold, step = Held(), getattr(owner, name)

    def waiting(*given: Any) -> Any:
        hold.begun += 1
        if hold.begun > 1:
            hold.go.wait(LONGEST)
        return step(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, waiting)
        try:
            yield hold
        finally:
            hold.go.set()


@contextmanager
def leaving() -> Iterator[Event]:
    """An event that is set once the one measuring of the block is told that nobody listens."""
    left = Event()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrivals, "Event", lambda: left)
        yield left
