"""Tiny CLIPs of random weights, and what embeds by them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from retrieval.embedders import openclip
from retrieval.embedders.clip_config import CONFIG
from retrieval.embedders.clip_tokens import SETTINGS, TOKENS
from tests.clipmodels import KINDS, SLOW
from tests.hubclient import HubClient

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
