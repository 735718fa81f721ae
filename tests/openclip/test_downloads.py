"""OpenCLIP from a hub on loopback: the first load, the next, and what goes wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from retrieval.embedders import openclip
from retrieval.embedders.clip_tokens import TOKENS
from tests.clipmodels import read, write_model
from tests.hubclient import HubClient
from tests.hubserver import HubServer, Trouble
from tests.openclip.embedded import HUB, NEXT, SHA, embed


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
