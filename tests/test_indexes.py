"""The contract: what holds for every registered index, with every metric that it declares."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from retrieval.errors import BadQuery, BadVectors
from retrieval.indexes import INDEXES
from retrieval.types import Metric
from tests.contract import CASES, FEWEST, LOSSY, every, exactest, run
from tests.vectors import built, drawn, made, recall, scored


@every
def test_finds_itself_with_unique_rows_best_first(name: str, metric: Metric) -> None:
    vectors = drawn(metric, 1500)
    rows, scores = built(name, metric, vectors, **exactest(name)).search(vectors[:200], 10)
    assert rows.shape == scores.shape == (200, 10)
    assert rows.dtype == np.int64 and scores.dtype == np.float32
    true = scored(metric, vectors, vectors[:200], rows)
    assert (true[:, 0] > 1 - 1e-5).mean() >= 0.99  # a graph may miss a row, the others may not
    assert all(len(set(row)) == 10 for row in rows.tolist())
    assert (np.diff(scores, axis=1) <= 0).all()
    assert np.abs(scores - true).max() < 0.05


@every
def test_pads_where_k_exceeds_the_rows(name: str, metric: Metric) -> None:
    vectors = drawn(metric, 20)
    for k in (30, 1000):
        rows, scores = built(name, metric, vectors, **exactest(name)).search(vectors[:3], k)
        assert rows.shape == scores.shape == (3, k)
        assert (np.sort(rows[:, :20], axis=1) == np.arange(20)).all()
        assert (rows[:, 20:] == -1).all()
        assert (scores[:, 20:] == -np.inf).all() and np.isfinite(scores[:, :20]).all()


@every
def test_answers_a_thousand(name: str, metric: Metric) -> None:
    vectors = drawn(metric, 2000)
    rows, _ = built(name, metric, vectors, **exactest(name)).search(vectors[:2], 1000)
    assert all(len(set(row) - {-1}) == 1000 for row in rows.tolist())
    assert recall(metric, vectors, vectors[:2], rows) >= 0.8  # a walk finds the far ones last


@every
def test_of_no_rows_finds_nothing(name: str, metric: Metric, tmp_path: Path) -> None:
    none = drawn(metric, 5)[:0]
    index = built(name, metric, none)
    index.save(tmp_path)
    again = made(name, metric)
    again.load(tmp_path, none)
    for each in (index, again):
        rows, scores = each.search(drawn(metric, 2), 3)
        assert (rows == -1).all() and (scores == -np.inf).all() and rows.shape == (2, 3)
        assert each.nbytes() == 0


@every
def test_of_the_fewest_rows_finds_them(name: str, metric: Metric) -> None:
    fewest = FEWEST.get(name, 1)
    vectors = drawn(metric, fewest)
    rows, _ = built(name, metric, vectors).search(vectors[:1], 1)
    assert rows.tolist() == [[0]]


@pytest.mark.parametrize("name", FEWEST)
def test_too_few_rows_to_train_says_what_to_take(name: str) -> None:
    index = built(name, Metric.COSINE, drawn(Metric.COSINE, 400))
    with pytest.raises(
        BadVectors, match=f"needs {FEWEST[name]} vectors.*got {FEWEST[name] - 1}; take"
    ):
        index.build(drawn(Metric.COSINE, FEWEST[name] - 1))
    assert (index.search(drawn(Metric.COSINE, 1), 2)[0] == -1).all()  # the old rows are gone


@every
def test_no_queries_are_no_answers(name: str, metric: Metric) -> None:
    vectors = drawn(metric, 50)
    rows, scores = built(name, metric, vectors).search(vectors[:0], 4)
    assert rows.shape == scores.shape == (0, 4)


@every
def test_leaves_its_arguments_unchanged(name: str, metric: Metric, tmp_path: Path) -> None:
    vectors, queries = drawn(metric, 300), drawn(metric, 20, seed=1)
    before = vectors.copy(), queries.copy()
    vectors.flags.writeable = queries.flags.writeable = False
    index = built(name, metric, vectors)
    index.search(queries, 5)
    index.save(tmp_path)
    index.load(tmp_path, vectors)
    assert np.array_equal(vectors, before[0]) and np.array_equal(queries, before[1])


@every
def test_takes_vectors_in_any_memory_order(name: str, metric: Metric) -> None:
    vectors = drawn(metric, 300)
    rows = built(name, metric, np.asfortranarray(vectors), **exactest(name)).search(
        np.repeat(vectors, 2, axis=0)[::2][:9], 1
    )[0]
    assert (scored(metric, vectors, vectors[:9], rows) > 1 - 1e-5).all()


@every
def test_finds_duplicates_once_each(name: str, metric: Metric) -> None:
    vectors = np.repeat(drawn(metric, 100), 4, axis=0)
    index = built(name, metric, vectors, **exactest(name))
    rows, _ = index.search(vectors[::4], 4)
    assert all(len(set(row) - {-1}) == 4 for row in rows.tolist())
    assert recall(metric, vectors, vectors[::4], rows) >= 0.95


@every
def test_of_one_vector_many_times_answers(name: str, metric: Metric) -> None:
    vectors = np.repeat(drawn(metric, 1), 500, axis=0)
    rows, scores = built(name, metric, vectors).search(vectors[:20], 10)
    assert all(len(set(row)) == 10 for row in rows.tolist()) and (rows >= 0).all()
    assert np.allclose(scores, 1, atol=0.02)


@every
def test_refuses_another_width_or_type(name: str, metric: Metric) -> None:
    vectors = drawn(metric, 100)
    index = built(name, metric, vectors)
    with pytest.raises(BadVectors, match=f"of width {vectors.shape[1]}.*shape"):
        index.search(vectors[:1, :-1], 3)
    with pytest.raises(BadVectors, match="float64"):
        index.search(cast(Any, vectors[:1].astype(np.float64)), 3)
    with pytest.raises(BadVectors, match="of shape"):
        index.search(vectors[0], 3)
    with pytest.raises(BadVectors, match="int16"):
        index.build(cast(Any, vectors.astype(np.int16)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", [name for name, metric in CASES if metric is Metric.COSINE])
def test_refuses_what_is_not_finite(name: str, bad: float) -> None:
    vectors = drawn(Metric.COSINE, 100)
    index = built(name, Metric.COSINE, vectors)
    hurt = vectors.copy()
    hurt[3, 5] = bad
    with pytest.raises(BadVectors, match="not finite"):
        index.search(hurt[:4], 3)
    with pytest.raises(BadVectors, match="not finite"):
        index.build(hurt)
    assert index.search(vectors[:1], 1)[0].tolist() == [[0]]  # the next query is right


@every
@pytest.mark.parametrize("k", [0, -1, 1001, 10**9])
def test_refuses_k_out_of_range(name: str, metric: Metric, k: int) -> None:
    vectors = drawn(metric, 100)
    with pytest.raises(BadQuery, match=f"k is {k}; .*between 1 and 1,000"):
        built(name, metric, vectors).search(vectors[:1], k)


@every
def test_refuses_the_other_metric(name: str, metric: Metric) -> None:
    for other in set(Metric) - set(INDEXES.spec(name).metrics):
        with pytest.raises(BadVectors, match=f"the vectors are for {other}"):
            made(name, other)


@every
def test_built_twice_holds_the_second(name: str, metric: Metric) -> None:
    first, second = drawn(metric, 300), drawn(metric, 200, seed=7)
    index = built(name, metric, first)
    index.build(second)
    rows, _ = index.search(second, 1)
    assert rows.max() < 200
    assert recall(metric, second, second, rows) >= 0.9


@every
def test_at_its_most_exact_it_finds_all(name: str, metric: Metric) -> None:
    vectors, queries = drawn(metric, 5000), drawn(metric, 300, seed=3)
    rows, _ = built(name, metric, vectors, **exactest(name)).search(queries, 10)
    assert recall(metric, vectors, queries, rows) >= LOSSY.get(name, 0.99)


@every
def test_one_query_and_a_batch_agree(name: str, metric: Metric) -> None:
    vectors, queries = drawn(metric, 2000), drawn(metric, 40, seed=4)
    index = built(name, metric, vectors)
    rows, scores = index.search(queries, 10)
    alone = [index.search(query[None], 10) for query in queries]
    assert np.allclose(scores, np.concatenate([each[1] for each in alone]), atol=1e-5)
    assert (rows == np.concatenate([each[0] for each in alone])).mean() > 0.99


@every
def test_threads_search_while_another_tunes(name: str, metric: Metric) -> None:
    vectors = drawn(metric, 2000)
    spec = INDEXES.spec(name)
    knobs = [each for each in spec.knobs if each.when == "query"]
    index = built(name, metric, vectors, **exactest(name))
    settings = [{each.name: min(value, each.high) for each in knobs} for value in (4, 64)]
    right = []
    for setting in settings:
        index.tune(**setting)
        right.append(index.search(vectors[:1], 10)[0].tolist())
    stop, wrong = threading.Event(), list[object]()

    def searching() -> None:
        try:
            while not stop.is_set():
                rows, _ = index.search(vectors[:1], 10)
                if rows.tolist() not in right:
                    wrong.append(rows)
        except Exception as error:  # a thread's error is lost unless it is handed over
            wrong.append(error)

    workers = [threading.Thread(target=searching) for _ in range(2)]
    for worker in workers:
        worker.start()
    for turn in range(500):
        index.tune(**settings[turn % 2])
    stop.set()
    for worker in workers:
        worker.join()
    assert not wrong


def test_listing_imports_no_engine() -> None:
    script = (
        "import sys; from retrieval.indexes import INDEXES; print(*INDEXES.names());"
        "heavy = {'faiss', 'torch', 'openvino', 'usearch', 'hnswlib', 'scann', 'annoy'};"
        "heavy &= set(sys.modules);"
        "assert not heavy, heavy"
    )
    assert run([script]).split() == INDEXES.names()
