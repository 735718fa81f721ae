"""Bytes of pictures as a network's colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn


def colours(mean: Sequence[float], deviation: Sequence[float]) -> nn.Module:
    """A module from bytes, (n, side, side, 3), to float32 (n, 3, side, side).

    Args:
        mean: of each colour, from 0 to 1.
        deviation: of each colour.
    """
    import torch

    class Colours(torch.nn.Module):
        mean: torch.Tensor
        deviation: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            for name, values in (("mean", mean), ("deviation", deviation)):
                self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1))

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            shares = pixels.permute(0, 3, 1, 2).float() / 255
            return (shares - self.mean) / self.deviation

    return Colours()
