"""What holds for Annoy alone: its file, its processor's instructions, what it is shown beside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from retrieval.advisor.advice import choose
from retrieval.advisor.evidence import Evidence
from retrieval.advisor.need import Need
from retrieval.embedders import EMBEDDERS
from retrieval.errors import Damaged
from retrieval.galleries.base import Gallery
from retrieval.indexes import INDEXES
from retrieval.indexes.annoy import FILE, HEAD, nodes
from retrieval.lab import Lab
from retrieval.measure import rounds
from retrieval.measure.beside import beside
from retrieval.panel import Panel
from retrieval.types import Metric, Spec
from retrieval.ui.advised import cards
from retrieval.ui.figures import ms
from retrieval.ui.menu import Menu
from retrieval.ui.panel import View, draw
from retrieval.ui.results import Shown
from tests.bare import unmeasured
from tests.held import ENOUGH
from tests.vectors import DIM, built, drawn, made, recall


@pytest.mark.parametrize("embedder", ["conse-lite2", "efficientnet-lite2"])
def test_real_vectors_are_all_found_as_exact_finds_them(embedder: str) -> None:
    lab = Lab()
    vectors = lab.vectors(lab.gallery("stamps"), embedder)
    index = built("annoy", Metric.COSINE, vectors, search_k=1 << 18)
    rows, scores = index.search(vectors, 10)
    assert (rows >= 0).all() and all(len(set(row)) == 10 for row in rows.tolist())
    assert recall(Metric.COSINE, vectors, vectors, rows) == 1
    assert np.allclose(scores, np.einsum("qd,qkd->qk", vectors, vectors[rows]), atol=1e-3)


@pytest.mark.parametrize("width", [1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 65, 511])
def test_every_width_gives_the_cosine(width: int) -> None:
    vectors = drawn(Metric.COSINE, 300, width=width)
    index = built("annoy", Metric.COSINE, vectors, search_k=1 << 18, n_trees=3)
    rows, scores = index.search(vectors[:20], 30)
    assert recall(Metric.COSINE, vectors, vectors[:20], rows) >= 0.99
    assert np.allclose(scores, np.einsum("qd,qkd->qk", vectors[:20], vectors[rows]), atol=1e-3)


def test_the_same_rows_make_the_same_file(tmp_path: Path) -> None:
    files = []
    for at in ("one", "other"):
        (tmp_path / at).mkdir()
        built("annoy", Metric.COSINE, drawn(Metric.COSINE, 900)).save(tmp_path / at)
        files.append((tmp_path / at / FILE).read_bytes())
    assert files[0] == files[1]


def test_what_was_loaded_can_be_saved(tmp_path: Path) -> None:
    vectors = drawn(Metric.COSINE, 300)
    built("annoy", Metric.COSINE, vectors).save(tmp_path)
    index = made("annoy", Metric.COSINE)
    index.load(tmp_path, vectors)
    (tmp_path / "again").mkdir()
    index.save(tmp_path / "again")
    assert (tmp_path / "again" / FILE).read_bytes() == (tmp_path / FILE).read_bytes()


def test_its_working_file_goes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    vectors = drawn(Metric.COSINE, 100)
    index = built("annoy", Metric.COSINE, vectors)
    index.build(vectors[:50])
    assert len(list(tmp_path.iterdir())) == 1
    index.close()
    index.close()
    assert not list(tmp_path.iterdir())
    del index
    built("annoy", Metric.COSINE, vectors)  # which nobody closes
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ((0, HEAD), 7, "other vectors"),  # bits of a stored vector
        ((5, 0), 2, "other vectors"),  # a vector that says it is more
        ((300, 1), 300, "other rows"),  # a leaf's row that is none
        ((300, 2), -1, "other rows"),
        ((300, 0), 0, "other rows"),
        ((-1, 0), 299, "other rows"),  # a root without a row
        ((-1, 1), 1 << 30, "lead elsewhere"),
        ((-1, 2), -5, "lead elsewhere"),
    ],
)
def test_a_file_that_leads_elsewhere_is_damaged(
    tmp_path: Path, place: tuple[int, int], value: int, said: str
) -> None:
    vectors = drawn(Metric.COSINE, 300)
    built("annoy", Metric.COSINE, vectors).save(tmp_path)
    hurt = nodes(tmp_path / FILE, DIM).copy()
    hurt[place] = value
    hurt.tofile(tmp_path / FILE)
    index = made("annoy", Metric.COSINE)
    with pytest.raises(Damaged, match=f"{FILE}.*{said}.*build the index again"):
        index.load(tmp_path, vectors)
    assert (index.search(vectors[:1], 2)[0] == -1).all()


def test_a_file_of_fewer_trees_is_damaged(tmp_path: Path) -> None:
    vectors = drawn(Metric.COSINE, 300)
    built("annoy", Metric.COSINE, vectors, n_trees=5).save(tmp_path)
    with pytest.raises(Damaged, match="has 5 trees, wanted 20"):
        made("annoy", Metric.COSINE).load(tmp_path, vectors)


def test_what_took_its_place_is_measured_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "COUNT", 30)
    lab = unmeasured(tmp_path)
    gallery, embedder = lab.gallery("stamps"), lab.spec("efficientnet-lite2")
    specs = [INDEXES.spec(name) for name in ("annoy", "faiss-hnsw")]
    assert beside(lab, gallery, embedder, ("annoy", "faiss-hnsw")) is None
    assert "measure Annoy, trees and FAISS HNSW in Trade-offs" in told(lab, gallery, embedder)
    points = list(rounds.rounds(lab, rounds.Job(gallery, embedder, specs, "picture"), ENOUGH))
    found = beside(lab, gallery, embedder, ("annoy", "faiss-hnsw"))
    assert found is not None and found.here and found.recall == 0.95
    for point, spec in zip(found.points, specs, strict=True):
        mine = [each.point for each in points if each.index == spec.name and each.point]
        assert point.p50 == min(each.p50 for each in mine if each.recall >= 0.95)
        assert f"{ms(point.p50)} by {spec.title}" in told(lab, gallery, embedder)
    assert "Measured here with" in told(lab, gallery, embedder)


def told(lab: Lab, gallery: Gallery, embedder: Spec) -> str:
    """The cards of the tab Choose."""
    need = Need.of({"now": 1000, "later": 1000, "reads": "image"})
    return cards(choose(lab, gallery, need), Evidence(lab, gallery, embedder))


def test_a_panel_says_that_it_is_retired() -> None:
    menu = Menu(Lab(), EMBEDDERS.specs(), INDEXES.specs())
    options = menu.index_options(menu.embedder("conse-lite2"), "exact")
    assert "Annoy, trees · retired: kept to show why</option>" in options
    shown = Shown("stamps", 10, None, {})
    drawn = draw(0, View(Panel("conse-lite2", "annoy")), menu, shown, True)
    assert "Annoy, trees · retired: kept to show why" in drawn
