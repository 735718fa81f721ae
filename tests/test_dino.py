"""DINO from a hub on loopback, by tiny models of every kind against transformers itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil

from retrieval import hub
from retrieval.embedders import dino, pixels
from retrieval.embedders.processor import NAME, read_processor
from retrieval.errors import Damaged
from retrieval.readiness import state
from retrieval.store import vectors_key
from retrieval.types import Spec
from tests import tiny
from tests.fakes import Colours
from tests.hubclient import HubClient
from tests.hubserver import HubServer, Trouble

REPO, SHA = "lab/tiny-dino", "a" * 40
COMMON: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
}  # fmt: skip
EMBED = """
from dataclasses import replace
from PIL import Image
import numpy as np
from retrieval.embedders import dino
from retrieval.readiness import state
plain = next(each for each in dino.SPECS if each.name == name)
params = tuple({**dict(plain.params), "repo": "lab/tiny-dino"}.items())
spec = replace(plain, dim=32, revision=sha, params=params)
before = state(spec).kind
embedder = dino.Dino(spec)
image = Image.fromarray(np.arange(40 * 60 * 3, dtype=np.uint32).astype(np.uint8).reshape(40, 60, 3))
answer = {
    "before": before,
    "after": state(spec).kind,
    "image": embedder.images([image])[0].tolist(),
}
"""


def models() -> dict[str, Any]:
    """A model of each kind, and the processor that the hub has beside it."""
    second = transformers.Dinov2Config(**COMMON, image_size=70, patch_size=14)
    registers = transformers.Dinov2WithRegistersConfig(
        **COMMON, image_size=70, patch_size=14, num_register_tokens=4
    )
    third = transformers.DINOv3ViTConfig(**COMMON, num_register_tokens=4)
    conv = transformers.DINOv3ConvNextConfig(hidden_sizes=[8, 8, 16, 32], depths=[1, 1, 1, 1])
    return {
        "dinov2": transformers.Dinov2Model(second),
        "dinov2_with_registers": transformers.Dinov2WithRegistersModel(registers),
        "dinov3_vit": transformers.DINOv3ViTModel(third),
        "dinov3_convnext": transformers.DINOv3ConvNextModel(conv),
    }


IMAGENET: dict[str, Any] = {
    "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
}  # fmt: skip
SECOND: dict[str, Any] = {
    "size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224},
    "resample": 3, **IMAGENET,
}  # fmt: skip


def processor(kind: str) -> Any:
    """As the library would save it."""
    if kind.startswith("dinov3"):
        return transformers.DINOv3ViTImageProcessor()
    return transformers.BitImageProcessor(**SECOND)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("tiny")
    return {
        kind: tiny.save(root / kind, model, processor(kind)) for kind, model in models().items()
    }


KINDS = {
    "dinov2": "dinov2-s",
    "dinov2_with_registers": "dinov2-b-registers",
    "dinov3_vit": "dinov3-s",
    "dinov3_convnext": "dinov3-convnext-t",
}


def spec_of(name: str) -> Spec:
    return replace(next(each for each in dino.SPECS if each.name == name), dim=32)


def own(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch, cache: Path) -> dino.Dino:
    """The embedder of a folder, as if it had been downloaded."""
    monkeypatch.setattr(hub, "download", lambda *_: (folder, False))
    monkeypatch.setattr(hub, "verify", lambda *_: None)
    monkeypatch.setenv("PARALLAX_CACHE", str(cache))
    return dino.Dino(spec_of(name))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def theirs(folder: Path, kind: str, pooling: str) -> Any:
    """What transformers gives, each picture by its own processor."""
    tiny.quiet()
    made = transformers.AutoModel.from_pretrained(str(folder)).eval()
    pil = BitImageProcessorPil(**SECOND)
    loader: Any = transformers.AutoImageProcessor
    cut = pil if kind.startswith("dinov2") else loader.from_pretrained(str(folder))
    shown = torch.cat([cut(each, return_tensors="pt")["pixel_values"] for each in tiny.pictures()])
    with torch.no_grad():
        out = made(pixel_values=shown)
    tokens = out.last_hidden_state[:, 1 + getattr(made.config, "num_register_tokens", 0) :]
    if pooling == "gem":
        return tiny.normal(tokens.clamp(min=1e-6).pow(3).mean(1).pow(1 / 3))
    return tiny.normal(tokens.mean(1) if pooling else out.pooler_output)


CASES = [
    (kind, pooling)
    for kind in KINDS
    for pooling in dino.POOLINGS
    if (kind, pooling) != ("dinov3_convnext", "mean")
]


@pytest.mark.parametrize(("kind", "pooling"), CASES)
def test_vectors_are_the_librarys(
    folders: dict[str, Path],
    kind: str,
    pooling: str,
    monkeypatch: pytest.MonkeyPatch,
    cache: Path,
) -> None:
    name = "-".join(filter(None, (KINDS[kind], pooling)))
    embedder = own(folders[kind], name, monkeypatch, cache)
    expected = theirs(folders[kind], kind, pooling).numpy()
    several = embedder.images(tiny.pictures())
    np.testing.assert_allclose(several, expected, atol=1e-4)
    np.testing.assert_allclose(embedder.images(tiny.pictures()[:1]), expected[:1], atol=1e-4)
    np.testing.assert_allclose(embedder.reference(tiny.pictures()), expected, atol=1e-4)
    assert embedder.images([]).shape == (0, 32)


def test_the_tiny_models_tell_poolings_apart(folders: dict[str, Path]) -> None:
    for kind, folder in folders.items():
        made = [theirs(folder, kind, pooling) for pooling in ("", "gem")]
        assert (made[0] - made[1]).abs().max() > 0.01, kind


def test_pictures_are_cut_as_the_library_cuts_them(folders: dict[str, Path]) -> None:
    middle = read_processor(folders["dinov2"])
    whole = read_processor(folders["dinov3_vit"])
    plain: dict[str, Any] = {"do_rescale": False, "do_normalize": False}
    bit = BitImageProcessorPil(**SECOND, **plain)
    fast = transformers.BitImageProcessor(**SECOND, **plain)
    third = transformers.DINOv3ViTImageProcessor(do_normalize=False)
    for picture in [*tiny.pictures(), Image.new("RGB", (1023, 769), "teal")]:
        found = pixels.middle(picture, middle).transpose(2, 0, 1)
        shown = [each(picture, return_tensors="np")["pixel_values"][0] for each in (bit, fast)]
        np.testing.assert_array_equal(found, shown[0])
        off = np.abs(found.astype(int) - shown[1])  # its torchvision rounds more coarsely
        assert off.max() <= 2 and (off > 0).mean() < 0.01
        expected = third(picture, return_tensors="np")["pixel_values"][0]
        given = pixels.stretched(picture, whole).transpose(2, 0, 1) / 255
        np.testing.assert_allclose(given, expected, atol=2e-5)


def test_a_thin_strip_costs_no_memory(folders: dict[str, Path]) -> None:
    strip = Image.new("RGB", (1, 20_000_000), "red")
    assert pixels.middle(strip, read_processor(folders["dinov2"])).shape == (224, 224, 3)


def test_poolings_share_a_network_but_no_vectors(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    names = ["dinov2-s", "dinov2-s-mean", "dinov2-s-gem"]
    made = [own(folders["dinov2"], name, monkeypatch, cache) for name in names]
    assert len({id(each._network) for each in made}) == 1
    keys = [vectors_key(Colours(3), each.spec) for each in made]
    assert (
        len({key["preprocessing"] for key in keys}) == len({key["embedder"] for key in keys}) == 3
    )


@pytest.fixture(scope="module")
def server(folders: dict[str, Path]) -> Iterator[HubServer]:
    with HubServer() as made:
        made.add("models", REPO, SHA, tiny.files(folders["dinov2"]))
        yield made


def test_first_load_then_warm_without_network(
    server: HubServer, client: HubClient, tmp_path: Path, cache: Path
) -> None:
    first = client.run(EMBED, sha=SHA, name="dinov2-s")["answer"]
    assert (first["before"], first["after"]) == ("download", "ready")
    with HubClient(tmp_path, "http://127.0.0.1:9", cache) as other:
        for environ in ({"HF_HUB_OFFLINE": "1"}, {}):
            warm = other.run(EMBED, environ, sha=SHA, name="dinov2-s-mean")["answer"]
            assert warm["before"] == "ready"
        warm = other.run(EMBED, environ, sha=SHA, name="dinov2-s")["answer"]
        np.testing.assert_allclose(warm["image"], first["image"], atol=1e-6)
        heavy = "import sys; answer = [each in sys.modules for each in ('torch', 'transformers')]"
        assert other.run(heavy)["answer"] == [False, False]
    wanted = {f"/{REPO}/resolve/{SHA}/{file}" for file, _ in dict(dino.SPECS[0].params)["files"]}
    asked = {line.partition(" ")[2] for line in server.log}
    assert asked - {"/api/models"} == wanted  # transformers itself asks the hub for nothing


KEPT = """
from dataclasses import replace
from PIL import Image
from retrieval import commits
from retrieval.embedders import dino
from retrieval.readiness import state
plain = next(each for each in dino.SPECS if each.name == "dinov2-s-registers")
assert plain.revision == ""
params = tuple({**dict(plain.params), "repo": "lab/tiny-registers"}.items())
spec = replace(plain, dim=32, params=params)
before = state(spec).kind
embedder = dino.Dino(spec)
embedder.images([Image.new("RGB", (40, 60), "teal")])
answer = [before, state(commits.settled(spec)).kind, embedder.spec.revision]
"""


def test_a_commit_that_nobody_pinned_is_kept(
    server: HubServer, client: HubClient, folders: dict[str, Path]
) -> None:
    shown = tiny.files(folders["dinov2_with_registers"])
    server.add("models", "lab/tiny-registers", SHA, shown)
    assert client.run(KEPT)["answer"] == ["download", "ready", SHA]
    server.add("models", "lab/tiny-registers", "b" * 40, shown)
    assert client.run(KEPT)["answer"] == ["ready", "ready", SHA]


REFUSALS = {
    401: ("NotReady", "set HF_TOKEN"),
    403: ("NotReady", f"{REPO} is gated (403): ask for access at http"),
    404: ("Unreachable", "(404)"),
}


@pytest.mark.parametrize("status", REFUSALS)
def test_a_refusal_is_one_sentence(server: HubServer, client: HubClient, status: int) -> None:
    server.trouble = Trouble(status=status, only="/resolve/")
    refused = client.run(EMBED, sha=SHA, name="dinov3-s")
    kind, words = REFUSALS[status]
    assert refused["error"] == kind and words in refused["text"]
    assert "\n" not in refused["text"]


def test_corrupt_weights_are_removed(server: HubServer, client: HubClient) -> None:
    server.trouble.corrupt = {"model.safetensors"}
    refused = client.run(EMBED, sha=SHA, name="dinov2-s")
    assert refused["error"] == "Damaged" and "arrived damaged" in refused["text"]
    server.trouble = Trouble()
    assert client.run(EMBED, sha=SHA, name="dinov2-s")["answer"]["before"] == "download"


def test_the_gated_ones_say_where_to_ask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    for name in ("HF_HUB_CACHE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    for spec in dino.SPECS:
        third = spec.name.startswith("dinov3")
        assert bool(spec.gated) == third
        assert spec.licence is not None
        assert spec.licence.commercial == ("conditions" if third else "yes")
        if third:
            assert state(spec).kind == "gated" and spec.source in state(spec).reason


@pytest.fixture
def copy(folders: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(folders["dinov2"], tmp_path / "copy"))


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
