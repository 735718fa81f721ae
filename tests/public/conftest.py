"""A public lab over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PIL import Image

from retrieval.lab import Lab
from tests.served import Served, served


@pytest.fixture(scope="package")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A public lab; its host has a folder of pictures and one of weights."""
    mine = tmp_path_factory.mktemp("mine")
    Image.new("RGB", (20, 20)).save(mine / "private.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PARALLAX_OPENCLIP_DIR", str(mine))
        patch.setenv("HF_HUB_OFFLINE", "1")
        lab = Lab(cache=tmp_path_factory.mktemp("cache"), folder=mine, public=True)
        with served(lab) as made:
            yield made
