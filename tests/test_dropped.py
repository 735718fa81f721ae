"""What is dropped is freed at once: a model has no cycle that waits for the garbage collector."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
from PIL import Image

from retrieval.embedders import EMBEDDERS, typed
from retrieval.embedders.base import Embedder
from retrieval.runtime.network import Network
from tests.clipmodels import write_model


@pytest.fixture
def uncollected() -> Iterator[None]:
    """The collector off, so that nothing but counting frees."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def clip(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The name of a tiny CLIP in a folder."""
    folder = write_model(tmp_path_factory.mktemp("dropped"), 0, "clip")
    monkeypatch.setenv("PARALLAX_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield f"local-dir:{folder}"
    typed._SPECS.clear()


def used(name: str) -> Embedder:
    spec = EMBEDDERS.spec(name)
    made = EMBEDDERS.load(spec)(spec)
    made.images([Image.new("RGB", (20, 30), "red")] * 2)
    if spec.reads_text:
        made.texts(["a bird"])
    return made


def freed(name: str) -> bool:
    """Whether an embedder and its networks go with the last name for it."""
    used(name)  # conversion and imports may leave cycles of their own behind, once
    gc.collect()
    made = used(name)
    networks = [weakref.ref(each) for each in vars(made).values() if isinstance(each, Network)]
    itself = weakref.ref(made)
    assert networks and all(each() is not None for each in networks)
    del made
    return itself() is None and all(each() is None for each in networks)


def test_openclip_is_freed(uncollected: None, clip: str) -> None:
    assert freed(clip)


@pytest.mark.parametrize("name", ["conse-lite2", "efficientnet-lite0"])
def test_what_ships_is_freed(uncollected: None, name: str) -> None:
    assert freed(name)


def test_the_first_start_leaves_none_behind(uncollected: None, clip: str) -> None:
    """The start that converts holds the torch modules no longer than it needs them."""
    made = used(clip)
    watched = weakref.ref(made)
    del made
    assert watched() is None
