"""What every embedder of the hub must do: load once, need no network then, refuse in a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval import hub
from tests.hubclient import HubClient
from tests.hubserver import HubServer, Trouble

SPEC = """
plain = EMBEDDERS.spec(name)
params = tuple({**dict(plain.params), "repo": repo}.items())
spec = replace(plain, dim=dim, revision=sha, params=params)
"""
"""A registered embedder of another repository and commit, with so many numbers."""
refusals = pytest.mark.parametrize(
    ("status", "kind", "words"),
    [(401, "NotReady", "set HF_TOKEN"), (403, "NotReady", "(403)"), (404, "Unreachable", "(404)")],
)


def embedding(spec: str = SPEC) -> str:
    """Code that embeds a picture, and a text where they are read, by what it names ``spec``."""
    return f"""
from dataclasses import replace
from PIL import Image
import numpy as np
from retrieval.embedders import EMBEDDERS
from retrieval.readiness import state
{spec}
before = state(spec).kind
embedder = EMBEDDERS.load(spec)(spec)
image = Image.fromarray(np.arange(40 * 60 * 3, dtype=np.uint32).astype(np.uint8).reshape(40, 60, 3))
answer = {{
    "before": before,
    "after": state(spec).kind,
    "image": embedder.images([image])[0].tolist(),
    "text": embedder.texts(["a bird"])[0].tolist() if spec.reads_text else [],
}}
"""


EMBED = embedding()


def downloaded(folder: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """A folder is taken for what was downloaded."""
    monkeypatch.setattr(hub, "download", lambda *_: (folder, False))
    monkeypatch.setattr(hub, "verify", lambda *_: None)
    monkeypatch.setenv("PARALLAX_CACHE", str(cache))


def loads(server: HubServer, client: HubClient, code: str = EMBED, **given: Any) -> dict[str, Any]:
    """What it embeds at the first load, with its weights asked for by their commit alone."""
    first: dict[str, Any] = client.run(code, **given)["answer"]
    assert (first["before"], first["after"]) == ("download", "ready")
    assert all("/resolve/main/" not in line for line in server.log)
    return first


def stays(first: dict[str, Any], home: Path, cache: Path, code: str = EMBED, **given: Any) -> None:
    """Another process without a network embeds the same, and imports nothing heavy for it."""
    with HubClient(home, "http://127.0.0.1:9", cache) as other:
        warm = other.run(code, {"HF_HUB_OFFLINE": "1"}, **given)["answer"]
        assert warm["before"] == "ready"
        for side in ("image", "text"):
            np.testing.assert_allclose(warm[side], first[side], atol=1e-6)
        heavy = {"torch", "timm", "transformers", "sentence_transformers"}
        assert other.run(f"import sys; answer = sorted({heavy} & {{*sys.modules}})")["answer"] == []


def refuses(
    server: HubServer, client: HubClient, trouble: Trouble, code: str = EMBED, **given: Any
) -> tuple[str, str]:
    """The kind of its error when the hub makes trouble, and its one sentence."""
    server.trouble = trouble
    refused = client.run(code, **given)
    assert "\n" not in refused["text"]
    return refused["error"], refused["text"]
