"""What a model of DINO lacks or says otherwise is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from retrieval.embedders.processor import NAME
from retrieval.errors import Damaged
from tests.dino.models import own


@pytest.mark.parametrize("size", [0, 100, 20_000])
def test_cut_weights_are_said(
    copy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, size: int
) -> None:
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(Damaged, match="holds no model that can be read"):
        own(copy, "dinov2-s", monkeypatch, tmp_path / "cache")


def test_a_lacking_tensor_is_not_made_up(
    copy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    held = load_file(copy / "model.safetensors")
    del held["encoder.layer.1.mlp.fc1.weight"]
    save_file(held, copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(Damaged, match=r"lacks encoder\.layer\.1\.mlp\.fc1\.weight"):
        own(copy, "dinov2-s", monkeypatch, tmp_path / "cache")


@pytest.mark.parametrize(
    ("file", "field", "value", "words"),
    [
        ("config.json", "model_type", "bert", "is of a 'bert', wanted is a 'dinov2'"),
        ("config.json", "hidden_size", 64, "makes 64 numbers"),
        (NAME, "crop_size", {"height": 112, "width": 112}, "of 112 pixels"),
        (NAME, "crop_size", {"height": 112, "width": 224}, "is no square"),
        (NAME, "do_resize", False, "do_resize"),
        (NAME, "do_center_crop", False, "do_center_crop"),
        (NAME, "resample", 0, "KeyError: 0"),
        (NAME, "image_mean", [0.5], "1 colours"),
        (NAME, "image_processor_type", "ViTImageProcessor", "ViTImageProcessor"),
        (NAME, "size", {"shortest_edge": 200}, "cut from an edge of 200"),
    ],
)
def test_what_is_not_read_is_refused(
    copy: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    file: str,
    field: str,
    value: Any,
    words: str,
) -> None:
    whole = json.loads((copy / file).read_text())
    (copy / file).write_text(json.dumps({**whole, field: value}))
    with pytest.raises(Damaged, match=words):
        own(copy, "dinov2-s", monkeypatch, tmp_path / "cache")


@pytest.mark.parametrize("text", ["", "[]", "{}", "null"])
@pytest.mark.parametrize("file", ["config.json", NAME])
def test_a_broken_configuration_is_said(
    copy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: str, text: str
) -> None:
    (copy / file).write_text(text)
    with pytest.raises(Damaged, match="is no configuration of"):
        own(copy, "dinov2-s", monkeypatch, tmp_path / "cache")
