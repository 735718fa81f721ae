"""How well an embedder finds what belongs together, by exact search over a whole gallery."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import BadQuery
from retrieval.galleries.base import Gallery
from retrieval.lab import Lab
from retrieval.measure import bootstrap
from retrieval.measure.metrics import NAMES, per_query
from retrieval.types import Metric, Rows, Vectors

CHUNK = 256
"""Queries that are ranked at a time."""
Floats = NDArray[np.float64]
Ranked = tuple[NDArray[np.float32], NDArray[np.bool_]]
"""(c, n) scores as they are shown, -inf for a row that is left out; (c, n) which are right."""


@dataclass(frozen=True)
class Task:
    """Queries, and which rows answer them.

    Attributes:
        name: such as "caption to picture (en)".
        rows: (q,) rows that the queries belong to.
        texts: the queries' words; none where the rows' pictures are the queries.
        groups: (n,) a number for each row; rows of one number belong together, -1 to nothing.
    """

    name: str
    rows: Rows
    texts: tuple[str, ...] | None
    groups: Rows


@dataclass(frozen=True)
class Quality:
    """What an embedder reached in a task.

    Attributes:
        embedder: its name.
        task: the task's name.
        values: (q, 6) of each query, in the order of ``metrics.NAMES``.
        low: (6,) lower ends of the 95 % intervals of the means.
        high: (6,) upper ends.
    """

    embedder: str
    task: str
    values: Floats
    low: Floats
    high: Floats

    def rows(self) -> dict[str, dict[str, float]]:
        """Mean and interval by metric."""
        means = self.values.mean(axis=0)
        return {
            name: {"mean": float(mean), "low": float(low), "high": float(high)}
            for name, mean, low, high in zip(NAMES, means, self.low, self.high, strict=True)
        }


def numbered(words: list[str]) -> Rows:
    """Equal words by equal numbers, (n,); -1 for the empty."""
    numbers = {word: at for at, word in enumerate(dict.fromkeys(words)) if word}
    return np.array([numbers.get(word, -1) for word in words], dtype=np.int64)


def by_caption(gallery: Gallery, texts: list[str], name: str) -> Task:
    """Each caption looks for its picture; what has the same English caption is as good.

    Raises:
        BadQuery: no row has a caption.
    """
    groups = numbered(gallery.captions(range(len(gallery))))
    rows = np.array([at for at, text in enumerate(texts) if text and groups[at] >= 0], np.int64)
    if not len(rows):
        raise BadQuery(f"{gallery.name} has no captions to ask with; choose another gallery")
    return Task(name, rows, tuple(texts[row] for row in rows), groups)


def by_label(gallery: Gallery) -> Task:
    """Each picture looks for the others of its label; one that is alone asks nothing.

    Raises:
        BadQuery: no two rows share a label.
    """
    groups = numbered(gallery.labels(range(len(gallery))))
    _, place, counts = np.unique(groups, return_inverse=True, return_counts=True)
    rows = np.flatnonzero((groups >= 0) & (counts[place] > 1))
    if not len(rows):
        raise BadQuery(f"no two pictures of {gallery.name} share a label; choose another gallery")
    moot = "" if groups.any() else ", which all share: any answer is right"
    return Task(f"picture to picture of its label{moot}", rows, None, groups)


def measure(lab: Lab, gallery: Gallery, embedder: str, task: Task) -> Quality:
    """Rank the whole gallery for every query of a task.

    Raises:
        LabError: the embedder cannot read the queries, or is not ready.
    """
    return whole(embedder, task, list(parts(lab, gallery, embedder, task)))


def parts(
    lab: Lab, gallery: Gallery, embedder: str, task: Task, first: int = 0
) -> Iterator[Floats]:
    """The metrics of a task's queries, ``CHUNK`` at a time, each (c, 6).

    Args:
        lab: what is loaded.
        gallery: whose rows.
        embedder: its name.
        task: the queries.
        first: the query to begin with.

    Raises:
        LabError: the embedder cannot read the queries, or is not ready.
    """
    for scores, relevant in ranked(lab, gallery, embedder, task, first):
        yield per_query(scores, relevant)


def ranked(
    lab: Lab, gallery: Gallery, embedder: str, task: Task, first: int = 0
) -> Iterator[Ranked]:
    """What ``parts`` measures: every row's score for each query, and which rows answer it.

    Args:
        lab: what is loaded.
        gallery: whose rows.
        embedder: its name.
        task: the queries.
        first: the query to begin with.

    Raises:
        LabError: the embedder cannot read the queries, or is not ready.
    """
    metric, alone = lab.spec(embedder).metric, task.texts is None
    comparable = _floats(lab.vectors(gallery, embedder), metric)
    for at in range(first, len(task.rows), CHUNK):
        part = slice(at, at + CHUNK)
        asked = _floats(queries(lab, gallery, embedder, task, part), metric)
        yield _chunk(asked, comparable, task, task.rows[part], alone, metric)


def whole(embedder: str, task: Task, values: Sequence[Floats]) -> Quality:
    """What all parts of a task make up."""
    together = np.concatenate(values)
    return Quality(embedder, task.name, together, *bootstrap.interval(together))


def queries(
    lab: Lab, gallery: Gallery, embedder: str, task: Task, part: slice = slice(None)
) -> Vectors:
    """A task's queries, or some of them, in the space of an embedder, (q, width).

    Raises:
        Unsupported: they are texts and it reads none.
    """
    if task.texts is None:
        return lab.vectors(gallery, embedder)[task.rows[part]]
    return lab.texts(embedder, task.texts[part])


def _chunk(
    queries: NDArray[np.float32],
    vectors: NDArray[np.float32],
    task: Task,
    rows: Rows,
    alone: bool,
    metric: Metric,
) -> Ranked:
    scores = queries @ vectors.T
    if metric is Metric.HAMMING:  # as they are shown: the share of equal bits
        scores = (scores / np.float32(vectors.shape[1]) + 1) / 2
    relevant = task.groups[rows][:, None] == task.groups[None, :]
    if alone:  # a picture is no answer to itself
        own = np.arange(len(rows)), rows
        scores[own], relevant[own] = -np.inf, False
    return scores, relevant


def _floats(vectors: Vectors, metric: Metric) -> NDArray[np.float32]:
    """Vectors whose inner product ranks as their metric does."""
    if metric is Metric.COSINE:
        return np.asarray(vectors, np.float32)
    return np.unpackbits(np.asarray(vectors, np.uint8), axis=1).astype(np.float32) * 2 - 1
