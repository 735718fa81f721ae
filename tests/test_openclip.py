"""OpenCLIP from a hub on loopback, with a tiny CLIP of random weights in the hub's layout."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import open_clip  # type: ignore[import-untyped]
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from retrieval.embedders import openclip, typed
from retrieval.embedders.clip_config import CONFIG, read_config
from retrieval.embedders.clip_pixels import square
from retrieval.embedders.clip_tokens import SETTINGS, TOKENS, Tokens
from retrieval.embedders.clip_towers import image_tower
from retrieval.errors import Damaged, NotReady, Refused
from tests.clipmodels import KINDS, SLOW, read, write_model
from tests.hubclient import HubClient
from tests.hubserver import HubServer, Trouble

SHA, NEXT = "a" * 40, "b" * 40
HUB = ("clip", "siglip")
"""Kinds that the hub serves: with CLIP's own tokenizer, and with one of its own."""
QUICK = [kind for kind in KINDS if kind not in SLOW]
EVERY = [*QUICK, *(pytest.param(kind, marks=pytest.mark.slow) for kind in SLOW)]
TEXTS = [
    "a bird",
    "Two   DOGS &amp; a cat's 3.14 caf\u00e9",
    "",
    "word " * 100,
    "\u65e5\u672c \U0001f426",
]
EMBED = """
from dataclasses import replace
from PIL import Image
import numpy as np
from retrieval.embedders import openclip, typed
from retrieval.readiness import state
params = (("repo", f"lab/tiny-{kind}"), ("files", tuple((name, "") for name in names)))
spec = replace(openclip.SPECS[0], dim=dim, revision=sha, params=params, bytes=6_700_000)
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


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a kind's model, written once."""
    root = tmp_path_factory.mktemp("tiny")
    return cache(lambda kind: write_model(root / kind, 0, kind))


@pytest.fixture(scope="module")
def folder(folders: Callable[[str], Path]) -> Path:
    return folders("clip")


@pytest.fixture(scope="module")
def server(folders: Callable[[str], Path]) -> Iterator[HubServer]:
    with HubServer() as made:
        for kind in HUB:
            made.add("models", f"lab/tiny-{kind}", SHA, read(folders(kind)))
        yield made


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Converted networks: converting once a revision is enough, downloading is what is tested."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def client(server: HubServer, tmp_path: Path, networks: Path) -> Iterator[HubClient]:
    """A client that has downloaded nothing."""
    server.trouble = Trouble()
    server.log.clear()
    server.sent.clear()
    with HubClient(tmp_path, server.url, networks) as made:
        yield made


def embed(client: HubClient, kind: str = "clip", sha: str = SHA, **environ: str) -> dict[str, Any]:
    """What a client embeds by a kind's model at a commit."""
    return client.run(EMBED, environ, kind=kind, sha=sha, dim=dim(kind), names=names(kind))


def names(kind: str) -> list[str]:
    return [CONFIG, TOKENS, openclip.WEIGHTS, *(SETTINGS if kind == "siglip" else ())]


def dim(kind: str) -> int:
    return int(KINDS[kind]["model_cfg"]["embed_dim"])


def own(folder: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> openclip.OpenClip:
    """The embedder of a local folder."""
    monkeypatch.setenv(openclip.VARIABLE, str(folder))
    monkeypatch.setenv("PARALLAX_CACHE", str(cache))
    monkeypatch.delenv("SPACE_ID", raising=False)
    return openclip.OpenClip(openclip._own())


def pictures(kind: str = "clip") -> list[Image.Image]:
    """Of several shapes, upright, wide, tiny, thin; but thin where open_clip itself fails."""
    noise = np.random.default_rng(0)
    sizes = [(60, 40), (33, 500), (32, 32), (7, 5), (1, 400), (640, 427)]
    if KINDS[kind]["preprocess_cfg"].get("resize_mode") == "longest":
        sizes.remove((1, 400))
    return [
        Image.fromarray(noise.integers(0, 256, (high, wide, 3), dtype=np.uint8))
        for wide, high in sizes
    ]


@pytest.mark.parametrize("kind", EVERY)
def test_vectors_are_open_clips(
    folders: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    folder = folders(kind)
    embedder = own(folder, monkeypatch, tmp_path)
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    model.eval()
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")
    with torch.no_grad():
        pixels = torch.stack([transform(picture) for picture in pictures(kind)])
        images = model.encode_image(pixels, normalize=True).numpy()
        texts = model.encode_text(tokens(TEXTS), normalize=True).numpy()
    assert min(np.ptp(images, axis=0).max(), np.ptp(texts, axis=0).max()) > 0.005  # they differ
    np.testing.assert_allclose(embedder.images(pictures(kind)), images, atol=1e-4)
    np.testing.assert_allclose(embedder.texts(TEXTS), texts, atol=1e-4)
    one = embedder.texts(TEXTS[:1])
    np.testing.assert_allclose(one, texts[:1], atol=1e-4)
    assert embedder.texts([]).shape == embedder.images([]).shape == (0, dim(kind))


@pytest.mark.parametrize("resampling", ["bicubic", "bilinear"])
@pytest.mark.parametrize("resizing", ["shortest", "squash", "longest"])
@pytest.mark.parametrize("side", [32, 225])
def test_pixels_are_open_clips(folder: Path, resizing: str, resampling: str, side: int) -> None:
    how: dict[str, Any] = {"resampling": resampling, "resizing": resizing, "fill": 200}
    config = replace(read_config(folder), size=side, **how)
    transform = open_clip.image_transform(
        side, False, resize_mode=resizing, interpolation=resampling, fill_color=200
    )
    transform.transforms = transform.transforms[:-2]  # up to the conversion to numbers
    for picture in pictures("metaclip2" if resizing == "longest" else "clip"):
        expected = np.asarray(transform(picture).convert("RGB"), dtype=np.int16)
        found = square(picture, config).astype(np.int16)
        strip = max(picture.size) > 16 * min(picture.size)  # only what is kept is resampled
        assert np.abs(found - expected).max() <= (1 if strip else 0)


@pytest.mark.parametrize("resizing", ["shortest", "squash", "longest"])
def test_a_thin_strip_costs_no_memory(folder: Path, resizing: str) -> None:
    strip = Image.new("RGB", (1, 20_000_000), "red")
    config = replace(read_config(folder), resizing=resizing)  # type: ignore[arg-type]
    assert square(strip, config).shape == (32, 32, 3)


@pytest.mark.parametrize("kind", ["clip", "siglip", "siglip2", "metaclip2"])
def test_tokens_are_open_clips(folders: Callable[[str], Path], kind: str) -> None:
    texts = [*TEXTS, "<|endoftext|> it's", "a\x00b\t\n c", "MIXED Case_42!?", "x" * 5000, "\ud800"]
    ours = Tokens(folders(kind), read_config(folders(kind)))
    theirs = open_clip.get_tokenizer(f"local-dir:{folders(kind)}")
    np.testing.assert_array_equal(ours(texts[:-1]), theirs(texts[:-1]).numpy())
    context = KINDS[kind]["model_cfg"]["text_cfg"]["context_length"]
    assert ours(texts[-1:]).shape == (1, context)
    assert ours([]).shape == (0, context)
    assert ours(["word " * 200_000]).shape == ours(["x" * 1_000_000]).shape == (1, context)


@pytest.mark.parametrize("kind", HUB)
def test_first_load_then_warm_without_network(
    server: HubServer, client: HubClient, tmp_path: Path, networks: Path, kind: str
) -> None:
    first = embed(client, kind)["answer"]
    assert (first["before"], first["after"]) == ("download", "ready")
    with HubClient(tmp_path, "http://127.0.0.1:9", networks) as other:
        for environ in ({"HF_HUB_OFFLINE": "1"}, {}):
            warm = embed(other, kind, **environ)["answer"]
            assert warm["before"] == "ready"
            np.testing.assert_allclose(warm["image"], first["image"], atol=1e-6)
            np.testing.assert_allclose(warm["text"], first["text"], atol=1e-6)
        heavy = "import sys; answer = sorted({'torch', 'transformers', 'timm'} & {*sys.modules})"
        assert other.run(heavy)["answer"] == []
    assert all("/resolve/main/" not in line for line in server.log)


@pytest.mark.parametrize("kind", HUB)
def test_another_revision_gives_other_vectors(
    server: HubServer, client: HubClient, tmp_path: Path, kind: str
) -> None:
    server.add("models", f"lab/tiny-{kind}", NEXT, read(write_model(tmp_path / "next", 1, kind)))
    one, two = embed(client, kind)["answer"], embed(client, kind, NEXT)["answer"]
    assert np.abs(np.subtract(one["text"], two["text"])).max() > 1e-3


def test_a_cut_download_resumes(server: HubServer, client: HubClient) -> None:
    whole = len(server.repos["models", "lab/tiny-clip"].commits[SHA][openclip.WEIGHTS])
    server.trouble.cut = {openclip.WEIGHTS: whole // 2}
    # The client keeps whole chunks, of 10 MB; the tiny model is smaller than one.
    client.run("from huggingface_hub import constants; constants.DOWNLOAD_CHUNK_SIZE = 1000")
    assert embed(client)["answer"]["after"] == "ready"
    assert not server.trouble.cut
    assert whole <= server.sent[openclip.WEIGHTS] < whole + 1000


REFUSALS = {
    401: ("NotReady", "set HF_TOKEN"),
    403: ("NotReady", "lab/tiny-clip is gated (403): ask for access at http"),
    404: ("Unreachable", "(404)"),
    429: ("Unreachable", "asked too often (429)"),
}


@pytest.mark.parametrize("status", REFUSALS)
def test_a_refusal_is_one_sentence(server: HubServer, client: HubClient, status: int) -> None:
    client.run("import time; time.sleep = lambda seconds: None")  # the client tries six times
    server.trouble = Trouble(status=status, only="/resolve/")
    refused = embed(client)
    kind, words = REFUSALS[status]
    assert refused["error"] == kind and words in refused["text"]
    assert "\n" not in refused["text"]
    server.trouble = Trouble()
    assert embed(client)["answer"]["after"] == "ready"  # nothing is spoilt


def test_corrupt_weights_are_removed(server: HubServer, client: HubClient) -> None:
    server.trouble.corrupt = {openclip.WEIGHTS}
    refused = embed(client)
    assert refused["error"] == "Damaged"
    assert f"{openclip.WEIGHTS} of lab/tiny-clip arrived damaged" in refused["text"]
    server.trouble = Trouble()
    assert embed(client)["answer"]["before"] == "download"


def test_a_wrong_commit_is_not_used(server: HubServer, client: HubClient) -> None:
    server.trouble.wrong_commit = NEXT
    refused = embed(client)
    assert refused["error"] == "Damaged" and "gave another commit" in refused["text"]


def test_redirects_to_a_content_network(server: HubServer, client: HubClient) -> None:
    server.trouble.redirect = True
    assert "error" not in embed(client)
    assert any(line.startswith("GET /cdn/") for line in server.log)


def test_a_missing_tokenizer_is_no_default(
    server: HubServer, client: HubClient, folder: Path
) -> None:
    files = read(folder)
    del files[TOKENS]
    server.add("models", "lab/tiny-clip", "c" * 40, files)
    refused = embed(client, sha="c" * 40)
    assert refused["error"] == "Unreachable" and "(404)" in refused["text"]


def test_offline_and_cold_is_said(server: HubServer, client: HubClient) -> None:
    refused = embed(client, HF_HUB_OFFLINE="1")
    assert refused["error"] == "Unreachable"
    assert "HF_HUB_OFFLINE forbids asking the hub" in refused["text"]
    assert server.log == []


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


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


def test_what_is_offered_is_open_clips() -> None:
    offered = [spec for spec in openclip.SPECS if spec.param("repo")]
    known = dict(line.split(" ") for line in typed.TAGS.read_text("utf-8").splitlines())
    for spec in offered:
        tags = [tag for tag, repo in known.items() if repo == spec.param("repo")]
        sizes = [open_clip.get_model_config(tag.partition("/")[0]) for tag in tags]
        assert (spec.dim, spec.side) in [
            (each["embed_dim"], each["vision_cfg"]["image_size"]) for each in sizes
        ]
        assert spec.parameters > 10**7 and spec.licence and len(spec.revision) in (0, 40)
        cfg = open_clip.get_pretrained_cfg(*tags[0].split("/"))
        how = "squashed" if cfg["resize_mode"] == "squash" else "shortest side"
        assert spec.preprocessing.startswith(f"{how} {cfg['interpolation']}"), spec.name


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
