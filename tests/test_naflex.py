"""SigLIP 2 NaFlex from a hub on loopback, by a tiny one against transformers itself."""

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
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil

from retrieval.embedders import naflex, pixels
from retrieval.embedders.processor import NAME, read_processor
from retrieval.errors import Damaged
from tests import tiny
from tests.hubclient import HubClient
from tests.hubloads import downloaded, loads, refusals, refuses, stays
from tests.hubserver import HubServer, Trouble

REPO, SHA = "lab/tiny-naflex", "a" * 40
TEXTS = ["a bird", "Two   DOGS & a cat's 3.14 caf\u00e9", "", "word " * 100, "\u65e5 \U0001f426"]
GIVEN: dict[str, Any] = {"name": "siglip2-naflex-b", "repo": REPO, "sha": SHA, "dim": 32}


def write_tokenizer(folder: Path) -> None:
    """A few words and every byte, laid out as Gemma's tokenizer is on the hub."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    letters = sorted(set("abcdefghijklmnopqrstuvwxyz0123456789.,&'!\u2581\u00e9"))
    words = [*special, *(f"<0x{each:02X}>" for each in range(256)), *letters, "bi", "ir", "do"]
    merges = [("b", "i"), ("i", "r"), ("d", "o")]
    vocab = {word: at for at, word in enumerate(words)}
    made = Tokenizer(
        models.BPE(vocab, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    made.normalizer = normalizers.Replace(" ", "\u2581")
    made.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    made.post_processor = processors.TemplateProcessing(
        single="$A <eos>", special_tokens=[("<eos>", 1)]
    )
    made.add_special_tokens(special)
    made.save(str(folder / "tokenizer.json"))
    told = {
        "tokenizer_class": "GemmaTokenizer", "add_bos_token": False, "add_eos_token": True,
        "padding_side": "right", "pad_token": "<pad>", "eos_token": "<eos>", "bos_token": "<bos>",
        "unk_token": "<unk>", "model_max_length": 64, "do_lower_case": True,
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    (folder / "special_tokens_map.json").write_text(json.dumps({"pad_token": "<pad>"}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("naflex")
    shape: dict[str, Any] = {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 64,
    }  # fmt: skip
    config = transformers.Siglip2Config(
        vision_config={**shape, "num_patches": 256, "patch_size": 16},
        text_config={
            **shape, "vocab_size": 320, "projection_size": 32, "pad_token_id": 0,
            "bos_token_id": 2, "eos_token_id": 1,
        },
    )  # fmt: skip
    tiny.save(made, transformers.Siglip2Model(config), transformers.Siglip2ImageProcessor())
    write_tokenizer(made)
    return made


def own(folder: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> naflex.NaFlex:
    """The embedder of a folder, as if it had been downloaded."""
    downloaded(folder, monkeypatch, cache)
    return naflex.NaFlex(replace(naflex.SPECS[0], dim=32))


def test_vectors_are_the_librarys(
    folder: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    embedder = own(folder, monkeypatch, cache)
    made = transformers.AutoModel.from_pretrained(str(folder)).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder))
    pictures = [each for each in tiny.pictures() if each.width > 1]  # torch errs in one column
    shown = Siglip2ImageProcessorPil()(pictures, return_tensors="pt")
    read = tokenizer(TEXTS, **naflex.SETTINGS, return_tensors="pt")
    with torch.no_grad():
        images = tiny.normal(made.get_image_features(**shown).pooler_output).numpy()
        texts = tiny.normal(made.get_text_features(read["input_ids"]).pooler_output).numpy()
    np.testing.assert_allclose(embedder.images(pictures), images, atol=1e-4)
    np.testing.assert_allclose(embedder.images(pictures[:1]), images[:1], atol=1e-4)
    np.testing.assert_allclose(embedder.texts(TEXTS), texts, atol=1e-4)
    np.testing.assert_allclose(embedder.texts(TEXTS[:1]), texts[:1], atol=1e-4)
    assert np.abs(images[0] - images[1]).max() > 0.01 and np.abs(texts[0] - texts[1]).max() > 0.01
    assert embedder.texts([]).shape == embedder.images([]).shape == (0, 32)


def test_patches_are_the_librarys(folder: Path) -> None:
    how = read_processor(folder)
    plain = Siglip2ImageProcessorPil(do_rescale=False, do_normalize=False)
    for picture in [*tiny.pictures(), Image.new("RGB", (1023, 769), "teal")]:
        found, shape = pixels.patches(picture, how)
        theirs = plain(picture, return_tensors="np")
        assert tuple(theirs["spatial_shapes"][0]) == shape
        np.testing.assert_array_equal(found, theirs["pixel_values"][0][: len(found)])


@pytest.mark.parametrize("shape", [(16, 16), (8, 32), (1, 256), (128, 2), (13, 19), (3, 5)])
def test_positions_are_resampled_as_torch_does(shape: tuple[int, int]) -> None:
    table = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    wanted = torch.nn.functional.interpolate(
        table, shape, mode="bilinear", align_corners=False, antialias=True
    )
    rows = table.reshape(4, 256).numpy()
    found = rows @ naflex.resampled(16, *shape).T
    np.testing.assert_allclose(found, wanted.reshape(4, -1).numpy(), atol=1e-5)


def test_tokens_are_the_librarys(
    folder: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    texts = [*TEXTS, "<eos> it's", "a\x00b\t\n c", "MIXED Case_42!?", "x" * 5000]
    ours = own(folder, monkeypatch, cache)._tokens
    theirs = transformers.AutoTokenizer.from_pretrained(str(folder))
    wanted = theirs(texts, **naflex.SETTINGS, return_tensors="np")["input_ids"]
    np.testing.assert_array_equal(ours(texts)[0], wanted)
    assert ours(["\ud800", "word " * 200_000])[0].shape == (2, naflex.LONGEST)
    np.testing.assert_array_equal(ours(["A BIRD"])[0], ours(["a bird"])[0])


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


def test_a_broken_tokenizer_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copy / "tokenizer.json").write_text("{}")
    with pytest.raises(Damaged, match="the tokenizer of .* cannot be read"):
        own(copy, monkeypatch, tmp_path / "cache")


def test_a_kept_tokenizer_that_changed_is_made_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    before = own(folder, monkeypatch, cache)._tokens(TEXTS)[0]
    [kept] = (cache / "tokenizers").glob("*/tokenizer.json")
    kept.write_text(kept.read_text().replace("bird", "drib").replace('"a"', '"z"'))
    np.testing.assert_array_equal(own(folder, monkeypatch, cache)._tokens(TEXTS)[0], before)


def test_a_model_of_fixed_pictures_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    told = {
        "image_processor_type": "CLIPImageProcessor", "size": 224, "crop_size": 224,
        "resample": 3, "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
    }  # fmt: skip
    (copy / NAME).write_text(json.dumps(told))
    with pytest.raises(Damaged, match="is no NaFlex of 32 numbers"):
        own(copy, monkeypatch, tmp_path / "cache")
