"""What is fitted on, and its way through the towers, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retrieval.embedders.adapter import Adapter, Maker, Towers
from retrieval.embedders.base import unit
from retrieval.train.projection import Floats
from retrieval.types import Rows

if TYPE_CHECKING:
    import torch
    from torch import nn

Done = Callable[[int], None]
"""Told of rows that went through; may raise to stop."""


@dataclass(frozen=True)
class Given:
    """What is fitted on.

    Attributes:
        pixels: (n, ...) pictures as the picture's tower reads them.
        tokens: (n, context) captions as the text's tower reads them; none to contrast labels.
        groups: (n,) a number a row; rows of one number belong together.
    """

    pixels: NDArray[Any]
    tokens: NDArray[np.int64] | None
    groups: Rows

    def side(self, name: str) -> NDArray[Any]:
        """What the ``image`` or the ``text`` tower reads."""
        return self.pixels if name == "image" or self.tokens is None else self.tokens

    def sides(self, towers: Towers) -> dict[str, Maker]:
        """The towers that are trained, by name."""
        text = towers.text if self.tokens is not None else None
        return {"image": towers.image, **({"text": text} if text else {})}


def embedded(
    towers: Towers,
    given: Given,
    fitted: Adapter,
    rows: Rows,
    batch: int,
    done: Done | None = None,
) -> tuple[Floats, Floats]:
    """All pictures, and some rows' queries, through the towers with a LoRA merged into them.

    Args:
        towers: what was trained on.
        given: all rows.
        fitted: the LoRA.
        rows: whose queries are wanted.
        batch: rows that a tower sees at a time.
        done: told of pictures done.

    Returns:
        (r, d) the captions of ``rows``, their pictures where labels are contrasted; and (n, d)
        all pictures.
    """
    every = {"image": np.arange(len(given.pixels)), "text": rows}
    made: dict[str, Floats] = {}
    for name, make in given.sides(towers).items():
        tower, told = fitted.into(name, make)(), done if name == "image" else None
        through = parts(tower, towers.output, given.side(name), every[name], batch, told)
        made[name] = np.asarray(
            unit(np.concatenate([each.numpy() for each in through])), np.float32
        )
    return made.get("text", made["image"][rows]), made["image"]


def parts(
    tower: nn.Module,
    output: int,
    read: NDArray[Any],
    rows: Rows,
    batch: int,
    done: Done | None = None,
) -> Iterator[torch.Tensor]:
    """Rows through a tower, a batch at a time, without what a step would need."""
    import torch

    for at in range(0, len(rows), batch):
        with torch.no_grad():
            part = vectors(tower, output, read[rows[at : at + batch]])
        yield part
        if done is not None:
            done(len(part))


def vectors(tower: nn.Module, output: int, read: NDArray[Any]) -> torch.Tensor:
    """Rows through a tower, (n, d).

    Args:
        tower: gives a tensor or several.
        output: which of several.
        read: (n, ...) what it reads.
    """
    import torch

    made: Any = tower(torch.from_numpy(np.array(read)))
    found: torch.Tensor = made[output] if isinstance(made, tuple) else made
    return found
