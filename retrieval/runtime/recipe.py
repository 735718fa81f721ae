"""What a converted network is made of."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from torch import nn

    from retrieval.runtime.onnx import Onnx

Shape: TypeAlias = tuple[int, ...]

FORMAT = 1
"""Raise it whenever conversion changes, so that what was cached before is made again."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to make a network; everything but ``module`` is in the key of its cached files.

    Attributes:
        name: a word for file names.
        revision: which weights.
        preprocessing: what is folded into the network before its first layer.
        inputs: for each input its NumPy type and its shape, -1 where the size is free; the
            first axis is the batch.
        by: the packages that convert it.
        usual: what most free sizes but the batch's are: one row of it has a lane of its own.
        module: makes the torch module, in ``eval`` mode, that takes these inputs and gives
            float32 tensors with the batch as first axis. It may import torch; it is called
            for a conversion and for the reference only. An ``Onnx`` in its place is a file
            that OpenVINO reads without torch.
    """

    name: str
    revision: str
    preprocessing: str
    inputs: tuple[tuple[str, Shape], ...]
    module: Callable[[], nn.Module | Onnx] = field(compare=False)
    usual: int = field(default=0, compare=False)
    by: tuple[str, ...] = field(default=("openvino", "torch"), compare=False)

    def one_row(self, usual: int = 0) -> list[list[int]]:
        """The inputs' shapes for a batch of one, other free sizes as given or free."""
        return [
            [1, *(usual if usual and size < 0 else size for size in shape[1:])]
            for _, shape in self.inputs
        ]

    def made_by(self) -> dict[str, str]:
        """The converters and their versions."""
        return {name: importlib.metadata.version(name) for name in self.by}

    def key(self) -> str:
        """Name of the cached files, different for all that makes them differ."""
        parts = [FORMAT, self.name, self.revision, self.preprocessing, self.inputs, self.made_by()]
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode())
        return f"{self.name}-{digest.hexdigest()[:16]}"
