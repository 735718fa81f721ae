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
from tests.hubloads import embedding, loads, refusals, refuses, stays
from tests.hubserver import HubServer, Trouble
from tests.sbertmodels import write_clip, write_multilingual

CLIP, MULTI = "lab/tiny-clip", "lab/tiny-multilingual"
SHA, TEXT_SHA = "a" * 40, "b" * 40
TEXTS = ["a bird", "Two   DOGS & a cat's 3.14", "", "word " * 100, "ein Vogel"]
PLAIN: dict[str, Any] = {"name": "st-clip-vit-b-32", "repo": CLIP, "sha": SHA}
EMBED = embedding("""
plain = EMBEDDERS.spec(name)
files = lambda told: tuple((file, "") for file, _ in told)
params = {**dict(plain.params), "repo": repo, "files": files(plain.param("files"))}
if plain.param("beside"):
    params["beside"] = (("lab/tiny-clip", "a" * 40, files(plain.param("beside")[0][2])),)
spec = replace(plain, dim=16, revision=sha, params=tuple(params.items()))
""")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("tiny")
    clip, multi = root / "clip", root / "multi"
    clip.mkdir()
    multi.mkdir()
    return {CLIP: write_clip(clip), MULTI: write_multilingual(multi)}


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
    first = loads(server, client, EMBED, **given)
    stays(first, tmp_path, cache, EMBED, **given)
    # the towers came with it, so clip-ViT-B-32 itself is here too
    with HubClient(tmp_path, "http://127.0.0.1:9", cache) as other:
        same = other.run(EMBED, {"HF_HUB_OFFLINE": "1"}, **PLAIN)["answer"]
    assert same["before"] == "ready"
    np.testing.assert_allclose(same["image"], first["image"], atol=1e-6)


@refusals
def test_a_refusal_is_one_sentence(
    server: HubServer, client: HubClient, status: int, kind: str, words: str
) -> None:
    error, said = refuses(server, client, Trouble(status=status, only="/resolve/"), EMBED, **PLAIN)
    assert error == kind and words in said


def test_corrupt_weights_are_removed(server: HubServer, client: HubClient) -> None:
    error, said = refuses(
        server, client, Trouble(corrupt={"0_CLIPModel/model.safetensors"}), EMBED, **PLAIN
    )
    assert error == "Damaged" and "arrived damaged" in said


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
