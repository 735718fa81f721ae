"""``st:owner/name``: models of sentence-transformers by name, tiny ones in three of its layouts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling

from retrieval.embedders import EMBEDDERS, sbert_typed, typed
from retrieval.embedders.sbert_typed import MODULES
from retrieval.errors import BadQuery, Damaged, Refused
from retrieval.lab import Lab
from tests import tiny
from tests.hubclient import HubClient
from tests.hubserver import HubServer, Trouble
from tests.sbertmodels import SHAPE, write_clip, write_multilingual

SHA, NEXT = "a" * 40, "b" * 40
TEXTS = ["a bird", "", "Two   DOGS & a cat's 3.14"]
KINDS = {"clip": (16, 224, True), "new": (8, 224, True), "vit": (32, 32, False)}
"""Layout -> numbers of a vector, pixels of a side, whether it reads texts."""
SPEC = """
import sys
from retrieval.embedders import EMBEDDERS, typed
from retrieval.readiness import state
from retrieval import commits
commits._KNOWN.clear(), typed._SPECS.clear()  # as in a new process
spec = EMBEDDERS.spec(name)
answer = {
    "dim": spec.dim, "side": spec.side, "text": spec.reads_text, "revision": spec.revision,
    "bytes": spec.bytes, "files": [file for file, _ in spec.param("files")],
    "state": state(spec).kind,
}
"""
EMBED = f"""{SPEC}
from PIL import Image
from pathlib import Path
from retrieval.lab import Lab
embedder = Lab(cache=Path(root)).embedder(name)
answer |= {{
    "images": embedder.images([Image.open(path) for path in paths]).tolist(),
    "none": list(embedder.images([]).shape),
    "texts": embedder.texts(texts).tolist() if spec.reads_text else [],
    "after": state(spec).kind,
}}
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The family's old layout, the library's own of today, and a model without words."""
    root = tmp_path_factory.mktemp("st")
    clip = write_clip(root / "clip")
    both: Any = Transformer(str(clip / "0_CLIPModel"))
    parts: list[Any] = [both, Dense(16, 8, bias=False), Normalize()]
    SentenceTransformer(modules=parts).save_pretrained(str(root / "new"))
    vit = transformers.ViTModel(transformers.ViTConfig(**SHAPE, image_size=32, patch_size=16))
    cut: Any = transformers.ViTImageProcessor
    tiny.save(root / "plain", vit, cut(size={"height": 32, "width": 32}))
    seen: Any = Transformer(str(root / "plain"))
    pooled: list[Any] = [seen, Pooling(32)]
    whole = SentenceTransformer(modules=pooled)
    whole.save_pretrained(str(root / "vit"), create_model_card=False)
    return {kind: root / kind for kind in KINDS}


@pytest.fixture(scope="module")
def server(folders: dict[str, Path]) -> Iterator[HubServer]:
    with HubServer() as made:
        yield made


@pytest.fixture(scope="module")
def process(server: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubClient]:
    with HubClient(tmp_path_factory.mktemp("home"), server.url) as made:
        yield made


class Client:
    """Runs code in the process with caches of its own."""

    def __init__(self, process: HubClient, root: Path) -> None:
        self.environ = {"PARALLAX_CACHE": str(root / "cache"), "HF_HUB_CACHE": str(root / "hub")}
        self.process, self.root = process, root

    def __call__(self, code: str, name: str, **environ: str) -> dict[str, Any]:
        paths = []
        for at, picture in enumerate(tiny.pictures()[:3]):
            paths.append(str(self.root / f"{at}.png"))
            picture.save(paths[-1])
        given = {"name": name, "root": str(self.root), "paths": paths, "texts": TEXTS}
        return self.process.run(code, self.environ | environ, **given)


@pytest.fixture
def client(
    server: HubServer, process: HubClient, tmp_path: Path, folders: dict[str, Path]
) -> Client:
    """A client that has downloaded nothing, and a hub with one commit of each."""
    server.trouble = Trouble()
    server.repos.clear()
    for kind, folder in folders.items():
        server.add("models", f"lab/{kind}", SHA, tiny.files(folder))
    server.log.clear()
    return Client(process, tmp_path)


@pytest.mark.parametrize(
    "kind",
    [pytest.param("clip", marks=pytest.mark.slow), "new", "vit"],  # its tokenizer loads slowly
)
def test_its_vectors_are_the_librarys(
    server: HubServer, client: Client, folders: dict[str, Path], kind: str
) -> None:
    """What it makes is known from its small files; its vectors are those of ``encode``."""
    name, (dim, side, text) = f"st:lab/{kind}", KINDS[kind]
    told = client(SPEC, name)["answer"]
    assert (told["dim"], told["side"], told["text"]) == (dim, side, text)
    assert (told["revision"], told["state"]) == (SHA, "download")
    assert not any(line.endswith(".safetensors") for line in server.log)
    assert told["bytes"] >= sum(len(load) for load in weights(folders[kind]).values())
    found = client(EMBED, name)["answer"]
    assert (found["after"], found["none"]) == ("ready", [0, dim])
    theirs = SentenceTransformer(str(folders[kind]), device="cpu")
    for given, vectors in (
        ([each.convert("RGB") for each in tiny.pictures()[:3]], found["images"]),
        (TEXTS if text else [], found["texts"]),
    ):
        if given:
            wanted = np.asarray(theirs.encode(given))
            wanted = wanted / np.linalg.norm(wanted, axis=1, keepdims=True)
            np.testing.assert_allclose(vectors, wanted, atol=1e-4)
    if kind == "vit":  # the others' tokenizers take long to load
        warm = client(EMBED, name, HF_HUB_OFFLINE="1")["answer"]
        assert (warm["state"], warm["images"]) == ("ready", found["images"])


def weights(folder: Path) -> dict[str, bytes]:
    return {n: each for n, each in tiny.files(folder).items() if n.endswith(".safetensors")}


def test_a_revision_is_a_commit(
    server: HubServer, client: Client, folders: dict[str, Path]
) -> None:
    assert client(SPEC, "st:lab/vit")["answer"]["revision"] == SHA
    server.add("models", "lab/vit", NEXT, tiny.files(folders["vit"]))
    assert client(SPEC, "st:lab/vit")["answer"]["revision"] == SHA
    assert client(SPEC, f"st:lab/vit@{NEXT}")["answer"]["revision"] == NEXT


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({MODULES: None}, "Unsupported", "has no modules.json"),
        ({MODULES: b"[]"}, "Damaged", "is no configuration"),
        ({MODULES: b"{"}, "Damaged", "is no configuration"),
        ({MODULES: b'[{"path": "../x", "type": "sentence_transformers.B"}]'}, "Damaged", "folder"),
        ({MODULES: b'[{"path": "", "type": "custom_st.Own"}]'}, "Unsupported", "code of its own"),
        ({"model.safetensors": None, "pytorch_model.bin": b"x"}, "Unsupported", "has no .safetens"),
        ({"config.json": b"[1]"}, "Damaged", "in the place of fields"),
        ({"1_Pooling/config.json": b"{}", "config.json": b'{"image_size": 1}'}, "Damaged", "many"),
    ],
)  # fmt: skip
def test_what_is_no_such_model_is_refused(
    server: HubServer,
    client: Client,
    folders: dict[str, Path],
    change: dict[str, bytes | None],
    kind: str,
    words: str,
) -> None:
    files: dict[str, bytes | None] = {**tiny.files(folders["vit"]), **change}
    kept = {name: content for name, content in files.items() if content is not None}
    server.add("models", "lab/odd", NEXT, kept)
    refused = client(SPEC, "st:lab/odd")
    assert refused["error"] == kind and words in refused["text"] and "\n" not in refused["text"]
    assert not any(line.endswith(".safetensors") for line in server.log)


def test_a_model_of_words_alone_is_refused(
    server: HubServer, client: Client, tmp_path: Path
) -> None:
    server.add("models", "lab/words", SHA, tiny.files(write_multilingual(tmp_path / "words")))
    refused = client(SPEC, "st:lab/words")
    assert refused["error"] == "Unsupported" and "reads text only" in refused["text"]


def test_weights_that_lack_something_are_refused(
    server: HubServer, client: Client, folders: dict[str, Path], tmp_path: Path
) -> None:
    files = tiny.files(folders["vit"])
    held = load_file(folders["vit"] / "model.safetensors")
    del held[next(name for name in held if "query.weight" in name or "q_proj.weight" in name)]
    save_file(held, tmp_path / "cut.safetensors", {"format": "pt"})
    for content, words in (
        ((tmp_path / "cut.safetensors").read_bytes(), "lacks weights"),
        (b"\0" * 100, "holds no model that can be read"),
    ):
        sha = "c" * 40 if b"\0" * 99 not in content[:99] else "d" * 40
        server.add("models", "lab/cut", sha, {**files, "model.safetensors": content})
        refused = client(EMBED, f"st:lab/cut@{sha}")
        assert refused["error"] == "Damaged" and words in refused["text"]


@pytest.mark.parametrize(("status", "words"), [(401, "HF_TOKEN"), (403, "(403)"), (404, "(404)")])
def test_a_refusal_is_one_sentence(
    server: HubServer, client: Client, status: int, words: str
) -> None:
    server.trouble = Trouble(status=status)
    refused = client(SPEC, "st:lab/clip")
    assert words in refused["text"] and "\n" not in refused["text"]


@pytest.mark.parametrize(
    "name",
    [
        "st:", "st:name", "st:a/b/c", "st:../etc", "st:a/..", "st:a/b@", "st:a/b@../x", "st:a/b\n",
        "st:http://a/b", "st:/etc/passwd", "st:a/" + "b" * 400,
    ],
)  # fmt: skip
def test_a_name_of_another_form_is_refused(name: str) -> None:
    with pytest.raises(BadQuery):
        EMBEDDERS.spec(name)


def test_a_public_lab_loads_none(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="a public lab loads none"):
        Lab(cache=tmp_path, public=True).embedder("st:lab/clip")
    assert typed.is_typed("st:lab") and "st:lab/clip" not in typed._SPECS


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("Dense", {"out_features": None}),
        ("Dense", {"out_features": "wide"}),
        ("Pooling", {"embedding_dimension": [5]}),
        ("Transformer", {"vision_config": "large"}),
    ],
)
def test_a_configuration_of_another_form_is_a_sentence(
    kind: str, told: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(told))
    with pytest.raises(Damaged, match="is no configuration of a model"):
        sbert_typed.width(tmp_path, [("", kind)])
    assert sbert_typed._side({**told, "image_size": 4}) == 4


@pytest.mark.parametrize(
    ("kind", "told", "wanted"),
    [
        ("Dense", {"out_features": 7}, 7),
        ("Pooling", {"word_embedding_dimension": 5, "pooling_mode_cls_token": True}, 5),
        (
            "Pooling",
            {"word_embedding_dimension": 5, "pooling_mode_a": True, "pooling_mode_b": True},
            10,
        ),
        ("Pooling", {"embedding_dimension": 5, "pooling_mode": ["cls", "mean"]}, 10),
        ("Transformer", {"vision_config": {"hidden_size": 9}}, 9),
        ("Transformer", {"vision_config": {"hidden_size": 9}, "projection_dim": 4}, 4),
        ("Normalize", {"in_features": 3}, 0),
    ],
)
def test_its_width_is_told(kind: str, told: dict[str, Any], wanted: int, tmp_path: Path) -> None:
    assert sbert_typed._width(kind, told) == wanted
    if wanted:
        (tmp_path / "config.json").write_text(json.dumps(told))
        (tmp_path / sbert_typed.TOP).write_text(json.dumps({"truncate_dim": 2}))
        assert sbert_typed.width(tmp_path, [("", kind), ("1_Other", "Normalize")]) == 2
