"""The embedder that a LoRA becomes, and what its files must be."""

from __future__ import annotations

import itertools
import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import peft
import pytest
import torch
from safetensors.numpy import load_file

from retrieval import manifest
from retrieval.embedders import EMBEDDERS, adapted, adapter, trained
from retrieval.embedders.base import unit
from retrieval.errors import Damaged, NotReady
from retrieval.readiness import state
from retrieval.types import Spec
from tests.lora.place import NAME, Place


def theirs(place: Place, made: Spec) -> tuple[Any, Any]:
    """Both towers by torch and peft, the LoRA beside the weights and not merged into them."""
    towers, tensors = (
        place.embedder().towers,
        load_file(trained.root() / made.name / adapted.WEIGHTS),
    )
    sides = []
    for side, make in (("image", towers.image), ("text", towers.text)):
        assert make is not None
        state = {name: torch.from_numpy(each) for name, each in adapter.part(tensors, side).items()}
        tower = make().requires_grad_(False)
        config = peft.LoraConfig(r=8, lora_alpha=16, target_modules=adapter.targets(tower))
        tower = peft.inject_adapter_in_model(config, tower)
        told: Any = peft.set_peft_model_state_dict(tower, state)
        assert not told.unexpected_keys and not [k for k in told.missing_keys if "lora_" in k]
        sides.append(tower.eval())
    return sides[0], sides[1]


def test_vectors_are_pefts(place: Place, made: Spec) -> None:
    ours = EMBEDDERS.load(made)(made)
    image, text = theirs(place, made)
    pictures = [place.gallery.image(row) for row in range(12)]
    words = place.gallery.captions(range(12))
    towers = place.embedder().towers
    assert towers.tokens is not None
    with torch.no_grad():
        seen = image(torch.from_numpy(np.stack([towers.pixels(each) for each in pictures])))
        read = text(torch.from_numpy(towers.tokens(words)))
    np.testing.assert_allclose(ours.images(pictures), unit(seen.numpy()), atol=1e-4)
    np.testing.assert_allclose(ours.texts(words), unit(read.numpy()), atol=1e-4)
    parent = place.embedder()
    assert np.abs(ours.images(pictures) - parent.images(pictures)).max() > 0.05
    assert np.abs(ours.texts(words) - parent.texts(words)).max() > 0.05


def test_it_is_an_embedder_like_any_other(place: Place, made: Spec) -> None:
    parent = place.lab.spec(NAME)
    assert made.name == f"{NAME}+flags-lora" and made.family == "Trained here"
    assert (made.dim, made.side, made.licence) == (parent.dim, parent.side, parent.licence)
    assert made.reads_text and made.revision.startswith(f"{parent.revision} ")
    assert "peft" in made.needs and "requirements-embedders.txt" in made.install
    assert made.param("peft") == peft.__version__
    assert state(made).kind == "ready"


def test_a_lab_answers_by_it(place: Place, made: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EMBEDDERS._specs, made.name, made)
    vectors = place.lab.vectors(place.gallery, made.name)
    asked = place.lab.texts(made.name, ["a red band on blue"])
    best = np.asarray(vectors @ asked[0]).argsort()[::-1][:10]
    assert "a red band on blue" in place.gallery.captions(best.tolist())


def test_only_the_adapter_is_kept(place: Place, made: Spec) -> None:
    folder = trained.root() / made.name
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        (manifest.NAME, trained.TOLD, adapted.WEIGHTS)
    )
    kept = load_file(folder / adapted.WEIGHTS)
    assert all(".lora_" in name for name in kept)
    assert {name.partition(":")[0] for name in kept} == {"image", "text"}
    assert not [name for name in place.left() if name != "trained"]


def test_caches_never_mix(place: Place, made: Spec) -> None:
    folder = trained.root() / made.name
    tensors = {name: each * 2 for name, each in load_file(folder / adapted.WEIGHTS).items()}
    other = adapted.save(place.lab.spec(NAME), "other", "captions", "flags", tensors, 8, 16)
    wider = adapted.save(place.lab.spec(NAME), "wider", "captions", "flags", tensors, 8, 32)
    embedders = [EMBEDDERS.load(each)(each) for each in (made, other, wider)]
    pictures = [place.gallery.image(0)]
    found = [each.images(pictures) for each in (*embedders, place.embedder())]
    for one, two in itertools.combinations(found, 2):
        assert np.abs(one - two).max() > 1e-3
    assert len({made.revision, other.revision, wider.revision}) == 3


def test_an_embedder_goes_with_its_last_holder(place: Place, made: Spec) -> None:
    for spec in (place.lab.spec(NAME), made):
        embedder = EMBEDDERS.load(spec)(spec)
        gone = weakref.ref(embedder)
        del embedder
        assert gone() is None  # else its networks stay in memory after a shelf has dropped it


def test_another_parent_is_refused(
    place: Place, made: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = replace(EMBEDDERS.spec(NAME), revision="f" * 16)
    monkeypatch.setitem(EMBEDDERS._specs, NAME, changed)
    with pytest.raises(NotReady, match=f"fitted on another {NAME}; train it again"):
        EMBEDDERS.load(made)(made)
    assert "train it again" in state(made).reason
    rest = {name: each for name, each in EMBEDDERS._specs.items() if name != NAME}
    monkeypatch.setattr(EMBEDDERS, "_specs", rest)  # put back, it would stand at the end
    assert state(made).kind == "unreachable"


def test_a_flipped_bit_is_noticed(copy: Spec) -> None:
    file = trained.root() / copy.name / adapted.WEIGHTS
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(Damaged, match="differs from its manifest"):
        EMBEDDERS.load(copy)(copy)


@pytest.mark.parametrize("how", ["lost", "strange", "shape", "infinite"])
def test_a_lora_that_does_not_fit_is_said(place: Place, copy: Spec, how: str) -> None:
    tensors = load_file(trained.root() / copy.name / adapted.WEIGHTS)
    first = next(name for name in tensors if name.startswith("image:") and "lora_B" in name)
    if how == "lost":
        del tensors[first]
    elif how == "strange":
        tensors["image:visual.transformer.resblocks.7.attn.lora_A.weight"] = tensors[first]
    else:
        wrong = {"shape": tensors[first][1:], "infinite": tensors[first] * np.inf}
        tensors[first] = np.ascontiguousarray(wrong[how])
    spec = adapted.save(place.lab.spec(NAME), f"bad-{how}", "captions", "flags", tensors, 8, 16)
    with np.errstate(invalid="ignore"), pytest.raises(Damaged, match="train it again"):
        EMBEDDERS.load(spec)(spec)


def test_what_was_trained_again_is_not_mixed(place: Place, copy: Spec) -> None:
    tensors = load_file(trained.root() / copy.name / adapted.WEIGHTS)
    first = next(iter(tensors))
    adapted.save(place.lab.spec(NAME), "copy", "captions", "flags", {first: tensors[first]}, 8, 16)
    with pytest.raises(NotReady, match="trained again since"):
        EMBEDDERS.load(copy)(copy)
