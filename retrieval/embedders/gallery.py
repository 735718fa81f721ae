"""A gallery's vectors, with pictures decoded while the network works."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from PIL.Image import Image

from retrieval.embedders.base import Embedder
from retrieval.errors import BadImage
from retrieval.galleries.base import Gallery
from retrieval.runtime import courtesy, threads
from retrieval.runtime.network import CHUNK
from retrieval.types import Metric, Progress, Vectors


def embed(
    gallery: Gallery, embedder: Embedder, rows: Sequence[int], progress: Progress | None = None
) -> Vectors:
    """Embed some rows of a gallery: pictures, or captions where only texts are read.

    Returns:
        One vector for each of ``rows``, as the embedder gives them.

    Raises:
        BadImage: naming the row whose picture cannot be read.
        BadVectors: the network gave something that is no embedding.
    """
    done: list[Vectors] = []
    count = 0
    for vectors in _parts(gallery, embedder, rows):
        done.append(vectors)
        count += len(vectors)
        if progress is not None:
            progress("embed", count, len(rows))
    joined: Vectors = np.concatenate([_nothing(embedder), *done])
    return joined


def _parts(gallery: Gallery, embedder: Embedder, rows: Sequence[int]) -> Iterator[Vectors]:
    """Chunks in order; a worker decodes and then runs its own, so no core waits for another."""
    workers = threads.cores() + 1
    with ThreadPoolExecutor(workers, "embed", courtesy.give_way) as pool:
        waiting: deque[Future[Vectors]] = deque()
        try:
            for first in range(0, len(rows), CHUNK):
                if len(waiting) > workers:
                    yield waiting.popleft().result()
                part = rows[first : first + CHUNK]
                waiting.append(pool.submit(_embed, gallery, embedder, part))
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:  # stopped or failed: what has not begun need not
                future.cancel()


def _embed(gallery: Gallery, embedder: Embedder, part: Sequence[int]) -> Vectors:
    if not embedder.spec.reads_images:
        return embedder.texts(gallery.captions(part))
    side = embedder.spec.side or None
    return embedder.images([_image(gallery, row, side) for row in part])


def _image(gallery: Gallery, row: int, side: int | None) -> Image:
    try:
        return gallery.image(row, side)
    except BadImage as error:
        raise BadImage(f"row {row} of {gallery.name}: {error}") from error


def _nothing(embedder: Embedder) -> Vectors:
    spec = embedder.spec
    if spec.metric is Metric.HAMMING:
        return np.empty((0, spec.dim // 8), dtype=np.uint8)
    return np.empty((0, spec.dim), dtype=np.float32)
