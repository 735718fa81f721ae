"""Towers of other kinds learn by a LoRA too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import peft
import pytest
import torch

from retrieval.embedders import EMBEDDERS, adapted, adapter, openclip
from retrieval.embedders.base import unit
from retrieval.errors import BadQuery
from retrieval.galleries.base import Gallery
from retrieval.train.lora import fit
from retrieval.train.spool import spooled
from retrieval.train.through import Given, vectors
from tests import clipmodels, tiny
from tests.dino import models as dinos
from tests.lora.place import BRIEF, NAME, Place


@pytest.mark.parametrize("kind", ["siglip", "convolutions"])
def test_other_towers_of_open_clip(
    kind: str, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clipmodels.write_model(tmp_path / kind, 0, kind)
    monkeypatch.setenv(openclip.VARIABLE, str(tmp_path / kind))
    monkeypatch.setitem(EMBEDDERS._specs, NAME, openclip._own())
    parent = openclip.OpenClip(openclip._own())
    if kind == "convolutions":
        with pytest.raises(BadQuery, match="no blocks of linear layers"):
            adapter.injected(parent.towers.image(), 8, 16)
        return
    fits(parent, place.gallery, "captions")


KINDS = {"dinov2": "dinov2-s", "dinov3_vit": "dinov3-s-gem", "dinov3_convnext": "dinov3-convnext-t"}


@pytest.mark.parametrize("kind", KINDS)
def test_towers_of_dino(
    kind: str, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.save(tmp_path / kind, dinos.models()[kind], dinos.processor(kind))
    parent = dinos.own(folder, KINDS[kind], monkeypatch, place.cache)
    monkeypatch.setitem(EMBEDDERS._specs, parent.spec.name, parent.spec)
    fits(parent, place.gallery, "labels")


def fits(parent: adapter.Adaptable, gallery: Gallery, by: str) -> None:
    """A short fit becomes an embedder that gives what torch and peft give."""
    towers, rows = parent.towers, list(range(12))
    tokens = towers.tokens(gallery.captions(rows)) if towers.tokens and by == "captions" else None
    pixels = spooled(gallery, rows, towers.pixels, parent.spec.side)
    given = Given(pixels, tokens, np.arange(12) // 4)
    tensors = fit(towers, given, np.arange(12), replace(BRIEF, rounds=1))
    moved = {name: each + 0.02 for name, each in tensors.items()}  # whatever was learnt
    spec = adapted.save(parent.spec, "brief", by, "flags", moved, 8, 16)
    pictures = [gallery.image(row) for row in rows]
    tower = adapter.injected(towers.image(), 8, 16)
    state = {name: torch.from_numpy(each) for name, each in adapter.part(moved, "image").items()}
    peft.set_peft_model_state_dict(tower, state)
    with torch.no_grad():
        wanted = unit(vectors(tower, towers.output, pixels).numpy())
    found = EMBEDDERS.load(spec)(spec).images(pictures)
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    assert np.abs(found - parent.images(pictures)).max() > 1e-3
