"""What training a LoRA refuses."""

from __future__ import annotations

from typing import Any

import pytest

from retrieval.commands import train, train_lora
from retrieval.errors import BadQuery, NotReady, Refused
from retrieval.lab import Lab
from retrieval.readiness import state
from retrieval.types import Spec
from tests.lora.place import Place, options


@pytest.mark.parametrize(
    ("words", "by", "message"),
    [
        ([""] * 84, "captions", "flags has no captions"),
        ([""] * 84, "labels", "flags has no labels"),
        (["the same"] * 84, "captions", "1 different captions, which are too few; 10 are wanted"),
        ([f"{at % 9}" for at in range(84)], "captions", "9 different captions"),
        (["one"] * 84, "labels", "two pictures or more: 1, of 84 pictures together"),
        ([f"{at}" for at in range(84)], "labels", "two pictures or more: 0"),
        ([f"{min(at, 80)}" for at in range(84)], "labels", "wanted are 2 labels and 20 pictures"),
    ],
)
def test_too_little_to_learn_from(
    place: Place, words: list[str], by: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place.gallery, by, lambda rows: [words[row] for row in rows])
    monkeypatch.setattr(place.lab, "embedder", lambda name: pytest.fail("it was loaded"))
    with pytest.raises(BadQuery, match=message):
        train.run(place.lab, options(by=by))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"embedder": "colour"}, "Mean colour has no towers that a LoRA fits"),
        ({"embedder": "phash"}, "has no picture vectors"),
        ({"embedder": "dinov2-s", "by": "captions"}, "reads no text; train it --by labels"),
        ({"rounds": 0}, "must be 1 or more"),
        ({"name": "../x"}, "use up to 40 of a-z"),
    ],
)
def test_what_is_refused(place: Place, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(BadQuery, match=message):
        train.run(place.lab, options(**changed))


def test_a_public_lab_trains_nothing(place: Place) -> None:
    lab = Lab(cache=place.cache, public=True)
    for towers in (True, False):
        with pytest.raises(Refused, match="trains nothing"):
            train.run(lab, options(lora=towers))


def test_a_public_lab_uses_none_of_a_hosts_folder(place: Place, made: Spec) -> None:
    assert state(made, public=True).kind == "unreachable"


def test_precision_is_float32(place: Place) -> None:
    lab = Lab(cache=place.cache, precision="bfloat16")
    lab.catalog = place.lab.catalog
    with pytest.raises(BadQuery, match="leave out --precision"):
        train.run(lab, options())


def test_without_peft_a_sentence(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_lora, "NEEDS", ("peft_that_is_not_here",))
    with pytest.raises(NotReady, match="pip install -r requirements-embedders.txt"):
        train.run(place.lab, options())
