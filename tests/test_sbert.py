"""sentence-transformers' CLIP family from a hub on loopback, by tiny ones in its own layout."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from retrieval import hub
from retrieval.embedders import pretrained, sbert
from retrieval.errors import Damaged
from retrieval.readiness import state
from retrieval.types import Spec
from tests import tiny
from tests.hubclient import HubClient
from tests.hubserver import HubServer, Trouble
from tests.sbertmodels import write_clip, write_multilingual

CLIP, MULTI = "lab/tiny-clip", "lab/tiny-multilingual"
SHA, TEXT_SHA = "a" * 40, "b" * 40
TEXTS = ["a bird", "Two   DOGS & a cat's 3.14", "", "word " * 100, "ein Vogel"]
EMBED = """
from dataclasses import replace
from PIL import Image
import numpy as np
from retrieval.embedders import sbert
from retrieval.readiness import state
plain = next(each for each in sbert.SPECS if each.name == name)
files = lambda told: tuple((file, "") for file, _ in told)
params = {**dict(plain.params), "repo": repo, "files": files(plain.param("files"))}
if plain.param("beside"):
    params["beside"] = (("lab/tiny-clip", "a" * 40, files(plain.param("beside")[0][2])),)
spec = replace(plain, dim=16, revision=sha, params=tuple(params.items()))
before = state(spec).kind
embedder = sbert.Sbert(spec)
image = Image.fromarray(np.arange(40 * 60 * 3, dtype=np.uint32).astype(np.uint8).reshape(40, 60, 3))
answer = {
    "before": before,
    "after": state(spec).kind,
    "image": embedder.images([image])[0].tolist(),
    "text": embedder.texts(["a bird"])[0].tolist(),
}
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("tiny")
    clip, multi = root / "clip", root / "multi"
    clip.mkdir()
    multi.mkdir()
    return {CLIP: write_clip(clip), MULTI: write_multilingual(multi)}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def own(
    folders: dict[str, Path], name: str, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> sbert.Sbert:
    """The embedder of folders, as if they had been downloaded."""

    def here(repo: str, *_: Any) -> tuple[Path, bool]:
        return folders[MULTI if "multilingual" in repo else CLIP], False

    monkeypatch.setattr(hub, "download", here)
    monkeypatch.setattr(hub, "verify", lambda *_: None)
    monkeypatch.setenv("PARALLAX_CACHE", str(cache))
    return sbert.Sbert(replace(spec_of(name), dim=16))


def spec_of(name: str) -> Spec:
    return next(each for each in sbert.SPECS if each.name == name)


@pytest.mark.parametrize(
    ("name", "repo"), [("st-clip-vit-b-32", CLIP), ("st-clip-vit-b-32-multilingual", MULTI)]
)
def test_vectors_are_the_librarys(
    folders: dict[str, Path],
    name: str,
    repo: str,
    monkeypatch: pytest.MonkeyPatch,
    cache: Path,
) -> None:
    pretrained.quiet()
    embedder = own(folders, name, monkeypatch, cache)
    plain: dict[str, Any] = {"normalize_embeddings": True, "show_progress_bar": False}
    pil = {"backend": "pil"}  # its torchvision rounds otherwise
    towers = SentenceTransformer(str(folders[CLIP]), device="cpu", processor_kwargs=pil)
    words = SentenceTransformer(str(folders[repo]), device="cpu")
    images = towers.encode(tiny.pictures(), **plain)
    texts = words.encode(TEXTS, **plain)
    np.testing.assert_allclose(embedder.images(tiny.pictures()), images, atol=1e-4)
    np.testing.assert_allclose(embedder.images(tiny.pictures()[:1]), images[:1], atol=1e-4)
    np.testing.assert_allclose(embedder.texts(TEXTS), texts, atol=1e-4)
    for at, text in enumerate(TEXTS):
        np.testing.assert_allclose(embedder.texts([text])[0], texts[at], atol=1e-4)
    for made in (images[:2], texts[[0, 4]]):  # or the comparison would show nothing
        assert np.abs(made[0] - made[1]).max() > 0.005
    assert embedder.texts([]).shape == embedder.images([]).shape == (0, 16)
    assert np.isfinite(embedder.texts(["\ud800", "a\0b", "x" * 1_000_000])).all()


def test_the_multilingual_pictures_are_those_of_clip(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    one = own(folders, "st-clip-vit-b-32", monkeypatch, cache)
    two = own(folders, "st-clip-vit-b-32-multilingual", monkeypatch, cache)
    assert one._image_net is two._image_net and one._text_net is not two._text_net
    assert spec_of("st-clip-vit-b-32").revision in two.spec.preprocessing


@pytest.fixture(scope="module")
def server(folders: dict[str, Path]) -> Iterator[HubServer]:
    with HubServer() as made:
        made.add("models", CLIP, SHA, tiny.files(folders[CLIP]))
        made.add("models", MULTI, TEXT_SHA, tiny.files(folders[MULTI]))
        yield made


def test_first_load_then_warm_without_network(
    server: HubServer, client: HubClient, tmp_path: Path, cache: Path
) -> None:
    given: dict[str, Any] = {
        "sha": TEXT_SHA,
        "repo": MULTI,
        "name": "st-clip-vit-b-32-multilingual",
    }
    first = client.run(EMBED, **given)["answer"]
    assert (first["before"], first["after"]) == ("download", "ready")
    with HubClient(tmp_path, "http://127.0.0.1:9", cache) as other:
        warm = other.run(EMBED, {"HF_HUB_OFFLINE": "1"}, **given)["answer"]
        assert warm["before"] == "ready"
        np.testing.assert_allclose(warm["image"], first["image"], atol=1e-6)
        np.testing.assert_allclose(warm["text"], first["text"], atol=1e-6)
        heavy = ("torch", "transformers", "sentence_transformers")
        asked = f"import sys; answer = [each in sys.modules for each in {heavy}]"
        assert other.run(asked)["answer"] == [False] * 3
        # the towers came with it, so clip-ViT-B-32 itself is here too
        clip: dict[str, Any] = {"sha": SHA, "repo": CLIP, "name": "st-clip-vit-b-32"}
        same = other.run(EMBED, {"HF_HUB_OFFLINE": "1"}, **clip)["answer"]
        assert same["before"] == "ready"
        np.testing.assert_allclose(same["image"], first["image"], atol=1e-6)
    assert all("/resolve/main/" not in line for line in server.log)


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [(401, "NotReady", "set HF_TOKEN"), (403, "NotReady", "(403)"), (404, "Unreachable", "(404)")],
)
def test_a_refusal_is_one_sentence(
    server: HubServer, client: HubClient, status: int, kind: str, words: str
) -> None:
    server.trouble = Trouble(status=status, only="/resolve/")
    refused = client.run(EMBED, sha=SHA, repo=CLIP, name="st-clip-vit-b-32")
    assert refused["error"] == kind and words in refused["text"] and "\n" not in refused["text"]


def test_corrupt_weights_are_removed(server: HubServer, client: HubClient) -> None:
    server.trouble.corrupt = {"0_CLIPModel/model.safetensors"}
    refused = client.run(EMBED, sha=SHA, repo=CLIP, name="st-clip-vit-b-32")
    assert refused["error"] == "Damaged" and "arrived damaged" in refused["text"]


def test_both_repositories_must_be_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    spec = spec_of("st-clip-vit-b-32-multilingual")
    [(repo, revision, files)] = spec.param("beside")
    put(tmp_path, spec.param("repo"), spec.revision, spec.param("files"))
    assert state(spec).kind == "unreachable"
    put(tmp_path, repo, revision, files)
    assert state(spec).kind == "ready"


def put(cache: Path, repo: str, revision: str, files: sbert.Files) -> None:
    """Empty files where the client keeps a snapshot."""
    for file, _ in files:
        path = cache / f"models--{repo.replace('/', '--')}" / "snapshots" / revision / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.mark.parametrize(
    ("repo", "file", "text", "words"),
    [
        (CLIP, "0_CLIPModel/config.json", '{"model_type": "bert"}', "wanted is a 'clip'"),
        (CLIP, "0_CLIPModel/vocab.json", "{", "the tokenizer of"),
        (MULTI, sbert.LIMITS, "{}", "cannot be read"),
        (MULTI, "modules.json", "{", "holds no model that can be read"),
        (MULTI, "2_Dense/model.safetensors", "", "holds no model that can be read"),
        (MULTI, "model.safetensors", "", "holds no model that can be read"),
    ],
)
def test_a_broken_file_is_said(
    folders: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    cache: Path,
    repo: str,
    file: str,
    text: str,
    words: str,
) -> None:
    copy = Path(shutil.copytree(folders[repo], tmp_path / "copy"))
    (copy / file).write_text(text)
    (tmp_path / "cache").mkdir()
    name = "st-clip-vit-b-32" + ("-multilingual" if repo == MULTI else "")
    with pytest.raises(Damaged, match=words):
        own({**folders, repo: copy}, name, monkeypatch, tmp_path / "cache")
