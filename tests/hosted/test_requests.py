"""What hosted embedders send, and what comes back."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from retrieval.embedders import EMBEDDERS
from retrieval.errors import BadQuery
from retrieval.hosted.pictures import jpeg, parts
from tests.hosted.models import NAMES, blue, loaded, red
from tests.hostedserver import Provider


def test_there_are_the_models_of_both() -> None:
    assert len(NAMES) == 4
    for name in NAMES:
        spec = EMBEDDERS.spec(name)
        assert spec.key in ("JINA_API_KEY", "COHERE_API_KEY")
        assert spec.licence is not None and spec.licence.commercial == "conditions"
        assert "network round trip" in spec.note


@pytest.mark.parametrize("name", NAMES)
def test_pictures_and_texts_share_a_space(server: Provider, name: str) -> None:
    embedder = loaded(name)
    pictures = embedder.images([red(), blue()])
    texts = embedder.texts(["blue", "red"])
    assert pictures.shape == (2, embedder.spec.dim)
    np.testing.assert_allclose(np.linalg.norm(pictures, axis=1), 1, atol=1e-5)
    assert (texts @ pictures.T).argmax(axis=1).tolist() == [1, 0]
    assert embedder.images([]).shape == embedder.texts([]).shape == (0, embedder.spec.dim)
    assert len(server.bodies) == 2  # nothing is sent for nothing


@pytest.mark.parametrize("name", NAMES)
def test_requests_hold_no_more_than_they_may(server: Provider, name: str) -> None:
    embedder = loaded(name)
    assert len(embedder.images([red((8, 8))] * 130)) == 130
    assert len(embedder.texts(["red"] * 300)) == 300
    sizes = [
        len(each.get("input") or each.get("images") or each["texts"]) for each in server.bodies
    ]
    assert sum(sizes) == 430 and max(sizes) <= 256


def test_a_connection_goes_with_its_embedder(server: Provider) -> None:
    embedder = loaded()
    assert len(embedder.texts(["red"])) == 1
    there = embedder._client._http
    assert not there.is_closed
    del embedder
    assert there.is_closed  # else its socket stays open until garbage is collected


def test_parts_are_bounded_by_bytes_too() -> None:
    items = ["a" * 40, "b" * 40, "c" * 200, "d", "e"]
    assert [len(part) for part in parts(items, 2, 100)] == [2, 1, 2]
    assert [len(part) for part in parts(items, 2, 10_000)] == [2, 2, 1]
    assert list(parts([], 2, 10)) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(1, 1), (1, 700), (3000, 2), (5000, 3000)])
def test_odd_sizes_are_sent_as_every_provider_takes_them(
    server: Provider, name: str, size: tuple[int, int]
) -> None:
    assert len(loaded(name).images([Image.new("RGB", size, "teal")])) == 1


def test_a_large_picture_is_sent_small() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (2000, 3000, 3), dtype=np.uint8)
    assert len(jpeg(Image.fromarray(noise))) < 400_000


@pytest.mark.parametrize(
    "text", ["word " * 200_000, "a\0b", "\ud800", "👩‍👩‍👧", "\u202eطائر", "<b>&amp;</b>"]
)
def test_no_text_hurts(server: Provider, text: str) -> None:
    assert np.isfinite(loaded().texts([text])).all()


@pytest.mark.parametrize("text", ["", "  \n", "\0"])
def test_an_empty_text_is_not_paid_for(server: Provider, text: str) -> None:
    with pytest.raises(BadQuery, match="empty text has no embedding"):
        loaded().texts([text])
    assert server.times == []
