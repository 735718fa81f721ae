"""A linear projection of frozen vectors, fitted by contrast.

By captions: InfoNCE between pictures and texts (van den Oord et al. 2018, arXiv 1807.03748; as CLIP
does it, arXiv 2103.00020), rows with the same caption all counting as right. By labels: supervised
contrastive (Khosla et al. 2020, arXiv 2004.11362). The projection starts where it changes nothing,
or least, and is pulled back there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retrieval.embedders.base import unit
from retrieval.types import Rows

if TYPE_CHECKING:
    import torch

Floats = NDArray[np.float32]
WIDEST = 384
"""Dimensions of a projection by labels, at most."""


@dataclass(frozen=True)
class Settings:
    """How a projection is fitted.

    Attributes:
        rounds: passes over the rows, at most.
        patience: passes without gain on the rows held back, after which it stops.
        batch: rows that are contrasted with each other.
        rate: step of Adam (Kingma and Ba 2014, arXiv 1412.6980).
        pull: strength by which the projection is held where it started.
        heat: temperature of the contrast.
        held: share of the rows that are held back to stop by.
        seed: of the draws.
    """

    rounds: int = 60
    patience: int = 6
    batch: int = 512
    rate: float = 1e-3
    pull: float = 1e-3
    heat: float = 0.05
    held: float = 0.15
    seed: int = 0


def started(vectors: Floats, texts: Floats | None) -> Floats:
    """The projection before the first step, (d, e).

    Args:
        vectors: (n, d) rows of length 1.
        texts: (n, e) rows of length 1; none where labels are contrasted.
    """
    width = vectors.shape[1]
    if texts is None:
        if width <= WIDEST:
            return np.eye(width, dtype=np.float32)
        _, _, axes = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
        return np.asarray(axes[:WIDEST].T, np.float32)
    if width == texts.shape[1]:
        return np.eye(width, dtype=np.float32)
    ridge = vectors.T @ vectors + np.float32(len(vectors) / width) * np.eye(width, dtype=np.float32)
    return np.asarray(np.linalg.solve(ridge, vectors.T @ texts), np.float32)


def fit(
    vectors: Floats,
    groups: Rows,
    texts: Floats | None,
    settings: Settings,
    told: Callable[[int, int], None] | None = None,
) -> Floats:
    """Fit a projection.

    Args:
        vectors: (n, d) pictures, rows of length 1.
        groups: (n,) a number a row; rows of one number belong together.
        texts: (n, e) the rows' captions, rows of length 1; none to contrast labels.
        settings: how.
        told: called with passes done, of how many at most; may raise to stop.

    Returns:
        (d, e), the best on the rows held back.
    """
    import torch

    draws = np.random.default_rng(settings.seed)
    order = draws.permutation(len(vectors))
    count = max(2, round(settings.held * len(order)))
    held, rest = order[:count], order[count:]
    if texts is None and len(np.unique(groups[held])) == len(held):
        held = rest = order  # no pair to stop by: all rows are learned from, and looked at
    begun = torch.from_numpy(started(vectors[rest], None if texts is None else texts[rest]))
    weights = begun.clone().requires_grad_()
    stepper = torch.optim.Adam([weights], lr=settings.rate)

    def loss(rows: Rows) -> torch.Tensor:
        pictures = torch.from_numpy(vectors[rows]) @ weights
        others = None if texts is None else torch.from_numpy(texts[rows])
        return contrast(pictures, others, torch.from_numpy(groups[rows]), settings.heat)

    best, kept, waited = float("inf"), begun, 0
    for done in range(settings.rounds):
        with torch.no_grad():
            now = float(loss(held))
        if now < best - 1e-5:
            best, kept, waited = now, weights.detach().clone(), 0
        elif (waited := waited + 1) > settings.patience:
            break
        for rows in np.array_split(draws.permutation(rest), -(-len(rest) // settings.batch)):
            stepper.zero_grad()
            (loss(rows) + settings.pull * ((weights - begun) ** 2).sum()).backward()  # type: ignore[no-untyped-call]
            stepper.step()
        if told is not None:
            told(done + 1, settings.rounds)
    return np.asarray(kept.numpy(), np.float32)


def contrast(
    pictures: torch.Tensor, texts: torch.Tensor | None, groups: torch.Tensor, heat: float
) -> torch.Tensor:
    """How badly each row tells what belongs to it from the rest of its batch."""
    import torch
    from torch.nn.functional import normalize

    one = normalize(pictures, dim=1)
    same = groups[:, None] == groups[None, :]
    if texts is None:
        alone = torch.eye(len(one), dtype=torch.bool)
        same = same & ~alone
        scores = (one @ one.T / heat).masked_fill(alone, -torch.inf)
        counted = same.any(dim=1)
        return _missed(scores, same)[counted].mean() if counted.any() else one.sum() * 0
    scores = one @ texts.T / heat
    return (_missed(scores, same).mean() + _missed(scores.T, same).mean()) / 2


def _missed(scores: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
    """Mean negative log probability of the right columns, (n,)."""
    logs = scores.log_softmax(dim=1).masked_fill(~same, 0)
    return -logs.sum(dim=1) / same.sum(dim=1).clamp(min=1)


def projected(vectors: Floats, weights: Floats) -> Floats:
    """Rows through a projection, of length 1 again."""
    return np.asarray(unit(vectors @ weights), np.float32)
