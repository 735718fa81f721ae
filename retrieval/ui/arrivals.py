"""Results as they come, without waiting for the next one."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TypeVar

from retrieval.shelf import LEFT

NAME = "arrivals"
"""What the thread that reads is called."""
T = TypeVar("T")
Box = SimpleQueue[T | BaseException | None]


def batches(results: Iterator[T], every: float) -> Generator[list[T]]:
    """What has arrived since the last look, and at once when all has.

    Closing it leaves nothing behind: the reader ends with the next result, and closes the
    results; who waits on its behalf for what others make is told by ``LEFT``.

    Args:
        results: that may take long.
        every: seconds between two looks; a look that found nothing gives an empty list.

    Raises:
        BaseException: whatever the results raise.
    """
    box: Box[T] = SimpleQueue()
    left = Event()
    Thread(target=_read, args=(results, box, left), name=NAME, daemon=True).start()
    try:
        ended = False
        while not ended:
            batch, ended = _batch(box, time.monotonic() + every)
            yield batch
    finally:
        left.set()


def _batch(box: Box[T], until: float) -> tuple[list[T], bool]:
    batch: list[T] = []
    while (rest := until - time.monotonic()) > 0:
        try:
            item = box.get(timeout=rest)
        except Empty:
            break
        if item is None:
            return batch, True
        if isinstance(item, BaseException):
            raise item
        batch.append(item)
    return batch, False


def _read(results: Iterator[T], box: Box[T], left: Event) -> None:
    LEFT.set(left.is_set)
    try:
        for result in results:
            if left.is_set():
                break
            box.put(result)
        box.put(None)
    except BaseException as error:  # it is raised where the results are waited for
        box.put(error)
    finally:
        if isinstance(results, Generator):
            results.close()
