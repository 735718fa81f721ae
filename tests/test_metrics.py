"""Metrics against trec_eval, intervals against what is known of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.measure import bootstrap
from retrieval.measure.metrics import NAMES, per_query
from retrieval.measure.quality import by_label
from tests.fakes import Colours

TREC = dict(
    zip(
        NAMES,
        ("success_1", "success_5", "success_10", "recip_rank", "map_cut_10", "ndcg_cut_10"),
        strict=True,
    )
)


def by_trec(scores: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    import pytrec_eval

    judged = {
        str(query): {str(row): int(value) for row, value in enumerate(line)}
        for query, line in enumerate(relevant)
    }
    run = {
        str(query): {str(row): float(value) for row, value in enumerate(line)}
        for query, line in enumerate(scores)
    }
    asked = {"success", "recip_rank", "map_cut", "ndcg_cut"}
    found = pytrec_eval.RelevanceEvaluator(judged, asked).evaluate(run)
    return np.array(
        [[found[str(each)][TREC[name]] for name in NAMES] for each in range(len(scores))]
    )


@pytest.mark.parametrize("rows", [1, 3, 10, 11, 400])
@pytest.mark.parametrize("share", [0.01, 0.2, 1.0])
def test_they_are_those_of_trec_eval(rows: int, share: float) -> None:
    draws = np.random.default_rng(rows)
    scores = draws.permuted(np.tile(np.arange(rows, dtype=np.float32), (20, 1)), axis=1)
    relevant = draws.random((20, rows)) < share
    relevant[np.arange(20), draws.integers(0, rows, 20)] = True
    np.testing.assert_allclose(per_query(scores, relevant), by_trec(scores, relevant), atol=1e-9)


def test_equal_scores_rank_by_row() -> None:
    scores = np.zeros((1, 12), dtype=np.float32)
    relevant = np.zeros((1, 12), dtype=bool)
    relevant[0, [4, 11]] = True
    found = dict(zip(NAMES, per_query(scores, relevant)[0], strict=True))
    assert found["R@1"] == 0 and found["R@5"] == 1
    assert found["MRR"] == 1 / 5
    assert found["mAP@10"] == pytest.approx(0.5 * 1 / 5)


def test_what_is_left_out_is_never_found() -> None:
    scores = np.array([[-np.inf, 0.5, 0.25]], dtype=np.float32)
    relevant = np.array([[False, False, True]])
    found = dict(zip(NAMES, per_query(scores, relevant)[0], strict=True))
    assert found["MRR"] == 0.5


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 30), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_they_stay_between_0_and_1(rows: int, queries: int, seed: int) -> None:
    draws = np.random.default_rng(seed)
    scores = draws.integers(0, 4, (queries, rows)).astype(np.float32)
    relevant = draws.random((queries, rows)) < 0.5
    relevant[:, 0] = True
    found = per_query(scores, relevant)
    assert found.shape == (queries, len(NAMES))
    assert (found >= 0).all() and (found <= 1).all()


def test_an_interval_holds_the_mean_as_often_as_it_says() -> None:
    draws = np.random.default_rng(7)
    held = 0
    for _ in range(200):
        low, high = bootstrap.interval(draws.normal(1, 1, (60, 1)))
        held += bool(low[0] <= 1 <= high[0])
    assert 178 <= held <= 200  # 95 % of 200, three standard errors to the left


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(0).random((50, 3))
    assert np.array_equal(bootstrap.means(values, 3, 40), bootstrap.means(values, 3, 40))
    assert not np.array_equal(bootstrap.means(values, 3, 40), bootstrap.means(values, 4, 40))


def test_pairs_show_a_difference_that_two_intervals_hide() -> None:
    draws = np.random.default_rng(1)
    hard = draws.random(300)
    mean, low, high = bootstrap.paired(hard + 0.05 + draws.normal(0, 0.02, 300), hard)
    assert 0 < low < mean < high < 0.1
    apart_low, apart_high = bootstrap.interval(np.column_stack([hard, hard + 0.05]))
    assert apart_low[1] < apart_high[0]


def test_one_label_is_said_to_be_no_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    gallery = Colours(12)
    monkeypatch.setattr(gallery, "labels", lambda rows: ["one"] * len(rows))
    assert by_label(gallery).name.endswith("its label, which all share: any answer is right")
    monkeypatch.setattr(gallery, "labels", lambda rows: ["one"] * 11 + [""])
    assert by_label(gallery).name.endswith("its label")


def test_queries_that_come_out_alike_are_no_certainty() -> None:
    from scipy.stats import binomtest

    for hits, count in ((12, 12), (0, 12), (1, 1), (0, 785)):
        known = binomtest(hits, count).proportion_ci(method="exact")
        values = np.full((count, 1), hits / count)
        low, high = bootstrap.interval(values)
        assert (low[0], high[0]) == pytest.approx((known.low, known.high), abs=1e-9)
    low, high = bootstrap.interval(np.column_stack([np.ones(12), np.arange(12) / 12]))
    assert low[0] == pytest.approx(0.025 ** (1 / 12)) and 0.2 < low[1] < high[1] < 0.8
    mean, least, most = bootstrap.paired(np.ones(12), np.ones(12))
    assert (mean, least) == (0, -most) and most == pytest.approx(1 - 0.025 ** (1 / 12))
    least, most = bootstrap.alike(0.5, 12)
    assert least == pytest.approx(1 - most) and 0 < least < 0.5
