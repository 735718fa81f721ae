"""How far something is, on stderr: a bar on a terminal, some lines in a log."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from retrieval.types import Progress

LINES = 20
"""Lines about the progress of one thing, where they go to no terminal."""
CLEAR = "\x1b[K"
"""Ends a line on a terminal: what a longer one left is no part of it."""


@dataclass
class Course:
    """One thing that is being made.

    Attributes:
        first: how many were there when it was first told of, which are no work of now.
        told: the last line about it, in parts of ``LINES``.
        start: seconds, by the monotonic clock.
    """

    first: int
    told: int = -1
    start: float = field(default_factory=lambda: time.monotonic())

    def line(self, what: str, done: int, total: int) -> str:
        """The bar, what a second makes, and the seconds that are left."""
        made = done - self.first
        rate = made / max(time.monotonic() - self.start, 1e-9)
        share = "#" * (30 * done // max(total, 1))
        text = f"{what}  [{share:<30}] {done:,}/{total:,}"
        if made <= 0:
            return f"{text} "
        figure = f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
        return f"{text}  {figure}/s  {(total - done) / rate:,.0f} s left "


def progress() -> Progress:
    """A bar on stderr for each thing, with how many a second and the time left."""
    courses: dict[str, Course] = {}
    lock = threading.Lock()

    def bar(what: str, done: int, total: int) -> None:
        with lock:
            course = courses.setdefault(what, Course(done))
            parts = LINES * done // max(total, 1)
            if sys.stderr.isatty():
                end = "\n" * (done >= total)
                sys.stderr.write(f"\r{course.line(what, done, total)}{CLEAR}{end}")
            elif parts != course.told:  # a log gets a line for each part, not one for each look
                sys.stderr.write(f"{course.line(what, done, total)}\n")
            course.told = parts
            sys.stderr.flush()
            if done >= total:
                courses.pop(what)

    return bar


@contextmanager
def line() -> Iterator[Callable[[str], None]]:
    """A line on stderr that is written over on a terminal; a log gets what it said last."""
    last = ""

    def say(text: str) -> None:
        nonlocal last
        last = text
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{text} {CLEAR}")
            sys.stderr.flush()

    try:
        yield say
    finally:
        if last:
            sys.stderr.write("\n" if sys.stderr.isatty() else f"{last}\n")
