"""Whose turn it is to measure: one at a time in a process, in slices where strangers ask."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from retrieval.errors import NotReady, Refused
from retrieval.lab import Lab

SLICE = 10.0
"""Seconds of one measuring in public mode."""
LONGEST = 3600.0
"""Seconds of one measuring on one's own machine."""
PATIENCE = 3.0
"""Seconds for which a measuring that was just stopped may take to end."""
_TURN = threading.Lock()


def budget(lab: Lab, seconds: float) -> float:
    """The seconds that a measuring may take.

    Raises:
        Refused: more are asked than strangers may use.
    """
    if lab.public and seconds > SLICE:
        raise Refused(
            f"{seconds:g} seconds are asked; a public lab measures {SLICE:g} at a time, so press "
            "again for more, or run Parallax on your own machine"
        )
    return seconds


@contextmanager
def turn() -> Iterator[None]:
    """Hold the turn while the block runs.

    Raises:
        NotReady: somebody else has it.
    """
    if not _TURN.acquire(timeout=PATIENCE):
        raise NotReady("something else is being measured here; try again once it has ended")
    try:
        yield
    finally:
        _TURN.release()
