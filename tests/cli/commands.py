"""How tests run the command line, and embedders that they run it with."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from retrieval.types import Spec, Vectors
from tests.fakes import Colour

ROOT = Path(__file__).parents[2]
SHARP = Spec("sharp", "By precision", f"{__name__}:Sharp", dim=3, revision="1")
Run = Callable[..., tuple[int, str, str]]


class Sharp(Colour):
    """Mean colours; in bfloat16 the gallery is turned round, so that neighbours change."""

    def _images(self, batch: Sequence[Image.Image]) -> Vectors:
        exact = super()._images(batch)
        if self.spec.precision == "float32":
            return exact
        return np.random.default_rng(len(batch)).random(exact.shape, np.float32)


class Stopping(Colour):
    """Stops like Ctrl-C after so many pictures."""

    left = 0

    def _images(self, batch: Sequence[Image.Image]) -> Vectors:
        if Stopping.left < len(batch):
            raise KeyboardInterrupt
        Stopping.left -= len(batch)
        return super()._images(batch)


def refused(answer: tuple[int, str, str], saying: str) -> None:
    """One sentence on stderr, nothing on stdout, and 2."""
    code, out, err = answer
    assert (code, out) == (2, "")
    assert err.startswith("parallax: ") and err.count("\n") == 1 and err.endswith("\n")
    assert saying in err
    assert len(err) < 600


def process(
    *arguments: str, cache: Path, python: Sequence[str] = ("-m", "retrieval"), **more: Any
) -> subprocess.Popen[str]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        [sys.executable, *python, *arguments, "--cache", str(cache)],
        cwd=ROOT,
        text=True,
        **{**pipes, **more},
    )


ASKED = ("--gallery", "folder", "--text", "red", "-k", "4")
