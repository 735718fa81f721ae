"""Listing costs nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

LIGHT = """
import sys
from retrieval.embedders import EMBEDDERS
from retrieval.galleries.catalog import Catalog
from retrieval.indexes import INDEXES
from retrieval.lab import Lab
import retrieval.cli, retrieval.search
lab = Lab()
lab.states(), lab.catalog.entries(), EMBEDDERS.specs(), INDEXES.specs()
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.mark.parametrize(
    "heavy",
    [
        "torch",
        "faiss",
        "openvino",
        "gradio",
        "datasets",
        "open_clip",
        "transformers",
        "timm",
        "peft",
    ],
)
def test_listing_imports_nothing_heavy(heavy: str, light: set[str]) -> None:
    assert heavy not in light


@pytest.fixture(scope="module")
def light() -> set[str]:
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=True)
    return set(done.stdout.split())
