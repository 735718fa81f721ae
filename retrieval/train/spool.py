"""Pictures as a network reads them, decoded once and kept in a file without a name."""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from retrieval.errors import BadImage
from retrieval.galleries.base import Gallery
from retrieval.runtime import paths, threads
from retrieval.types import Progress

CHUNK = 16
"""Pictures that a worker decodes at a time."""


def spooled(
    gallery: Gallery,
    rows: Sequence[int],
    pixels: Callable[[Image], NDArray[Any]],
    side: int,
    told: Progress | None = None,
) -> NDArray[Any]:
    """The pictures of some rows, (n, ...), on the disk and not in memory.

    The file goes with the array, or with the process, however that ends.

    Args:
        gallery: whose pictures.
        rows: which, one at least.
        pixels: one picture as an array; all of one shape.
        side: the shortest side that it needs.
        told: of pictures done; may raise to stop.

    Raises:
        BadImage: naming the row whose picture cannot be read.
        NotReady: the cache cannot be written, or has no room.
    """
    folder, done = paths.cache(), 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            for part in _parts(gallery, rows, pixels, side):
                file.write(np.ascontiguousarray(part).data)
                done += len(part)
                if told is not None:
                    told("decoding", done, len(rows))
            file.flush()
            return np.memmap(file, part.dtype, "r", shape=(len(rows), *part.shape[1:]))
    except BrokenPipeError:  # nobody reads the progress any more
        raise
    except OSError as error:
        raise paths.unwritable(folder, error) from error


def _parts(
    gallery: Gallery, rows: Sequence[int], pixels: Callable[[Image], NDArray[Any]], side: int
) -> Iterator[NDArray[Any]]:
    """Chunks in order, with as many at work as there are cores and one more."""

    def decoded(part: Sequence[int]) -> NDArray[Any]:
        return np.stack([_one(gallery, row, pixels, side) for row in part])

    workers = threads.cores() + 1
    with ThreadPoolExecutor(workers, "spool") as pool:
        waiting: deque[Future[NDArray[Any]]] = deque()
        try:
            for first in range(0, len(rows), CHUNK):
                if len(waiting) > workers:
                    yield waiting.popleft().result()
                waiting.append(pool.submit(decoded, rows[first : first + CHUNK]))
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:  # stopped or failed: what has not begun need not
                future.cancel()


def _one(
    gallery: Gallery, row: int, pixels: Callable[[Image], NDArray[Any]], side: int
) -> NDArray[Any]:
    try:
        return pixels(gallery.image(row, side or None))
    except BadImage as error:
        raise BadImage(f"row {row} of {gallery.name}: {error}") from error
