"""A LoRA on an embedder's towers, fitted by contrast.

By captions both towers are changed: InfoNCE between pictures and texts in both directions
(arXiv 1807.03748, as CLIP does it: arXiv 2103.00020), rows with the same caption all counting as
right. By labels the picture's tower alone: supervised contrastive (arXiv 2004.11362). It starts
where it changes nothing (LoRA: arXiv 2106.09685). A step's memory is that of a few rows, however
many are contrasted: their gradients are kept at the vectors and taken from there through the towers
a few rows at a time (Gao et al. 2021, arXiv 2101.06983).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from retrieval.embedders import adapter
from retrieval.embedders.adapter import Tensors, Towers
from retrieval.train.projection import contrast
from retrieval.train.through import Done, Given, parts, vectors
from retrieval.types import Rows

if TYPE_CHECKING:
    import torch

MOST_HELD = 1024
"""Rows that are held back to stop by, at most: all are contrasted with each other."""


@dataclass(frozen=True)
class Settings:
    """How a LoRA is fitted.

    Attributes:
        rounds: passes over the rows, at most.
        patience: passes without gain on the rows held back, after which it stops.
        batch: rows that are contrasted with each other.
        part: rows that a tower sees at a time where it learns.
        rate: step of AdamW (Loshchilov and Hutter 2017, arXiv 1711.05101).
        decay: of its matrices, a step.
        rank: of each change.
        alpha: a change's scale is ``alpha / rank``.
        heat: temperature of the contrast.
        held: share of the rows that are held back to stop by.
        seed: of the draws.
    """

    rounds: int = 10
    patience: int = 2
    batch: int = 64
    part: int = 8
    rate: float = 5e-4
    decay: float = 0.01
    rank: int = 8
    alpha: int = 16
    heat: float = 0.05
    held: float = 0.15
    seed: int = 0


def fit(
    towers: Towers, given: Given, rows: Rows, settings: Settings, done: Done | None = None
) -> Tensors:
    """Fit a LoRA; the same seed gives the same on one machine.

    Args:
        towers: what is trained on.
        given: all rows.
        rows: those to fit on.
        settings: how.
        done: told of rows that a pass has seen; may raise to stop.

    Returns:
        Its matrices, the best on the rows held back.

    Raises:
        BadQuery: a tower has no layers that it fits.
    """
    import torch

    draws = np.random.default_rng(settings.seed)
    order = ordered(rows, given, draws)
    count = len(order) - learning(len(order), settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return _Fit(towers, given, settings).run(order[:count], order[count:], draws, done)


def learning(count: int, settings: Settings) -> int:
    """How many of so many rows are not held back."""
    return count - min(max(4, round(settings.held * count)), MOST_HELD)


def ordered(rows: Rows, given: Given, draws: np.random.Generator) -> Rows:
    """Rows in a drawn order; by labels two of one label follow each other while there are two."""
    mixed = draws.permutation(rows)
    if given.tokens is not None:
        return mixed
    mixed = mixed[np.argsort(given.groups[mixed], kind="stable")]
    _, counts = np.unique(given.groups[mixed], return_counts=True)
    pairs = [part for label in np.split(mixed, counts.cumsum()[:-1]) for part in _twos(label)]
    return np.concatenate([pairs[at] for at in draws.permutation(len(pairs))])


def _twos(rows: Rows) -> list[Rows]:
    return [rows[at : at + 2] for at in range(0, len(rows), 2)]


def batches(rows: Rows, size: int) -> list[Rows]:
    """Rows in parts of about one size, none of a single row; even, so that pairs mostly stay."""
    count = max(1, -(-len(rows) // size))
    each = -(-len(rows) // count)
    each += each % 2
    cut = [rows[at : at + each] for at in range(0, len(rows), each)]
    return [part for part in cut if len(part) > 1]


class _Fit:
    """Towers with a LoRA that changes nothing yet."""

    def __init__(self, towers: Towers, given: Given, settings: Settings) -> None:
        self._given, self._settings, self._output = given, settings, towers.output
        self._sides = {
            name: adapter.injected(make(), settings.rank, settings.alpha)
            for name, make in given.sides(towers).items()
        }

    def run(self, held: Rows, rest: Rows, draws: np.random.Generator, done: Done | None) -> Tensors:
        """Pass after pass, until the rows held back gain no more."""
        stepper = self._stepper()
        best, kept, waited = self._held(held), self._taken(), 0
        for _ in range(self._settings.rounds):
            for rows in batches(ordered(rest, self._given, draws), self._settings.batch):
                stepper.zero_grad()
                self._backward(rows)
                stepper.step()
                if done is not None:
                    done(len(rows))
            now = self._held(held)
            if now < best - 1e-5:
                best, kept, waited = now, self._taken(), 0
            elif (waited := waited + 1) > self._settings.patience:
                break
        return kept

    def _stepper(self) -> torch.optim.Optimizer:
        import torch

        every = [each for side in self._sides.values() for each in side.parameters()]
        trained = [each for each in every if each.requires_grad]
        how = self._settings
        return torch.optim.AdamW(trained, lr=how.rate, weight_decay=how.decay)

    def _backward(self, rows: Rows) -> None:
        """Leave the gradients of one batch at the matrices."""
        through = {name: each.requires_grad_() for name, each in self._through(rows).items()}
        self._contrast(through, rows).backward()  # type: ignore[no-untyped-call]
        size = self._settings.part
        for name, side in self._sides.items():
            slope, read = through[name].grad, self._given.side(name)
            assert slope is not None
            for at in range(0, len(rows), size):
                made = vectors(side, self._output, read[rows[at : at + size]])
                made.backward(slope[at : at + size])  # type: ignore[no-untyped-call]

    def _held(self, rows: Rows) -> float:
        """The loss of rows held back, all contrasted with each other."""
        return float(self._contrast(self._through(rows), rows))

    def _through(self, rows: Rows) -> dict[str, torch.Tensor]:
        """Each tower's vectors, (n, d), cut off from how they were made."""
        import torch

        size = self._settings.batch
        return {
            name: torch.cat(list(parts(side, self._output, self._given.side(name), rows, size)))
            for name, side in self._sides.items()
        }

    def _contrast(self, through: dict[str, torch.Tensor], rows: Rows) -> torch.Tensor:
        import torch
        from torch.nn.functional import normalize

        texts = normalize(through["text"], dim=1) if "text" in through else None
        groups = torch.from_numpy(self._given.groups[rows])
        return contrast(through["image"], texts, groups, self._settings.heat)

    def _taken(self) -> Tensors:
        return {
            f"{name}:{key}": each
            for name, side in self._sides.items()
            for key, each in adapter.taken(side).items()
        }
