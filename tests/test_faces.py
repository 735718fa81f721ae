"""Embedders of faces from a hub on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from retrieval import about, hub
from retrieval.embedders import EMBEDDERS, face_finder, faces
from retrieval.embedders.face_align import aligned
from retrieval.embedders.faces import Faces, faceless, stand_in
from retrieval.errors import Unsupported
from retrieval.galleries.catalog import FOLDER
from tests import facemodels
from tests.facemodels import ARCFACE, SFACE
from tests.hubclient import HubClient
from tests.hubserver import HubServer, Trouble

SHA = "a" * 40
ONE, TWO, GREEN = (3, 3, 32), (5, 2, 32), (10, 7, 8)
SPEC = """
from dataclasses import replace
from pathlib import Path
import sys
from retrieval.embedders import EMBEDDERS, face_finder
from retrieval.readiness import state

def tiny(name):
    "The spec, but for the hashes of the real files."
    spec = EMBEDDERS._specs[name]
    params = dict(spec.params)
    params["sha256"] = ""
    params["beside"] = ((face_finder.REPO, face_finder.REVISION, ((face_finder.FILE, ""),)),)
    if "files" in params:
        params["files"] = tuple((file, "") for file, _ in params["files"])
    EMBEDDERS._specs[name] = replace(spec, params=tuple(params.items()))
    return EMBEDDERS.spec(name)
"""
EMBED = f"""{SPEC}
from PIL import Image
before = state(tiny(name)).kind
spec = tiny(name)
embedder = EMBEDDERS.load(spec)(spec)
pictures = [Image.open(path).convert("RGB") for path in paths]
answer = {{
    "before": before, "after": state(EMBEDDERS.spec(name)).kind,
    "vectors": embedder.images(pictures).tolist(), "one": embedder.images(pictures[:1]).tolist(),
    "revision": embedder.spec.revision, "torch": "torch" in sys.modules,
}}
"""
ASK = f"""{SPEC}
from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.query import Query
tiny("arcface-r100")
lab = Lab(cache=Path(root, "lab"), folder=Path(root, "people"))
given = {{"row": row}} if image is None else {{"image": Path(image).read_bytes()}}
[found] = lab.compare(gallery, [Panel("arcface-r100", "exact")], Query(**given), 4)
answer = {{
    "problem": found.problem, "note": found.note, "instead": found.instead,
    "hits": [[hit.row, round(hit.score, 4)] for hit in found.hits],
    "loaded": sorted({{"openvino", "huggingface_hub"}} & set(sys.modules)),
}}
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three files, one folder each."""
    made = tmp_path_factory.mktemp("models")
    facemodels.finder(made / "yunet" / face_finder.FILE)
    facemodels.recogniser(made / ARCFACE / faces._ARCFACE, 512)
    facemodels.recogniser(made / SFACE / faces._SFACE, 128, fixed=True)
    return made


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[HubServer]:
    with HubServer() as made:
        places = {
            "yunet": (face_finder.REPO, face_finder.REVISION),
            ARCFACE: ("onnxmodelzoo/arcfaceresnet100-8", SHA),
            SFACE: ("opencv/face_recognition_sface", EMBEDDERS.spec(SFACE).revision),
        }
        for folder, (repo, sha) in places.items():
            files = {path.name: path.read_bytes() for path in (models / folder).iterdir()}
            made.add("models", repo, sha, files)
        yield made


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of people, declared so, and pictures to ask with."""
    made = tmp_path_factory.mktemp("root")
    pictures = {
        "people/0.png": facemodels.picture(ONE, seed=1),
        "people/1.png": facemodels.picture(seed=2),
        "people/2.png": facemodels.picture(TWO, seed=3),
        "people/3.png": facemodels.picture(seed=4),
        "again.png": facemodels.picture(ONE, seed=1),
        "two.png": facemodels.picture(GREEN, TWO, seed=5),
        "none.png": facemodels.picture(seed=6),
    }
    for name, picture in pictures.items():
        (made / name).parent.mkdir(exist_ok=True)
        picture.save(made / name)
    (made / "people" / about.FILE).write_text("faces\n")
    return made


@pytest.fixture
def client(server: HubServer, tmp_path: Path) -> Iterator[HubClient]:
    """A client that has downloaded nothing."""
    server.trouble = Trouble()
    server.log.clear()
    with HubClient(tmp_path, server.url) as made:
        yield made


@pytest.mark.parametrize(("name", "dim"), [(ARCFACE, 512), (SFACE, 128)])
def test_first_load_then_warm_without_network(
    server: HubServer, client: HubClient, tmp_path: Path, root: Path, name: str, dim: int
) -> None:
    """One network takes any batch and one a row at a time; the first commit is not pinned."""
    paths = [str(root / "people" / f"{row}.png") for row in (0, 2, 1)] * 7
    first = client.run(EMBED, name=name, paths=paths)["answer"]
    assert (first["before"], first["after"], first["torch"]) == ("download", "ready", False)
    assert first["revision"] == (SHA if name == ARCFACE else EMBEDDERS.spec(SFACE).revision)
    vectors = np.array(first["vectors"])
    assert vectors.shape == (21, dim)
    np.testing.assert_allclose(vectors[:1], first["one"], atol=1e-6)
    np.testing.assert_allclose(vectors[3:6], vectors[:3], atol=1e-6)
    assert faceless(vectors[:3].astype(np.float32)).tolist() == [False, False, True]
    with HubClient(tmp_path, "http://127.0.0.1:9") as other:
        warm = other.run(EMBED, {"HF_HUB_OFFLINE": "1"}, name=name, paths=paths[:3])["answer"]
    assert warm["before"] == "ready"
    np.testing.assert_allclose(warm["vectors"], vectors[:3], atol=1e-6)


def test_a_refusal_of_either_is_one_sentence(server: HubServer, client: HubClient) -> None:
    for part in ("onnxmodelzoo", face_finder.REPO):
        for status, words in ((401, "HF_TOKEN"), (404, "(404)")):
            server.trouble = Trouble(status=status, only=part)
            refused = client.run(EMBED, name=ARCFACE, paths=[])
            assert words in refused["text"] and "\n" not in refused["text"]


def test_corrupt_or_other_weights_are_refused(server: HubServer, client: HubClient) -> None:
    """The hashes of the real files stand in the specs."""
    code = "from retrieval.embedders import EMBEDDERS\nspec = EMBEDDERS.spec(name)\n"
    refused = client.run(f"{code}EMBEDDERS.load(spec)(spec)", name=SFACE)
    assert refused["error"] == "Damaged" and "SHA-256" in refused["text"]
    server.trouble.corrupt = {face_finder.FILE}
    refused = client.run(EMBED, name=ARCFACE, paths=[])
    assert refused["error"] == "Damaged" and "arrived damaged" in refused["text"]


def test_faces_are_asked_of_a_gallery_of_faces(
    server: HubServer, client: HubClient, root: Path
) -> None:
    def ask(row: int = 0, image: str | None = None, gallery: str = FOLDER) -> dict[str, Any]:
        path = None if image is None else str(root / image)
        given: dict[str, Any] = {"row": row, "image": path, "gallery": gallery, "root": str(root)}
        found: dict[str, Any] = client.run(ASK, **given)["answer"]
        return found

    other = ask(gallery="stamps")
    assert "Tux Paint stamps is no gallery of faces; choose an embedder" in other["problem"]
    # Nothing was loaded, and the hub asked for nothing but whether it is there.
    assert other["loaded"] == [] and set(server.log) <= {"GET /api/models"}
    assert "efficientnet-lite0" in other["instead"] and ARCFACE not in other["instead"]
    again = ask(image="again.png")
    assert again["problem"] == "" and again["hits"][0] == [0, 1.0]
    assert sorted(row for row, _ in again["hits"][2:]) == [1, 3]  # those that show no face
    assert all(abs(score) < 0.2 for _, score in again["hits"][2:])
    assert again["note"] == "No face was found at ranks 3, 4: such pictures have a random vector."
    two = ask(image="two.png")
    assert two["hits"][0][0] == 2 and "2 faces: the largest is searched by" in two["note"]
    for none in (ask(image="none.png"), ask(row=3)):
        assert none["problem"].startswith("no face was found in the picture; give one that shows")
        assert ARCFACE in none["instead"] or "efficientnet-lite0" in none["instead"]


@pytest.fixture
def embedder(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Faces:
    """Of the tiny files, as if they had been downloaded."""
    places = {face_finder.REPO: models / "yunet", "opencv/face_recognition_sface": models / SFACE}
    monkeypatch.setattr(hub, "download", lambda repo, *_: (places[repo], False))
    monkeypatch.setattr(hub, "verify", lambda *_: None)
    monkeypatch.setenv("PARALLAX_CACHE", str(tmp_path))
    return Faces(EMBEDDERS.spec(SFACE))


def test_the_network_sees_the_aligned_square_red_first(embedder: Faces) -> None:
    """Against the tiny network's arithmetic, by numpy."""
    image = facemodels.picture(ONE, GREEN, seed=7)
    square = aligned(image, embedder.faces(image)[0].points)
    parts = square.reshape(4, 28, 4, 28, 3).mean((1, 3)).transpose(2, 0, 1).ravel()
    mix = np.random.default_rng(0).normal(0, 0.01, (48, 128)).astype(np.float32)
    wanted = parts @ mix / np.linalg.norm(parts @ mix)
    np.testing.assert_allclose(embedder.images([image])[0], wanted, atol=1e-5)
    np.testing.assert_allclose(embedder.asked(image)[0][0], wanted, atol=1e-5)


def test_no_pictures_give_no_vectors(embedder: Faces) -> None:
    assert embedder.images([]).shape == (0, 128)
    assert embedder.remark(embedder.images([])) == ""


def test_a_query_says_which_face_was_taken(embedder: Faces) -> None:
    assert embedder.asked(facemodels.picture(ONE))[1] == ""
    said = embedder.asked(facemodels.picture(ONE, GREEN))[1]
    assert said.startswith("The picture shows 2 faces: the largest is searched by; crop")
    with pytest.raises(Unsupported, match="no face was found"):
        embedder.asked(Image.new("RGB", (1, 1)))
    with pytest.raises(Unsupported, match="reads pictures only"):
        embedder.texts(["a face"])


def test_stand_ins_are_like_nobody_and_told() -> None:
    pictures = [facemodels.picture(seed=seed) for seed in range(20)]
    vectors = np.stack([stand_in(each, 512) for each in pictures])
    alike = vectors @ vectors.T - np.eye(20)
    assert np.abs(alike).max() < 0.25 and np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert faceless(vectors).all()
    np.testing.assert_array_equal(vectors[0], stand_in(pictures[0], 512))
    assert not faceless(np.random.default_rng(0).normal(size=(5, 512)).astype(np.float32)).any()


def test_a_dropped_one_is_freed_at_once(embedder: Faces) -> None:
    import gc
    import weakref

    made = Faces(embedder.spec)
    made.images([facemodels.picture(ONE)])
    watched = weakref.ref(made)
    gc.disable()
    try:
        del made
        assert watched() is None
    finally:
        gc.enable()
