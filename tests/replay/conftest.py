"""A cache of the tests, and sizes that are quick."""

from __future__ import annotations

import pytest

from retrieval.measure import drawn, scale

SMALL = (200, 400, 700)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, unshipped: None) -> None:
    monkeypatch.setattr(scale, "SIZES", SMALL)
    monkeypatch.setattr("retrieval.commands.again_speed.SIZES", SMALL)
    monkeypatch.setattr(drawn, "NEARS", (8,))
    monkeypatch.setattr(drawn, "STEPS", (0.8,))
