"""What several tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.embedders import EMBEDDERS
from retrieval.lab import Lab
from tests.fakes import BLIND, COLOUR, Colours


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab over a gallery of 40 plain colours, with two embedders of three numbers."""
    monkeypatch.setitem(EMBEDDERS._specs, "colour", COLOUR)
    monkeypatch.setitem(EMBEDDERS._specs, "blind", BLIND)
    made = Lab(data=tmp_path / "data", cache=tmp_path / "cache")
    gallery = Colours(40)
    monkeypatch.setattr(made.catalog, "open", lambda name: gallery)
    return made
