"""OpenCLIP from a folder: its revision, what must be there, and what is not read."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from retrieval.embedders import openclip
from retrieval.embedders.clip_config import CONFIG, read_config
from retrieval.embedders.clip_tokens import SETTINGS, TOKENS, Tokens
from retrieval.embedders.clip_towers import image_tower
from retrieval.errors import Damaged, NotReady, Refused
from tests.clipmodels import write_model
from tests.openclip.embedded import own


def test_a_local_folder_that_has_changed_is_not_taken_for_what_it_was(
    copy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else vectors of the new weights are kept under the revision of the old ones."""
    monkeypatch.setenv(openclip.VARIABLE, str(copy))
    monkeypatch.setenv("PARALLAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SPACE_ID", raising=False)
    spec = openclip._own()
    os.utime(copy / openclip.WEIGHTS, ns=(1, 1))
    with pytest.raises(NotReady, match="has changed since this lab was started"):
        openclip.OpenClip(spec)


@pytest.mark.parametrize("name", [CONFIG, TOKENS, openclip.WEIGHTS])
def test_a_local_folder_must_be_complete(
    copy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    (copy / name).unlink()
    with pytest.raises(Damaged, match=f"has no {name}"):
        own(copy, monkeypatch, tmp_path / "cache")


def test_another_tokenizer_is_refused(
    copy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = json.loads((copy / TOKENS).read_text())
    whole["model"]["merges"] = whole["model"]["merges"][:1000]
    (copy / TOKENS).write_text(json.dumps(whole))
    with pytest.raises(Damaged, match="not the tokenizer that its model was trained with"):
        own(copy, monkeypatch, tmp_path / "cache")


def test_a_tokenizer_of_other_size_is_refused(folders: Callable[[str], Path], folder: Path) -> None:
    with pytest.raises(Damaged, match="a model of 1,000 tokens wants"):
        Tokens(folder, replace(read_config(folder), words=1000))
    other = folders("siglip")
    with pytest.raises(Damaged, match="its model reads 20"):
        Tokens(other, replace(read_config(other), words=20))


@pytest.mark.parametrize(
    ("file", "field", "value", "said"),
    [
        (SETTINGS[0], "pad_token", "<nothing>", "names no pad_token that tokenizer.json holds"),
        (SETTINGS[0], "pad_token", {"text": "<pad>"}, "names no pad_token that tokenizer.json"),
        (SETTINGS[0], "padding_side", "up", "has padding_side 'up'; it is left or right"),
        (SETTINGS[0], "truncation_side", ["left"], "has truncation_side .* left or right"),
        (TOKENS, "post_processor", None, "not the tokenizer that its model was trained with"),
        (TOKENS, "model", {}, "is no tokenizer"),
    ],
)
def test_a_tokenizer_of_its_own_must_be_whole(
    folders: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    file: str,
    field: str,
    value: object,
    said: str,
) -> None:
    copy = Path(shutil.copytree(folders("siglip"), tmp_path / "copy"))
    whole = json.loads((copy / file).read_text())
    whole[field] = value
    (copy / file).write_text(json.dumps(whole))
    with pytest.raises(Damaged, match=said):
        own(copy, monkeypatch, tmp_path / "cache")


def test_a_tokenizer_without_settings_is_refused(
    folders: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(folders("siglip"), tmp_path / "copy"))
    (copy / SETTINGS[0]).unlink()
    with pytest.raises(Damaged, match="holds no settings of a tokenizer"):
        own(copy, monkeypatch, tmp_path / "cache")


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("text_cfg", "hf_model_name", "roberta-base"),
        ("text_cfg", "tokenizer_mode", "clips"),
        ("text_cfg", "tokenizer_kwargs", {"language": "eng_Latn"}),
        ("text_cfg", "tokenizer_kwargs", {"clean": "none"}),
        ("model_cfg", "multimodal_cfg", {"width": 1}),
        ("preprocess_cfg", "resize_mode", "crop"),
        ("preprocess_cfg", "interpolation", "nearest"),
        ("preprocess_cfg", "mode", "L"),
    ],
)
def test_what_is_not_read_is_refused(copy: Path, part: str, field: str, value: object) -> None:
    whole = json.loads((copy / CONFIG).read_text())
    place = whole if part != "text_cfg" else whole["model_cfg"]
    place[part][field] = value
    (copy / CONFIG).write_text(json.dumps(whole))
    word = next(iter(value)) if isinstance(value, dict) and "kwargs" in field else field
    with pytest.raises(Damaged, match=word):
        read_config(copy)


def test_a_picture_must_be_a_square(copy: Path) -> None:
    whole = json.loads((copy / CONFIG).read_text())
    whole["model_cfg"]["vision_cfg"]["image_size"] = [32, 64]
    (copy / CONFIG).write_text(json.dumps(whole))
    with pytest.raises(Damaged, match="only squares are read"):
        read_config(copy)


@pytest.mark.parametrize("text", ["", "[]", '{"model_cfg": {}}', '{"model_cfg": {"embed_dim": 1}}'])
def test_a_broken_configuration_is_said(copy: Path, text: str) -> None:
    (copy / CONFIG).write_text(text)
    with pytest.raises(Damaged, match="is no configuration of an OpenCLIP model"):
        read_config(copy)


@pytest.mark.parametrize("size", [0, 100, 100_000])
def test_cut_weights_are_said(
    copy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, size: int
) -> None:
    path = copy / openclip.WEIGHTS
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(Damaged, match="holds no OpenCLIP model that can be read"):
        own(copy, monkeypatch, tmp_path / "cache")


def test_pickled_weights_are_read_as_weights_only(folder: Path, copy: Path) -> None:
    safe, pickled = copy / openclip.WEIGHTS, copy / openclip.PICKLED
    torch.save(load_file(safe), pickled)
    pixels = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
    with torch.no_grad():
        towers = [image_tower(path, read_config(folder)) for path in (safe, pickled)]
        assert torch.equal(towers[0](pixels), towers[1](pixels))
    torch.save({"visual": Path("anything that is no tensor")}, pickled)
    with pytest.raises(Damaged, match="holds no OpenCLIP model that can be read"):
        image_tower(pickled, read_config(folder))


def test_a_changed_folder_is_another_revision(copy: Path) -> None:
    before = openclip.identity(copy)
    write_model(copy, 5)
    assert before != openclip.identity(copy) != ""


def test_the_folder_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(openclip.VARIABLE, raising=False)
    monkeypatch.delenv("SPACE_ID", raising=False)
    with pytest.raises(NotReady, match=openclip.VARIABLE):
        openclip.OpenClip(openclip._own())
    monkeypatch.setenv("SPACE_ID", "someone/space")
    with pytest.raises(Refused, match="public"):
        openclip.OpenClip(openclip._own())
