"""Vectors and indexes on disk."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL.Image import Image

from retrieval import manifest, shards, store
from retrieval.errors import LabError
from retrieval.indexes import INDEXES
from retrieval.store import Store, vectors_key
from retrieval.types import Metric, Spec, Vectors
from tests.fakes import COLOUR, Colour, Colours
from tests.held import LONGEST
from tests.shop import built, indexed, loaded, never


def test_the_second_time_nothing_is_embedded(shop: Store) -> None:
    gallery = Colours(20)
    first = built(shop, gallery)
    assert np.array_equal(first, shop.vectors(gallery, COLOUR, never))
    assert first.dtype == np.float32
    assert np.allclose(np.linalg.norm(first, axis=1), 1, atol=1e-6)


def test_exact_search_waits_for_no_build(shop: Store) -> None:
    gallery = Colours(20)
    vectors = built(shop, gallery)
    for _ in range(store.BUILDS):  # as many galleries are being embedded
        shop._building.acquire()
    exact = INDEXES.spec("exact")
    done = threading.Event()

    def open_it() -> None:
        shop.index(vectors, vectors_key(gallery, COLOUR), exact, Metric.COSINE, {})
        done.set()

    threading.Thread(target=open_it, daemon=True).start()
    assert done.wait(LONGEST)


def test_a_network_that_fails_is_no_trouble_with_the_disk(shop: Store) -> None:
    class Silent(Colour):
        def _images(self, batch: Sequence[Image]) -> Vectors:
            raise TimeoutError("nobody answers")

    with pytest.raises(TimeoutError, match="nobody answers"):
        shop.vectors(Colours(20), COLOUR, lambda: Silent(COLOUR))


def test_shards_are_read_in_their_order(shop: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SIZE", 3 * 2 * 4)  # four rows a file
    first = built(shop, Colours(30))
    again = shop.vectors(Colours(30), COLOUR, never)
    assert len(list(shop.cache.glob("*/*/*/vectors-*.npy"))) == 8
    assert np.array_equal(first, again)
    assert np.allclose(first[1], np.array([10, 250, 10]) / np.linalg.norm([10, 250, 10]), atol=0.02)


@pytest.mark.parametrize(
    ("gallery", "spec"),
    [
        (Colours(20, revision="2"), COLOUR),
        (Colours(20, name="others"), COLOUR),
        (Colours(20), replace(COLOUR, revision="2")),
        (Colours(20), replace(COLOUR, preprocessing="squash 8")),
        (Colours(20), replace(COLOUR, precision="bfloat16")),
        (Colours(20), replace(COLOUR, source="elsewhere")),
    ],
)
def test_whatever_decides_the_vectors_builds_others(
    shop: Store, gallery: Colours, spec: Spec
) -> None:
    built(shop, Colours(20))
    before = Colour.calls
    built(shop, gallery, spec)
    assert Colour.calls == before + 20


def test_a_change_of_gallery_rebuilds_nothing_of_another(shop: Store) -> None:
    built(shop, Colours(20, name="others"))
    built(shop, Colours(20))
    built(shop, Colours(20, revision="2"))
    shop.vectors(Colours(20, name="others"), COLOUR, never)


def test_other_versions_of_libraries_are_no_reason_to_build(shop: Store) -> None:
    built(shop, Colours(20))
    path = next(shop.cache.rglob(manifest.NAME))
    told = json.loads(path.read_text())
    told["recorded"]["versions"]["numpy"] = "1.0"
    path.write_text(json.dumps(told))
    shop.vectors(Colours(20), COLOUR, never)


def test_each_build_time_knob_has_its_own_index(shop: Store) -> None:
    indexed(shop, Colours(20))
    assert indexed(shop, Colours(20), M=8).fresh
    assert not indexed(shop, Colours(20), efSearch=7).fresh


def test_an_empty_gallery_has_no_vectors(shop: Store) -> None:
    assert built(shop, Colours(0)).shape == (0, 3)


def test_a_read_only_cache_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder can be made below a file")
    shop = Store(tmp_path / "shipped", tmp_path / "file" / "cache")
    with pytest.raises(LabError, match="set PARALLAX_CACHE to a folder that can be written"):
        built(shop, Colours(20))


def test_two_who_build_the_same_build_it_once(shop: Store) -> None:
    before = Colour.calls
    threads = [threading.Thread(target=built, args=(shop, Colours(40))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Colour.calls == before + 40


def test_packed_bits_stay_bits(tmp_path: Path) -> None:
    bits = np.arange(64, dtype=np.uint8).reshape(8, 8)
    shards.write(tmp_path, [bits], {"metric": "hamming", "dim": 64})
    assert np.array_equal(shards.read(tmp_path, Metric.HAMMING), bits)


class Changing(Colours):
    """Pictures that come and go, told apart by their names."""

    def __init__(self, rows: list[int], revision: str) -> None:
        super().__init__(len(rows), revision=revision)
        self._rows = rows

    def encoded(self, row: int) -> bytes:
        return Colours(50).encoded(self._rows[row])

    def identities(self) -> list[str]:
        return [f"picture {row}" for row in self._rows]


def test_only_new_pictures_are_embedded(shop: Store) -> None:
    first = shop.vectors(Changing([0, 1, 2, 3], "1"), COLOUR, loaded)
    before = Colour.calls
    second = shop.vectors(Changing([7, 1, 3], "2"), COLOUR, loaded)
    assert Colour.calls == before + 1
    assert np.allclose(second[1:], first[[1, 3]], atol=1e-3)  # stored as float16
    alone = shop.vectors(Changing([7], "3"), replace(COLOUR, name="another"), loaded)
    assert np.allclose(second[0], alone[0], atol=1e-3)


def test_another_preprocessing_knows_none_of_them(shop: Store) -> None:
    shop.vectors(Changing([0, 1], "1"), COLOUR, loaded)
    before = Colour.calls
    shop.vectors(Changing([0, 1], "2"), replace(COLOUR, preprocessing="other"), loaded)
    assert Colour.calls == before + 2


@pytest.mark.parametrize("name", ["exact", "faiss-flat"])
def test_whole_vectors_are_kept_once(shop: Store, name: str) -> None:
    vectors = built(shop, Colours(20))
    spec = INDEXES.spec(name)
    given = shop.index(vectors, vectors_key(Colours(20), COLOUR), spec, Metric.COSINE, {})
    assert given.index.search(vectors[:1], 1)[0][0, 0] >= 0
    assert list(shop.cache.glob(f"*/*/{name}-*")) == []


def test_words_decide_the_vectors_of_what_reads_words(shop: Store) -> None:
    gallery = Colours(4)
    gallery.words = "1"
    spoken = replace(COLOUR, reads_images=False)
    assert vectors_key(gallery, COLOUR) == vectors_key(Colours(4), COLOUR)
    assert vectors_key(gallery, spoken) != vectors_key(Colours(4), spoken)
