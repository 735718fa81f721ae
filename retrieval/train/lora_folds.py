"""What a LoRA is worth on rows that it has not seen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from retrieval.embedders.adapter import Adapter, Tensors, Towers
from retrieval.train.folds import FOLDS, Gain, asked_with, folds
from retrieval.train.lora import Settings, fit, learning
from retrieval.train.projection import Floats
from retrieval.train.through import Done, Given, embedded
from retrieval.types import Progress


class Course:
    """How far a training is: rows that went through the towers, of how many at most.

    Args:
        told: of that; may raise to stop.
        rows: of the gallery.
        settings: of the fits.
    """

    def __init__(self, told: Progress, rows: int, settings: Settings) -> None:
        self._told, self.rows = told, rows
        self.fold = settings.rounds * learning(rows * (FOLDS - 1) // FOLDS, settings)
        self.last = settings.rounds * learning(rows, settings)
        self._done, self._total = 0, FOLDS * (self.fold + rows) + self.last

    @contextmanager
    def part(self, what: str, planned: int) -> Iterator[Done]:
        """One fit, or one pass; what it leaves out counts as never planned."""
        before = self._done

        def done(count: int) -> None:
            self._done += count
            self._total = max(self._total, self._done)  # folds differ in size
            self._told(what, self._done, self._total)

        yield done
        self._total -= planned - (self._done - before)


def cross_validated(
    towers: Towers,
    given: Given,
    before: tuple[Floats, Floats],
    settings: Settings,
    course: Course,
) -> Gain:
    """Fit five times, each time asking with the rows left out.

    Args:
        towers: what is trained on.
        given: all rows.
        before: (n, d) queries of the rows by the parent, and (n, d) its pictures.
        settings: of the fits.
        course: told how far it is.
    """
    alone, old, new = given.tokens is None, [], []
    for number, (seen, asked) in enumerate(folds(given.groups, settings.seed, not alone), 1):
        what = f"fold {number} of {FOLDS}"
        with course.part(what, course.fold) as done:
            tensors = fit(towers, given, seen, settings, done)
        with course.part(what, course.rows) as done:
            fitted = Adapter("fold", settings.rank, settings.alpha, tensors)
            after = embedded(towers, given, fitted, asked, settings.batch, done)
        new.append(asked_with(*after, given.groups, asked, alone))
        old.append(asked_with(before[0][asked], before[1], given.groups, asked, alone))
    return Gain(np.concatenate(old), np.concatenate(new))


def whole(towers: Towers, given: Given, settings: Settings, course: Course) -> Tensors:
    """Fit on all rows."""
    with course.part("fitting on all", course.last) as done:
        return fit(towers, given, np.arange(len(given.groups)), settings, done)
