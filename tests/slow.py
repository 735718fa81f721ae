"""An embedder for workers of another process: slow, and it says who works."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from retrieval.embedders.base import Embedder
from retrieval.errors import BadVectors
from retrieval.types import Spec, Vectors
from tests.held import LONGEST


def slow(folder: Path, seconds: float = 0.005, kind: str = "") -> Spec:
    """The spec; each batch leaves the number of its process in a folder."""
    params = (("pids", str(folder)), ("seconds", seconds), ("kind", kind))
    return Spec("slow", "Slow", "tests.slow:Slow", dim=192, revision="1", params=params)


class Slow(Embedder):
    """Every pixel of a picture of 8 x 8, after a while."""

    def _images(self, batch: Sequence[Image.Image]) -> Vectors:
        with Path(self.spec.param("pids"), "pids").open("a") as file:
            file.write(f"{os.getpid()}\n")
        time.sleep(self.spec.param("seconds") * len(batch))
        if self.spec.param("kind") == "held":
            self._hold(Path(self.spec.param("pids"), "go"))
        if self.spec.param("kind") == "refuses":
            raise BadVectors("these are no pictures for me")
        if self.spec.param("kind") == "breaks":
            raise ZeroDivisionError("a fault of its own")
        return np.stack([np.asarray(each, np.float32).reshape(-1) + 1 for each in batch])

    def _hold(self, go: Path) -> None:
        """Wait until somebody lets all of them go on."""
        end = time.monotonic() + LONGEST
        while not go.exists() and time.monotonic() < end:
            time.sleep(0.01)
