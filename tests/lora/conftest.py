"""What the tests of LoRA share: a lab, and an embedder that was trained in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from safetensors.numpy import load_file

from retrieval.commands import train, train_lora
from retrieval.embedders import EMBEDDERS, adapted, openclip, trained
from retrieval.lab import Lab
from retrieval.types import Spec
from tests import clipmodels
from tests.fakes import BLIND, COLOUR
from tests.lora.place import NAME, QUICK, Flags, Place, options


@pytest.fixture(scope="package", autouse=True)
def alone() -> Iterator[None]:
    """One thread: on a busy machine two wait for each other at every layer of so small a model."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="package")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as made:
        yield made


@pytest.fixture(scope="package")
def place(tmp_path_factory: pytest.TempPathFactory, patch: pytest.MonkeyPatch) -> Place:
    root = tmp_path_factory.mktemp("lora")
    clipmodels.write_model(root / "model", 0)
    patch.setenv("PARALLAX_CACHE", str(root / "cache"))
    patch.setenv(openclip.VARIABLE, str(root / "model"))
    patch.delenv("SPACE_ID", raising=False)
    for spec in (openclip._own(), COLOUR, BLIND):
        patch.setitem(EMBEDDERS._specs, spec.name, spec)
    lab, gallery = Lab(cache=root / "cache"), Flags()
    patch.setattr(lab.catalog, "open", lambda name: gallery)
    return Place(root / "model", root / "cache", lab, gallery)


@pytest.fixture(scope="package")
def answer(place: Place) -> dict[str, Any]:
    """What the command says; its embedder is there afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_lora, "Settings", lambda: QUICK)
        return train.run(place.lab, options())


@pytest.fixture
def made(place: Place, answer: dict[str, Any]) -> Spec:
    """The spec of the embedder that the command made."""
    return trained.spec_of(trained.root() / str(answer["embedder"]))


@pytest.fixture
def copy(place: Place, made: Spec) -> Spec:
    """Another one with the same LoRA, to be damaged."""
    tensors = load_file(trained.root() / made.name / adapted.WEIGHTS)
    return adapted.save(place.lab.spec(NAME), "copy", "captions", "flags", tensors, 8, 16)
