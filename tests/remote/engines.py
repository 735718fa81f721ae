"""Engines on servers, by name, and the variables that say where they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest

from retrieval.indexes import INDEXES
from tests import remotes

NAMES = list(remotes.KINDS)
Hurry: TypeAlias = Callable[[], None]
each = pytest.mark.parametrize("name", NAMES)


def variable(name: str) -> str:
    return str(INDEXES.spec(name).param("address"))
