"""DINO from a hub on loopback: the first load, the next, and what goes wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval.embedders import dino
from retrieval.readiness import state
from tests import tiny
from tests.dino.models import REPO, SHA
from tests.hubclient import HubClient
from tests.hubloads import EMBED
from tests.hubserver import HubServer, Trouble

GIVEN: dict[str, Any] = {"name": "dinov2-s", "repo": REPO, "sha": SHA, "dim": 32}


def test_first_load_then_warm_without_network(
    server: HubServer, client: HubClient, tmp_path: Path, cache: Path
) -> None:
    first = client.run(EMBED, **GIVEN)["answer"]
    assert (first["before"], first["after"]) == ("download", "ready")
    with HubClient(tmp_path, "http://127.0.0.1:9", cache) as other:
        for environ in ({"HF_HUB_OFFLINE": "1"}, {}):
            warm = other.run(EMBED, environ, **{**GIVEN, "name": "dinov2-s-mean"})["answer"]
            assert warm["before"] == "ready"
        warm = other.run(EMBED, environ, **GIVEN)["answer"]
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
    refused = client.run(EMBED, **{**GIVEN, "name": "dinov3-s"})
    kind, words = REFUSALS[status]
    assert refused["error"] == kind and words in refused["text"]
    assert "\n" not in refused["text"]


def test_corrupt_weights_are_removed(server: HubServer, client: HubClient) -> None:
    server.trouble.corrupt = {"model.safetensors"}
    refused = client.run(EMBED, **GIVEN)
    assert refused["error"] == "Damaged" and "arrived damaged" in refused["text"]
    server.trouble = Trouble()
    assert client.run(EMBED, **GIVEN)["answer"]["before"] == "download"


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
