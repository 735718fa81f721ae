"""What holds for one engine alone: its own limits, its own files, its own way to fail."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from retrieval.errors import BadKnob, Damaged, NotReady
from retrieval.indexes import INDEXES
from retrieval.types import Metric
from retrieval.where import Allowed, Where
from tests.vectors import built, drawn, made, recall


def test_pq_under_a_graph_must_divide_the_width() -> None:
    with pytest.raises(BadKnob, match="m is 64; .*48 dimensions: take a power of two up to 16"):
        built("faiss-hnsw-pq", Metric.COSINE, drawn(Metric.COSINE, 100, width=48))
    with pytest.raises(BadKnob, match="30 dimensions: take faiss-hnsw"):
        built("faiss-hnsw-pq", Metric.COSINE, drawn(Metric.COSINE, 100, width=30))


def test_opq_learns_from_fewer_rows_than_dimensions_of_any_width() -> None:
    vectors = drawn(Metric.COSINE, 60, width=250)
    index = built("faiss-opq-ivfpq", Metric.COSINE, vectors, nprobe=256, k_factor=256)
    assert recall(Metric.COSINE, vectors, vectors, index.search(vectors, 5)[0]) == 1
    with pytest.raises(BadKnob, match="m is 64; the vectors have 48 dimensions: take fewer"):
        built("faiss-opq-ivfpq", Metric.COSINE, drawn(Metric.COSINE, 100, width=48))


@pytest.mark.parametrize("links", [24, 64])
def test_nsg_of_rows_all_equally_far_ends(links: int) -> None:
    corners = np.eye(256, dtype=np.float32)
    index = built("faiss-nsg", Metric.COSINE, corners, R=links, search_L=256)
    assert index.search(corners, 1)[0].ravel().tolist() == list(range(256))


def test_nsg_by_nn_descent_finds_as_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieval.indexes.faiss_nsg.WHOLE", 1000)
    vectors, queries = drawn(Metric.COSINE, 3000), drawn(Metric.COSINE, 100, seed=3)
    index = built("faiss-nsg", Metric.COSINE, vectors, search_L=512)
    assert recall(Metric.COSINE, vectors, queries, index.search(queries, 10)[0]) >= 0.99


def test_nsg_asked_for_more_candidates_than_rows_ends() -> None:
    vectors = drawn(Metric.COSINE, 40)
    rows, _ = built("faiss-nsg", Metric.COSINE, vectors, search_L=512).search(vectors, 40)
    assert (np.sort(rows) == np.arange(40)).all()


def test_hnswlib_pads_where_its_graph_reaches_fewer() -> None:
    vectors = np.repeat(drawn(Metric.COSINE, 3), 400, axis=0)
    index = built("hnswlib", Metric.COSINE, vectors, M=4, efConstruction=8, efSearch=1)
    rows, scores = index.search(vectors[::400], 1000)
    found = rows >= 0
    assert found.any(axis=1).all() and not found.all()
    assert np.isfinite(scores[found]).all() and (scores[~found] == -np.inf).all()
    assert all(len(set(each[each >= 0])) == (each >= 0).sum() for each in rows)


@pytest.mark.parametrize(
    "name", ["faiss-lsh", "faiss-rabitq", "faiss-ivfpq", "faiss-opq-ivfpq", "faiss:RaBitQ,RFlat"]
)
def test_all_candidates_are_all_rows_whatever_k_divides(name: str) -> None:
    """26 / 22 in single precision, times 22, is less than 26."""
    vectors, queries = drawn(Metric.COSINE, 26), drawn(Metric.COSINE, 300, seed=5)
    truth = built("exact", Metric.COSINE, vectors).search(queries, 22)[1]
    found = built(name, Metric.COSINE, vectors, k_factor=256).search(queries, 22)[1]
    np.testing.assert_allclose(found, truth, atol=1e-5)


def test_all_candidates_are_all_that_are_allowed() -> None:
    vectors, queries = drawn(Metric.COSINE, 100), drawn(Metric.COSINE, 300, seed=5)
    where = Allowed(Where("few", "=", ("1",)), np.arange(100) < 26)
    truth = built("exact", Metric.COSINE, vectors).search(queries, 22, where)[1]
    index = built("faiss:RaBitQ,RFlat", Metric.COSINE, vectors, k_factor=256)
    found = index.filtered(queries, 22, where)
    assert len(where.rows) == 26 and found.how == ""
    np.testing.assert_allclose(found.scores, truth, atol=1e-5)


def test_hnswlib_that_reaches_none_of_the_allowed_rows_is_made_up_for() -> None:
    vectors = np.repeat(drawn(Metric.COSINE, 3), 400, axis=0)  # three islands
    index = built("hnswlib", Metric.COSINE, vectors, M=4, efConstruction=8, efSearch=1)
    for start in (0, 400, 800):
        mask = np.arange(1200) // 400 == start // 400
        where = Allowed(Where("island", "=", (str(start),)), mask)
        for query in vectors[::400]:
            found = index.filtered(query[None], 3, where)
            assert mask[found.rows[0]].all() and len(set(found.rows[0])) == 3


def test_a_link_outside_hnswlib_s_graph_is_damaged(tmp_path: Path) -> None:
    vectors = drawn(Metric.COSINE, 300)
    built("hnswlib", Metric.COSINE, vectors).save(tmp_path)
    for file, cell in (("links.npy", (0, 1)), ("links.npy", (0, 0)), ("levels.npy", 0)):
        whole = np.load(tmp_path / file)
        hurt = whole.copy()
        hurt[cell] = 300
        np.save(tmp_path / file, hurt)
        with pytest.raises(Damaged, match="build the index again"):
            made("hnswlib", Metric.COSINE).load(tmp_path, vectors)
        np.save(tmp_path / file, whole)
    made("hnswlib", Metric.COSINE).load(tmp_path, vectors)


def test_every_other_engine_is_pinned_and_named_by_its_line() -> None:
    pins = (Path(__file__).parent.parent / "requirements-engines.txt").read_text("utf-8").split()
    pinned = {pin.partition("==")[0] for pin in pins if "==" in pin}
    specs = [spec for spec in INDEXES.specs() if spec.needs not in ((), ("faiss",))]
    lines = [spec.install.partition(" (")[0] for spec in specs]
    named = {name for line in lines for name in line.removeprefix("pip install ").split()}
    assert named <= pinned  # what embedders need is pinned beside it


def test_an_engine_that_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = replace(INDEXES.spec("hnswlib"), needs=("no_such_engine",))
    monkeypatch.setitem(INDEXES._specs, "hnswlib", absent)
    monkeypatch.delenv("PARALLAX_ENGINES", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no_such_engine.*pip install chroma-hnswlib"):
        made("hnswlib", Metric.COSINE)
    monkeypatch.setenv("PARALLAX_ENGINES", "all")
    with pytest.raises(NotReady, match="no_such_engine: pip install chroma-hnswlib"):
        made("hnswlib", Metric.COSINE)
