"""OpenCLIP from a hub on loopback, with a tiny CLIP of random weights in the hub's layout."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import open_clip  # type: ignore[import-untyped]
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from retrieval.embedders import openclip
from retrieval.embedders.clip_config import CONFIG, read_config
from retrieval.embedders.clip_tokens import Tokens
from retrieval.errors import Damaged, NotReady, Refused
from tests.hubclient import HubClient
from tests.hubserver import HubServer, Trouble

REPO, SHA, NEXT = "lab/tiny-clip", "a" * 40, "b" * 40
FILES = (CONFIG, openclip.TOKENS, openclip.WEIGHTS)
TEXTS = [
    "a bird",
    "Two   DOGS &amp; a cat's 3.14 caf\u00e9",
    "",
    "word " * 100,
    "\u65e5\u672c \U0001f426",
]
MODEL: dict[str, Any] = {
    "model_cfg": {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
        "text_cfg": {
            "context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1,
        },
    },
    "preprocess_cfg": {
        "mean": [0.48145466, 0.4578275, 0.40821073],
        "std": [0.26862954, 0.26130258, 0.27577711],
    },
}  # fmt: skip
EMBED = """
from dataclasses import replace
from PIL import Image
import numpy as np
from retrieval.embedders import openclip
from retrieval.readiness import state
files = tuple((name, "") for name in (openclip.CONFIG, openclip.TOKENS, openclip.WEIGHTS))
params = (("repo", "lab/tiny-clip"), ("files", files))
spec = replace(openclip.SPECS[0], dim=16, revision=sha, params=params, bytes=6_700_000)
before = state(spec).kind
embedder = openclip.OpenClip(spec)
image = Image.fromarray(np.arange(40 * 60 * 3, dtype=np.uint32).astype(np.uint8).reshape(40, 60, 3))
answer = {
    "before": before,
    "after": state(spec).kind,
    "image": embedder.images([image])[0].tolist(),
    "text": embedder.texts(["a bird"])[0].tolist(),
}
"""


def write_tokenizer(path: Path) -> None:
    """open_clip's byte pairs in the hub's ``tokenizer.json``, laid out as CLIP's is."""
    theirs = open_clip.SimpleTokenizer()
    words = {
        {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}.get(word, word): at
        for word, at in theirs.encoder.items()
    }
    merges = sorted(theirs.bpe_ranks, key=theirs.bpe_ranks.__getitem__)
    made = Tokenizer(
        models.BPE(words, merges, end_of_word_suffix="</w>", unk_token="<|endoftext|>")
    )
    made.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    pattern = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.add_special_tokens(["<|startoftext|>", "<|endoftext|>"])
    made.save(str(path))


def write_model(folder: Path, seed: int) -> None:
    """A model of random weights in the hub's layout."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).write_text(json.dumps(MODEL))
    write_tokenizer(folder / openclip.TOKENS)
    torch.manual_seed(seed)
    model = open_clip.model.CLIP(**MODEL["model_cfg"])
    save_file(
        {name: tensor.contiguous() for name, tensor in model.state_dict().items()},
        folder / openclip.WEIGHTS,
    )


def read(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tiny")
    write_model(made, 0)
    return made


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[HubServer]:
    with HubServer() as made:
        made.add("models", REPO, SHA, read(folder))
        yield made


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Converted networks: converting once a revision is enough, downloading is what is tested."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def client(server: HubServer, tmp_path: Path, cache: Path) -> Iterator[HubClient]:
    """A client that has downloaded nothing."""
    server.trouble = Trouble()
    server.log.clear()
    server.sent.clear()
    with HubClient(tmp_path, server.url, cache) as made:
        yield made


def own(folder: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> openclip.OpenClip:
    """The embedder of a local folder."""
    monkeypatch.setenv(openclip.VARIABLE, str(folder))
    monkeypatch.setenv("PARALLAX_CACHE", str(cache))
    monkeypatch.delenv("SPACE_ID", raising=False)
    return openclip.OpenClip(openclip._own())


def pictures() -> list[Image.Image]:
    """Of several shapes, upright, wide, tiny, thin."""
    noise = np.random.default_rng(0)
    sizes = [(60, 40), (33, 500), (32, 32), (7, 5), (1, 400), (640, 427)]
    return [
        Image.fromarray(noise.integers(0, 256, (high, wide, 3), dtype=np.uint8))
        for wide, high in sizes
    ]


def test_vectors_are_open_clips(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    embedder = own(folder, monkeypatch, tmp_path)
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    model.eval()
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")
    with torch.no_grad():
        pixels = torch.stack([transform(picture) for picture in pictures()])
        images = model.encode_image(pixels, normalize=True).numpy()
        texts = model.encode_text(tokens(TEXTS), normalize=True).numpy()
    np.testing.assert_allclose(embedder.images(pictures()), images, atol=1e-4)
    np.testing.assert_allclose(embedder.texts(TEXTS), texts, atol=1e-4)
    one = embedder.texts(TEXTS[:1])
    np.testing.assert_allclose(one, texts[:1], atol=1e-4)
    assert embedder.texts([]).shape == embedder.images([]).shape == (0, 16)


def test_the_crop_is_torchvisions(folder: Path) -> None:
    config = replace(read_config(folder), size=224)
    _, _, transform = open_clip.create_model_and_transforms(
        f"local-dir:{folder}", force_image_size=224, load_weights=False
    )
    transform.transforms = transform.transforms[:-2]  # up to the conversion to numbers
    for picture in pictures():
        expected = np.asarray(transform(picture).convert("RGB"), dtype=np.int16)
        found = openclip._square(picture, config).astype(np.int16)
        assert np.abs(found - expected).max() <= 1


def test_a_thin_strip_costs_no_memory(folder: Path) -> None:
    strip = Image.new("RGB", (1, 20_000_000), "red")
    assert openclip._square(strip, read_config(folder)).shape == (32, 32, 3)


def test_tokens_are_open_clips(folder: Path) -> None:
    texts = [*TEXTS, "<|endoftext|> it's", "a\x00b\t\n c", "MIXED Case_42!?", "x" * 5000, "\ud800"]
    ours = Tokens(folder / openclip.TOKENS, 77, 49408)
    theirs = open_clip.get_tokenizer(f"local-dir:{folder}")
    np.testing.assert_array_equal(ours(texts[:-1]), theirs(texts[:-1]).numpy())
    assert ours(texts[-1:]).shape == (1, 77)


def test_first_load_then_warm_without_network(
    server: HubServer, client: HubClient, tmp_path: Path, cache: Path
) -> None:
    first = client.run(EMBED, sha=SHA)["answer"]
    assert (first["before"], first["after"]) == ("download", "ready")
    with HubClient(tmp_path, "http://127.0.0.1:9", cache) as other:
        for environ in ({"HF_HUB_OFFLINE": "1"}, {}):
            warm = other.run(EMBED, environ, sha=SHA)["answer"]
            assert warm["before"] == "ready"
            np.testing.assert_allclose(warm["image"], first["image"], atol=1e-6)
            np.testing.assert_allclose(warm["text"], first["text"], atol=1e-6)
        torchless = other.run("import sys; answer = 'torch' in sys.modules")["answer"]
    assert torchless is False
    assert all("/resolve/main/" not in line for line in server.log)


def test_another_revision_gives_other_vectors(
    server: HubServer, client: HubClient, tmp_path: Path
) -> None:
    write_model(tmp_path / "next", 1)
    server.add("models", REPO, NEXT, read(tmp_path / "next"))
    one = client.run(EMBED, sha=SHA)["answer"]
    two = client.run(EMBED, sha=NEXT)["answer"]
    assert np.abs(np.subtract(one["text"], two["text"])).max() > 1e-3


def test_a_cut_download_resumes(server: HubServer, client: HubClient) -> None:
    whole = len(server.repos["models", REPO].commits[SHA][openclip.WEIGHTS])
    server.trouble.cut = {openclip.WEIGHTS: whole // 2}
    # The client keeps whole chunks, of 10 MB; the tiny model is smaller than one.
    client.run("from huggingface_hub import constants; constants.DOWNLOAD_CHUNK_SIZE = 1000")
    assert client.run(EMBED, sha=SHA)["answer"]["after"] == "ready"
    assert not server.trouble.cut
    assert whole <= server.sent[openclip.WEIGHTS] < whole + 1000


REFUSALS = {
    401: ("NotReady", "set HF_TOKEN"),
    403: ("NotReady", f"{REPO} is gated (403): ask for access at http"),
    404: ("Unreachable", "(404)"),
    429: ("Unreachable", "asked too often (429)"),
}


@pytest.mark.parametrize("status", REFUSALS)
def test_a_refusal_is_one_sentence(server: HubServer, client: HubClient, status: int) -> None:
    client.run("import time; time.sleep = lambda seconds: None")  # the client tries six times
    server.trouble = Trouble(status=status, only="/resolve/")
    refused = client.run(EMBED, sha=SHA)
    kind, words = REFUSALS[status]
    assert refused["error"] == kind and words in refused["text"]
    assert "\n" not in refused["text"]
    server.trouble = Trouble()
    assert client.run(EMBED, sha=SHA)["answer"]["after"] == "ready"  # nothing is spoilt


def test_corrupt_weights_are_removed(server: HubServer, client: HubClient) -> None:
    server.trouble.corrupt = {openclip.WEIGHTS}
    refused = client.run(EMBED, sha=SHA)
    assert refused["error"] == "Damaged"
    assert f"{openclip.WEIGHTS} of {REPO} arrived damaged" in refused["text"]
    server.trouble = Trouble()
    assert client.run(EMBED, sha=SHA)["answer"]["before"] == "download"


def test_a_wrong_commit_is_not_used(server: HubServer, client: HubClient) -> None:
    server.trouble.wrong_commit = NEXT
    refused = client.run(EMBED, sha=SHA)
    assert refused["error"] == "Damaged" and "gave another commit" in refused["text"]


def test_redirects_to_a_content_network(server: HubServer, client: HubClient) -> None:
    server.trouble.redirect = True
    assert "error" not in client.run(EMBED, sha=SHA)
    assert any(line.startswith("GET /cdn/") for line in server.log)


def test_a_missing_tokenizer_is_no_default(
    server: HubServer, client: HubClient, folder: Path
) -> None:
    files = read(folder)
    del files[openclip.TOKENS]
    server.add("models", REPO, "c" * 40, files)
    refused = client.run(EMBED, sha="c" * 40)
    assert refused["error"] == "Unreachable" and "(404)" in refused["text"]


def test_offline_and_cold_is_said(server: HubServer, client: HubClient) -> None:
    refused = client.run(EMBED, {"HF_HUB_OFFLINE": "1"}, sha=SHA)
    assert refused["error"] == "Unreachable"
    assert "HF_HUB_OFFLINE forbids asking the hub" in refused["text"]
    assert server.log == []


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


@pytest.mark.parametrize("name", FILES)
def test_a_local_folder_must_be_complete(
    copy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    (copy / name).unlink()
    with pytest.raises(Damaged, match=f"has no {name}"):
        own(copy, monkeypatch, tmp_path / "cache")


def test_another_tokenizer_is_refused(
    copy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = json.loads((copy / openclip.TOKENS).read_text())
    whole["model"]["merges"] = whole["model"]["merges"][:1000]
    (copy / openclip.TOKENS).write_text(json.dumps(whole))
    with pytest.raises(Damaged, match="not the tokenizer that its model was trained with"):
        own(copy, monkeypatch, tmp_path / "cache")


def test_a_tokenizer_of_other_size_is_refused(copy: Path) -> None:
    with pytest.raises(Damaged, match="a model of 1,000 tokens wants"):
        Tokens(copy / openclip.TOKENS, 77, 1000)


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("text_cfg", "hf_tokenizer_name", "bert-base-uncased"),
        ("text_cfg", "hf_model_name", "roberta-base"),
        ("preprocess_cfg", "resize_mode", "squash"),
        ("preprocess_cfg", "interpolation", "nearest"),
    ],
)
def test_what_is_not_read_is_refused(copy: Path, part: str, field: str, value: str) -> None:
    whole = json.loads((copy / CONFIG).read_text())
    (whole["model_cfg"] if part == "text_cfg" else whole)[part][field] = value
    (copy / CONFIG).write_text(json.dumps(whole))
    with pytest.raises(Damaged, match=field):
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
