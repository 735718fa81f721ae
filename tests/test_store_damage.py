"""What a store does about stopped builds, damage and other formats."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from retrieval import manifest, store
from retrieval.errors import Damaged, Stopped
from retrieval.indexes import INDEXES
from retrieval.store import Store
from retrieval.types import Vectors
from tests.fakes import COLOUR, Colour, Colours
from tests.shop import HNSW, built, flip, indexed, loaded, never


def test_a_stopped_build_goes_on_where_it_was(shop: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "CHUNK", 8)

    def stop(what: str, done: int, total: int) -> None:
        if done == 16:
            raise Stopped("enough")

    before = Colour.calls
    with pytest.raises(Stopped):
        shop.vectors(Colours(30), COLOUR, loaded, stop)
    built(shop, Colours(30))
    assert Colour.calls == before + 30
    assert not list(shop.cache.rglob("*.partial"))


def test_a_damaged_chunk_of_a_stopped_build_is_embedded_again(
    shop: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "CHUNK", 8)

    def stop(what: str, done: int, total: int) -> None:
        if done == 16:
            raise Stopped("enough")

    with pytest.raises(Stopped):
        shop.vectors(Colours(30), COLOUR, loaded, stop)
    chunk = next(shop.cache.rglob("*.partial/000000008/chunk.npy"))
    flip(chunk)
    before = Colour.calls
    sound = built(Store(shop.shipped, shop.cache / "other"), Colours(30))
    assert np.array_equal(built(shop, Colours(30)), sound)
    assert Colour.calls == before + 30 + 22


def test_a_flipped_bit_in_the_cache_is_built_again(shop: Store) -> None:
    sound = built(shop, Colours(20))
    flip(next(shop.cache.rglob("vectors-00000.npy")))
    assert np.array_equal(built(shop, Colours(20)), sound)
    manifest.check(next(shop.folders()))


def test_a_flipped_bit_in_a_graph_is_built_again(shop: Store) -> None:
    assert indexed(shop, Colours(20)).fresh
    assert not indexed(shop, Colours(20)).fresh
    files = [path for path in shop.cache.glob("*/*/faiss-hnsw-*/*") if path.name != manifest.NAME]
    flip(files[0])
    assert indexed(shop, Colours(20)).fresh
    assert not indexed(shop, Colours(20)).fresh


def test_a_flipped_bit_in_what_ships_is_said(tmp_path: Path) -> None:
    built(Store(tmp_path / "none", tmp_path / "shipped"), Colours(20))
    shop = Store(tmp_path / "shipped", tmp_path / "cache")
    shop.vectors(Colours(20), COLOUR, never)
    flip(next((tmp_path / "shipped").rglob("vectors-00000.npy")))
    with pytest.raises(Damaged, match=r"vectors-00000\.npy differs from its manifest"):
        built(shop, Colours(20))


def test_an_older_format_is_built_again(shop: Store) -> None:
    built(shop, Colours(20))
    path = next(shop.cache.rglob(manifest.NAME))
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 0}))
    before = Colour.calls
    built(shop, Colours(20))
    assert Colour.calls == before + 20


KILLED = """
import os, sys
from pathlib import Path
from retrieval import store
from tests.fakes import COLOUR, Colour, Colours
store.CHUNK = 8
def die(what, done, total):
    if done == 16:
        os.kill(os.getpid(), 9)
shop = store.Store(Path("none"), Path(sys.argv[1]))
shop.vectors(Colours(30), COLOUR, lambda: Colour(COLOUR), die)
"""


def test_a_build_that_was_killed_goes_on_where_it_was(
    shop: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "CHUNK", 8)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(shop.cache)], check=False)
    assert killed.returncode == -9
    before, told = Colour.calls, list[int]()
    shop.vectors(Colours(30), COLOUR, loaded, lambda what, done, total: told.append(done))
    assert Colour.calls == before + 14
    assert told[0] == 16 and told[-1] == 30  # what was there is told first, as no work of now


def test_an_index_that_this_engine_cannot_read_is_built_again(
    shop: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexed(shop, Colours(40))
    loads: list[Path] = []

    def older(self: object, folder: Path, vectors: Vectors, columns: object = None) -> None:
        loads.append(folder)
        raise Damaged("written by another release")

    monkeypatch.setattr(INDEXES.load(HNSW), "load", older)
    again = indexed(shop, Colours(40))
    assert again.fresh and loads
    assert again.index.search(built(shop, Colours(40))[:1], 3)[0].shape == (1, 3)
