"""VGG-16's fc7 from a hub on loopback, by one with narrow layers, against timm and torchvision."""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision  # type: ignore[import-untyped]
from PIL import Image
from safetensors.torch import save_file

from retrieval.embedders import vgg
from retrieval.embedders.pixels import nearest
from retrieval.errors import Damaged
from tests import tiny
from tests.hubclient import HubClient
from tests.hubloads import downloaded, loads, refusals, refuses, stays
from tests.hubserver import HubServer, Trouble

REPO, SHA = "lab/tiny-vgg", "a" * 40
timm: Any = importlib.import_module("timm")
GIVEN: dict[str, Any] = {"name": "vgg16-fc7", "repo": REPO, "sha": SHA, "dim": 4096}
CUT: dict[str, Any] = {
    "input_size": [3, 224, 224], "interpolation": "bilinear", "crop_pct": 0.875,
    "crop_mode": "center", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225],
    "num_classes": 2, "pool_size": [7, 7], "first_conv": "features.0", "classifier": "head.fc",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """timm's layout; fc6 has 16 numbers instead of 4096, so that the file is small."""
    made = tmp_path_factory.mktemp("vgg")
    narrow = {"num_classes": 2, "mlp_ratio": 1 / 256}
    torch.manual_seed(0)
    model = timm.create_model("vgg16", **narrow)
    with torch.no_grad():
        model.pre_logits.fc1.weight.mul_(20)  # or fc7 would hardly tell pictures apart
        model.pre_logits.fc2.weight.mul_(20)
    save_file(model.state_dict(), made / "model.safetensors", {"format": "pt"})
    told = {"architecture": "vgg16", "num_classes": 2, "num_features": 4096,
            "model_args": {"mlp_ratio": 1 / 256}, "pretrained_cfg": CUT}  # fmt: skip
    (made / "config.json").write_text(json.dumps(told))
    return made


def own(folder: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> vgg.Vgg:
    """The embedder of a folder, as if it had been downloaded."""
    downloaded(folder, monkeypatch, cache)
    return vgg.Vgg(vgg.SPECS[0])


def test_vectors_are_timms(folder: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    embedder, pictures = own(folder, monkeypatch, cache), tiny.pictures()[:3]
    model = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    config = timm.data.resolve_model_data_config(model)
    cut = timm.data.create_transform(**config, is_training=False)
    with torch.no_grad():
        shown = torch.stack([cut(each) for each in pictures])
        seen = model.forward_features(shown)
        expected = tiny.normal(model.forward_head(seen, pre_logits=True)).numpy()
    np.testing.assert_allclose(embedder.images(pictures), expected, atol=1e-4)
    np.testing.assert_allclose(embedder.reference(pictures), expected, atol=1e-4)
    np.testing.assert_allclose(embedder.images(pictures[:1]), expected[:1], atol=1e-4)
    assert np.abs(expected[0] - expected[1]).max() > 0.001
    assert embedder.images([]).shape == (0, 4096)


def test_its_layer_is_torchvisions_fc7() -> None:
    """timm's two convolutions are torchvision's ``classifier[:5]``: fc6, fc7, rectified."""
    with torch.device("meta"):
        theirs: Any = torchvision.models.vgg16()
        ours = timm.create_model("vgg16")
    assert [tuple(each.shape) for each in theirs.features.parameters()] == [
        tuple(each.shape) for each in ours.features.parameters()
    ]
    first, second = theirs.classifier[0], theirs.classifier[3]
    assert ours.pre_logits.fc1.weight.numel() == first.weight.numel()
    assert ours.pre_logits.fc2.weight.numel() == second.weight.numel()
    small: Any = timm.models.vgg.ConvMlp(4, 6, 7, drop_rate=0.0).eval()
    fc6, fc7 = torch.nn.Linear(4 * 49, 6), torch.nn.Linear(6, 6)
    named = {"fc1": fc6, "fc2": fc7}
    for name, layer in named.items():  # as timm reads torchvision's own file
        weight = layer.weight.detach().reshape(getattr(small, name).weight.shape)
        getattr(small, name).load_state_dict({"weight": weight, "bias": layer.bias.detach()})
    seen = torch.rand(3, 4, 7, 7)
    with torch.no_grad():
        wanted = fc7(fc6(seen.flatten(1)).relu()).relu()
        np.testing.assert_allclose(small(seen).flatten(1), wanted, atol=1e-6)


def test_the_crop_is_timms(folder: Path) -> None:
    how = vgg.read_cut(folder)
    cut = timm.data.create_transform((3, 224, 224), interpolation="bilinear", crop_pct=0.875)
    for picture in [*tiny.pictures(), Image.new("RGB", (1023, 769)), Image.new("RGB", (259, 256))]:
        shown = picture
        for step in cut.transforms[:2]:
            shown = step(shown)
        np.testing.assert_array_equal(nearest(picture, how), np.asarray(shown))


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[HubServer]:
    with HubServer() as made:
        made.add("models", REPO, SHA, tiny.files(folder))
        yield made


def test_first_load_then_warm_without_network(
    server: HubServer, client: HubClient, tmp_path: Path, cache: Path
) -> None:
    first = loads(server, client, **GIVEN)
    stays(first, tmp_path, cache, **GIVEN)


@refusals
def test_a_refusal_is_one_sentence(
    server: HubServer, client: HubClient, status: int, kind: str, words: str
) -> None:
    error, said = refuses(server, client, Trouble(status=status, only="/resolve/"), **GIVEN)
    assert error == kind and words in said


def test_corrupt_weights_are_removed(server: HubServer, client: HubClient) -> None:
    error, said = refuses(server, client, Trouble(corrupt={"model.safetensors"}), **GIVEN)
    assert error == "Damaged" and "arrived damaged" in said


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("model.safetensors", "", "holds no model that can be read"),
        ("config.json", "{}", "is no configuration of timm's VGG-16"),
        ("config.json", '{"architecture": "vgg11", "pretrained_cfg": {}}', "is 'vgg11'"),
    ],
)
def test_a_broken_file_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: str, text: str, words: str
) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copy / file).write_text(text)
    with pytest.raises(Damaged, match=words):
        own(copy, monkeypatch, tmp_path / "cache")
