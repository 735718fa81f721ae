"""Exact search: the same answer alone, in a batch and by plain sorting; ties by row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.indexes import exact, products, topk
from retrieval.types import Metric, Rows, Scores
from tests.contract import run
from tests.vectors import Mixed, built, drawn

SIZES = [(40, 5, 3), (700, 64, 10), (5000, 48, 50), (5000, 48, 1000), (9001, 33, 7)]


def sorted_all(vectors: Mixed, queries: Mixed, k: int) -> tuple[Rows, Scores]:
    """By a whole stable sort of each query's products, row by row."""
    scores = np.vecdot(vectors[None], queries[:, None])
    rows = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return rows, np.take_along_axis(scores, rows, axis=1)


@pytest.mark.parametrize(("count", "dim", "k"), SIZES)
@pytest.mark.parametrize("queries", [1, 2, products.FEW, products.FEW + 1, 70])
def test_agrees_with_sorting_everything(count: int, dim: int, k: int, queries: int) -> None:
    vectors = drawn(Metric.COSINE, count, width=dim)
    asked = drawn(Metric.COSINE, queries, seed=1, width=dim)
    rows, scores = built("exact", Metric.COSINE, vectors).search(asked, k)
    want_rows, want_scores = sorted_all(vectors, asked, k)
    assert np.array_equal(rows, want_rows)
    assert np.array_equal(scores, want_scores)  # bit for bit


@pytest.mark.parametrize("copies", [3, 100, 1000])
@pytest.mark.parametrize("queries", [1, 5, 40])
def test_equal_vectors_are_ordered_by_row(copies: int, queries: int) -> None:
    vectors = np.tile(drawn(Metric.COSINE, 6, width=37), (copies, 1))
    first = np.arange(queries) % 6
    rows, _ = built("exact", Metric.COSINE, vectors).search(vectors[first], 3)
    assert np.array_equal(rows, first[:, None] + np.array([0, 6, 12]))


def test_a_batch_larger_than_the_buffer_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = drawn(Metric.COSINE, 900)
    asked = drawn(Metric.COSINE, 100, seed=1)
    whole = built("exact", Metric.COSINE, vectors).search(asked, 5)
    for rows_at_once in (1, 7, 30):
        monkeypatch.setattr(products, "BUFFER", 900 * rows_at_once)
        cut = built("exact", Metric.COSINE, vectors).search(asked, 5)
        assert np.array_equal(cut[0], whole[0]) and np.array_equal(cut[1], whole[1])


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of few rows, the last one of fewer than are asked for."""
    monkeypatch.setattr(products, "LEAST", 512)
    monkeypatch.setattr(products, "BLOCKED", 4096)
    monkeypatch.setattr(products, "TOGETHER", 40)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("count", "dim", "k"), [*SIZES[2:], (513, 8, 10), (1025, 8, 512)])
@pytest.mark.parametrize("queries", [products.FEW + 1, 40, 45, 100])
def test_blocks_of_rows_agree_with_sorting_everything(
    count: int, dim: int, k: int, queries: int
) -> None:
    test_agrees_with_sorting_everything(count, dim, min(k, 512), queries)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("held", [products.BUFFER, 1000])
def test_blocks_of_equal_rows_are_ordered_by_row(
    held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "BUFFER", held)  # beyond it the queries go one by one
    test_equal_vectors_are_ordered_by_row(1000, 40)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("best", [0, 2600, 4999])
def test_the_best_rows_may_stand_in_any_block(best: int) -> None:
    vectors = drawn(Metric.COSINE, 5000, width=16)
    falling = vectors[np.argsort(-(vectors @ vectors[0]))]
    vectors, asked = np.roll(falling, best, axis=0), np.repeat(falling[:1], 30, axis=0)
    rows, scores = built("exact", Metric.COSINE, vectors).search(asked, 20)
    want_rows, want_scores = sorted_all(vectors, asked, 20)
    assert np.array_equal(rows, want_rows) and np.array_equal(scores, want_scores)


ALONE = """
import time, numpy as np
from retrieval.types import Metric
from tests.vectors import built, drawn
vectors = drawn(Metric.COSINE, 7000, width=384)
index = built("exact", Metric.COSINE, vectors)
whole, own = time.process_time(), time.thread_time()
for row in range(400):
    index.search(vectors[row : row + 1], 10)
print((time.process_time() - whole) / (time.thread_time() - own))
"""


def test_one_query_runs_on_one_thread() -> None:
    assert float(run([ALONE])) < 1.1


def test_a_gallery_sorted_by_class_is_no_worse() -> None:
    vectors = drawn(Metric.COSINE, 4000)
    vectors = vectors[np.argsort(vectors[:, 0])]
    rows, _ = built("exact", Metric.COSINE, vectors).search(vectors[-30:], 20)
    assert np.array_equal(rows, sorted_all(vectors, vectors[-30:], 20)[0])


@given(
    count=st.integers(1, 3000),
    groups=st.integers(1, 40),
    share=st.floats(0, 1),
    levels=st.integers(1, 30),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_the_bound_is_reached_by_k_rows(
    count: int, groups: int, share: float, levels: int, seed: int
) -> None:
    k = 1 + int(share * (count - 1))
    scores = np.random.default_rng(seed).integers(levels, size=(groups, count)).astype(np.float32)
    reached = (scores >= topk.bounds(scores, k)[:, None]).sum(axis=1)
    assert (reached >= k).all()


@given(
    scores=st.lists(st.integers(-3, 3), min_size=1, max_size=60),
    share=st.floats(0, 1),
)
@settings(max_examples=100, deadline=None)
def test_best_is_a_stable_sort_cut(scores: list[int], share: float) -> None:
    values = np.array(scores, dtype=np.float32)
    k = 1 + int(share * (len(values) - 1))
    rows, found = topk.best(values, k)
    assert rows.tolist() == sorted(range(len(scores)), key=lambda row: (-scores[row], row))[:k]
    assert np.array_equal(found, values[rows])


@pytest.mark.parametrize("width", [1, 3, 8, 13, 32])
def test_hamming_is_the_share_of_equal_bits(width: int) -> None:
    codes = np.random.default_rng(0).integers(256, size=(300, width), dtype=np.uint8)
    rows, scores = built("exact", Metric.HAMMING, codes).search(codes[:4], 300)
    for query, found, values in zip(codes, rows, scores, strict=False):
        bits = np.unpackbits(codes ^ query, axis=1).sum(axis=1)
        order = np.argsort(bits, kind="stable")
        assert np.array_equal(found, order)
        assert np.allclose(values, 1 - bits[order] / (8 * width), atol=1e-6)


def test_vectors_are_not_copied() -> None:
    vectors = drawn(Metric.COSINE, 10)
    index = built("exact", Metric.COSINE, vectors)
    assert isinstance(index, exact.Exact) and np.shares_memory(index._held, vectors)
