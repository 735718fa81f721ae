"""Models that somebody names: checked first, pinned at the first use, embedders like any other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from retrieval import commits
from retrieval.embedders import EMBEDDERS, openclip, typed
from retrieval.embedders.clip_config import CONFIG
from retrieval.embedders.clip_tokens import SETTINGS, TOKENS
from retrieval.errors import BadQuery, Damaged, NotReady, Refused, UnknownName
from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.readiness import state
from retrieval.runtime.paths import plain
from retrieval.types import Spec
from scripts import make_openclip_tags
from tests.clipmodels import read, write_model
from tests.hubclient import HubClient
from tests.hubserver import HubServer, Trouble

REPO, SHA, NEXT = "lab/tiny", "a" * 40, "b" * 40
NAME = f"hf-hub:{REPO}"
SPEC = """
from retrieval.embedders import EMBEDDERS, typed
from retrieval.readiness import state
from retrieval import commits
commits._KNOWN.clear(), typed._SPECS.clear()  # as in a new process
spec = EMBEDDERS.spec(name)
answer = {
    "dim": spec.dim, "side": spec.side, "revision": spec.revision, "bytes": spec.bytes,
    "files": [file for file, _ in spec.param("files")], "state": state(spec).kind,
}
"""
EMBED = """
from pathlib import Path
from retrieval import commits
from retrieval.embedders import typed
commits._KNOWN.clear(), typed._SPECS.clear()
from PIL import Image
from retrieval.lab import Lab
from retrieval.store import vectors_key
lab = Lab(cache=Path(root))
embedder = lab.embedder(name)
key = vectors_key(lab.gallery("stamps"), lab.spec(name))
answer = {
    "image": embedder.images([Image.new("RGB", (9, 5), "red")]).shape,
    "text": embedder.texts(["a bird"]).shape,
    "key": [key["embedder"], key["source"], key["revision"], key["preprocessing"]],
    "states": lab.states()[name].kind,
}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("typed"), 0, "metaclip2")


@pytest.fixture(scope="module")
def server() -> Iterator[HubServer]:
    with HubServer() as made:
        yield made


@pytest.fixture(scope="module")
def process(server: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubClient]:
    with HubClient(tmp_path_factory.mktemp("home"), server.url) as made:
        yield made


@pytest.fixture
def client(server: HubServer, process: HubClient, tmp_path: Path, folder: Path) -> Client:
    """A client that has downloaded and kept nothing, and a hub with one commit."""
    server.trouble = Trouble()
    server.log.clear()
    server.repos.clear()
    server.add("models", REPO, SHA, read(folder))
    return Client(process, tmp_path)


class Client:
    """Runs code in the process with caches of its own."""

    def __init__(self, process: HubClient, root: Path) -> None:
        self.environ = {"PARALLAX_CACHE": str(root / "cache"), "HF_HUB_CACHE": str(root / "hub")}
        self.process = process
        self.root = root

    def __call__(self, code: str, name: str = NAME, **environ: str) -> dict[str, Any]:
        return self.process.run(code, self.environ | environ, name=name, root=str(self.root))


def test_the_configuration_alone_says_what_it_makes(server: HubServer, client: Client) -> None:
    found = client(SPEC)["answer"]
    files = server.repos["models", REPO].commits[SHA]
    assert (found["dim"], found["side"], found["revision"]) == (16, 32, SHA)
    assert found["files"] == [CONFIG, TOKENS, openclip.WEIGHTS, *SETTINGS]
    assert found["bytes"] == sum(map(len, files.values()))
    assert found["state"] == "download"
    assert not any(openclip.WEIGHTS in line for line in server.log)
    again = [line for line in server.log if REPO in line]
    assert client(SPEC)["answer"] == found
    assert [line for line in server.log if REPO in line] == again  # nothing is asked twice


def test_it_is_an_embedder_like_any_other(client: Client) -> None:
    found = client(EMBED)["answer"]
    assert (found["image"], found["text"], found["states"]) == ([1, 16], [1, 16], "ready")
    how = "longest side bicubic, filled with 0, mean and deviation"
    assert found["key"] == [NAME, f"https://huggingface.co/{REPO}", SHA, how]
    assert client(SPEC, HF_HUB_OFFLINE="1").get("answer", {}).get("state") == "ready"


def test_a_later_commit_waits_for_the_users_word(
    server: HubServer, client: Client, folder: Path
) -> None:
    assert client(SPEC)["answer"]["revision"] == SHA
    server.add("models", REPO, NEXT, read(folder))
    assert client(SPEC)["answer"]["revision"] == SHA
    record = Path(client.environ["PARALLAX_CACHE"], "commits", commits.record(REPO).name)
    record.unlink()
    assert client(SPEC)["answer"]["revision"] == NEXT
    assert client(SPEC, f"{NAME}@{SHA}")["answer"]["revision"] == SHA
    assert client(SPEC, f"{NAME}@main")["answer"]["revision"] == NEXT
    record.write_text("{}")
    assert "delete it" in client(SPEC)["text"]


REFUSALS = {
    401: ("NotReady", "set HF_TOKEN"),
    403: ("NotReady", f"{REPO} is gated (403)"),
    404: ("Unreachable", "(404)"),
    429: ("Unreachable", "asked too often (429)"),
}


@pytest.mark.parametrize("status", REFUSALS)
@pytest.mark.parametrize("where", ["/api/", "/resolve/"])
def test_a_refusal_is_one_sentence(
    server: HubServer, client: Client, status: int, where: str
) -> None:
    client("import time; time.sleep = lambda seconds: None")  # the client tries several times
    server.trouble = Trouble(status=status, only=where)
    refused = client(SPEC)
    kind, words = REFUSALS[status]
    assert refused["error"] == kind and words in refused["text"] and "\n" not in refused["text"]
    server.trouble = Trouble()
    assert client(SPEC)["answer"]["revision"] == SHA  # nothing is spoilt


@pytest.mark.parametrize(
    ("name", "missing"), [(CONFIG, CONFIG), (openclip.WEIGHTS, "safetensors"), (TOKENS, TOKENS)]
)
def test_a_repository_must_hold_a_model(
    server: HubServer, client: Client, folder: Path, name: str, missing: str
) -> None:
    files = read(folder) | {"open_clip_pytorch_model.bin": b"pickled"}
    del files[name]
    server.add("models", REPO, NEXT, files)
    refused = client(SPEC)
    assert refused["error"] == "Unsupported" and f"has no {missing}" in refused["text"].replace(
        "open_clip_model.", ""
    )


def test_offline_and_unknown_is_said(client: Client, server: HubServer) -> None:
    refused = client(SPEC, HF_HUB_OFFLINE="1")
    assert refused["error"] == "Unreachable" and "HF_HUB_OFFLINE" in refused["text"]
    assert server.log == []


def test_a_tag_is_its_repository_if_that_is_the_same(client: Client) -> None:
    swap = f"from retrieval.embedders import typed; typed._tags = lambda: {{name: {REPO!r}}}"
    refused = client(f"{swap}\n{SPEC}", "ViT-B-32/openai")
    client("import importlib; from retrieval.embedders import typed; importlib.reload(typed)")
    assert refused["error"] == "Damaged"
    assert "ViT-B-32/openai makes 512 numbers of 224 pixels in open_clip" in refused["text"]
    assert f"write {NAME}" in refused["text"]


def test_the_tags_are_open_clips() -> None:
    assert typed.TAGS.read_text("utf-8").splitlines() == make_openclip_tags.lines()


@pytest.mark.parametrize(
    "name",
    [
        "hf-hub:", "hf-hub:name", "hf-hub:a/b/c", "hf-hub:../etc", "hf-hub:a/..", "hf-hub:a/b--c",
        "hf-hub:a/-b", "hf-hub:a/b.git", "hf-hub:a/b@", "hf-hub:a/b@../x", "hf-hub:a/b@x y",
        "hf-hub:a/b\n", "hf-hub:a/" + "b" * 100, "hf-hub:http://a/b", "local-dir:", "local-dir:x",
        "local-dir:../x", "local-dir:/no/such/folder", "local-dir:~nobody-here/x", "x/" + "y" * 400,
        "local-dir:/a\0b",
    ],
)  # fmt: skip
def test_a_name_of_another_form_is_refused(name: str) -> None:
    with pytest.raises(BadQuery):
        EMBEDDERS.spec(name)


def test_an_unknown_tag_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"perhaps: .*ViT-B-32/openai"):
        EMBEDDERS.spec("ViT-B-32/openais")


def test_a_folder_is_a_model(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typed, "_SPECS", {})
    monkeypatch.setenv("PARALLAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SPACE_ID", raising=False)
    spec = EMBEDDERS.spec(f"local-dir:{folder}")
    assert (spec.dim, spec.side, spec.revision) == (16, 32, openclip.identity(folder))
    assert state(spec).kind == "ready" and state(spec, public=True).kind == "unreachable"
    assert EMBEDDERS.load(spec)(spec).texts(["a bird"]).shape == (1, 16)
    with pytest.raises(Damaged, match=f"has no {CONFIG}"):
        EMBEDDERS.spec(f"local-dir:{tmp_path}")
    monkeypatch.setenv("SPACE_ID", "someone/space")
    with pytest.raises(Refused, match="public"):
        EMBEDDERS.load(spec)(spec)


@pytest.mark.parametrize("name", [NAME, "local-dir:/etc", "ViT-B-32/openai", "../x"])
def test_nothing_typed_is_loaded_in_public(name: str, tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path, public=True)
    for ask in (lab.spec, lab.embedder):
        with pytest.raises(Refused, match="a public lab loads none"):
            ask(name)
    gallery = lab.gallery("stamps")
    with pytest.raises(Refused, match="a public lab loads none"):
        lab.index(gallery, Panel(name, "exact"))


def test_a_public_lab_asks_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARALLAX_CACHE", str(tmp_path))
    lab = Lab(cache=tmp_path, public=True)
    with pytest.raises(Refused, match="siglip-b-16 has no vectors of stamps here"):
        lab.vectors(lab.gallery("stamps"), "siglip-b-16")


def test_a_typed_name_stands_in_an_address() -> None:
    for name in (f"{NAME}@main", "local-dir:/a b/?x=1&y@z", "ViT-B-32/openai"):
        panel = Panel(name, "faiss-hnsw", (("efSearch", 9),))
        assert Panel.parse(str(panel)) == panel
    assert Panel.parse(f"{NAME}@main@exact") == Panel(f"{NAME}@main", "exact")


def test_a_typed_name_is_one_part_of_a_path() -> None:
    names = ["hf-hub:a/b", "local-dir:/../../x", "x" * 500, "x" * 501, "conse-lite2+own"]
    parts = [plain(name) for name in names]
    assert len(set(parts)) == len(parts) and all("/" not in part for part in parts)
    assert parts[-1] == names[-1] and max(map(len, parts)) < 150


def test_a_record_that_cannot_be_written_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PARALLAX_CACHE", str(tmp_path / "file"))
    with pytest.raises(NotReady, match="cannot be written"):
        commits._write(commits.record("a/b"), commits.Kept("a/b", SHA, {}))


def test_a_damaged_record_is_a_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PARALLAX_CACHE", str(tmp_path))
    record = commits.record("timm/ViT-B-16-SigLIP")
    record.parent.mkdir()
    record.write_text('{"repo": "x", "commit": "main", "files": {}}')
    spec = next(spec for spec in EMBEDDERS.specs() if spec.name == "siglip-b-16")
    found = state(spec)
    assert found.kind == "unreachable" and "holds no commit" in found.reason
    assert isinstance(spec, Spec) and spec.revision == ""
