"""Whether a difference is one."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from itertools import product

import numpy as np
import pytest

from retrieval.cli import main
from retrieval.measure import bootstrap
from retrieval.measure.metrics import SHOWN, shown
from retrieval.measure.pairs import apart, by_label, compared, holm, permuted
from retrieval.measure.quality import Task


def test_the_test_is_that_of_every_swap() -> None:
    values = np.array([0.3, 0.1, -0.05, 0.2, 0.2, 0.0, 0.4, -0.1])
    sums = [
        abs(sum(s * v for s, v in zip(signs, values, strict=True)))
        for signs in product((1, -1), repeat=8)
    ]
    exact = np.mean([each >= abs(values.sum()) - 1e-9 for each in sums])
    assert permuted(values) == pytest.approx(exact, abs=0.01)


def test_it_agrees_with_scipy_on_ties_and_without() -> None:
    from scipy.stats import permutation_test

    draws = np.random.default_rng(3)
    for values in (
        draws.normal(0.1, 1, 40),
        draws.normal(0.1, 1, 90),
        draws.integers(-1, 2, 60).astype(float),
    ):
        known = permutation_test(
            (values,), lambda x, axis: x.mean(axis=axis), permutation_type="samples", rng=1
        )
        assert permuted(values) == pytest.approx(known.pvalue, abs=0.02)


def test_equals_differ_in_nothing() -> None:
    assert permuted(np.zeros(9)) == 1
    assert permuted(np.array([])) == 1


def test_chance_is_called_a_difference_as_often_as_is_said() -> None:
    draws = np.random.default_rng(5)
    found = [permuted(draws.normal(0, 1, 50), rounds=500) < 0.05 for _ in range(400)]
    assert 8 <= sum(found) <= 32  # 20, three standard errors about it


def test_many_different_sizes_take_little_room() -> None:
    values = np.random.default_rng(6).normal(0.01, 1, 7000)
    tracemalloc.start()
    permuted(values)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 100e6  # 10,000 rounds of 7,000 numbers are 560 MB


def test_holm_is_as_published() -> None:
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])).tolist() == pytest.approx(
        [0.03, 0.06, 0.06, 0.02]
    )
    assert holm(np.array([0.9, 0.8])).tolist() == [1, 1]
    assert holm(np.array([])).tolist() == []


def test_wilson_is_scipys() -> None:
    from scipy.stats import binomtest

    for hits, count in ((0, 5), (3, 10), (10, 10), (70, 200)):
        known = binomtest(hits, count).proportion_ci(method="wilson")
        assert bootstrap.wilson(hits, count) == pytest.approx((known.low, known.high), abs=1e-9)
    assert bootstrap.wilson(0, 0) == (0.0, 1.0)


def test_every_pair_is_compared_and_corrected_together() -> None:
    draws = np.random.default_rng(0)
    base = draws.random((80, len(SHOWN)))
    same, worse = base.copy(), base - 0.3
    found = compared(
        [("a", [("x", base), ("y", same), ("z", worse)]), ("b", [("x", base), ("y", same)])]
    )
    assert len(found) == (3 + 1) * len(SHOWN)
    ndcg = {(each.task, each.one, each.other): each for each in found if each.metric == "nDCG@10"}
    sure = ndcg["a", "x", "z"]
    assert sure.sure and sure.mean == pytest.approx(0.3) and sure.holm == pytest.approx(4 * sure.p)
    assert ndcg["a", "x", "y"].p == 1 and not ndcg["b", "x", "y"].sure


def test_metrics_of_what_is_shown_are_those_of_trec_eval() -> None:
    from tests.test_metrics import by_trec

    draws = np.random.default_rng(2)
    scores = draws.permuted(np.tile(np.arange(40, dtype=np.float32), (30, 1)), axis=1)
    relevant = draws.random((30, 40)) < 0.2
    relevant[:, 0] = True
    order = np.argsort(-scores, axis=1)[:, :10]
    gains = np.take_along_axis(relevant, order, axis=1)
    known = by_trec(scores, relevant)
    known[:, 3][~gains.any(axis=1)] = 0  # the first right one is not shown
    np.testing.assert_allclose(shown(gains, relevant.sum(axis=1)), known, atol=1e-9)


def test_rates_say_where_they_stand_on_few() -> None:
    rows = np.arange(25)
    labels = ["owl"] * 21 + ["car"] * 3 + [""]
    found = [rows % 2 == 0, rows < 22]
    owls, cars = by_label(labels, Task("t", rows, None, rows), found)
    assert (owls.label, owls.count, owls.found, owls.few) == ("owl", 21, (11, 21), False)
    assert (cars.label, cars.count, cars.found, cars.few) == ("car", 3, (1, 1), True)
    low, high = cars.interval(0)
    assert low < 1 / 3 < high and high - low > 0.6


def test_the_worst_come_first_and_only_where_it_is_behind() -> None:
    one, other = np.array([0.5, 0.1, 0.9, 0.0]), np.array([0.6, 0.9, 0.2, 0.0])
    assert apart(one, other, 9).tolist() == [1, 0]
    assert apart(one, other, 1).tolist() == [1]


def test_the_command_tests_pairs(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["evaluate", "--pair", "phash", "colours@exact", "--by", "label"]
    assert main([*asked, "--json"]) == 0
    given = json.loads(capsys.readouterr().out)
    assert {each["metric"] for each in given["pairs"]} == set(SHOWN)
    for each in given["pairs"]:
        assert (each["one"], each["other"]) == ("phash@exact", "colours@exact")
        assert each["low"] <= each["mean"] <= each["high"] and each["p"] <= each["holm"] <= 1
    birds = next(each for each in given["labels"] if each["label"] == "animals/birds")
    assert birds["queries"] == 35 and not birds["few"]
    assert any(each["few"] for each in given["labels"])
    assert given["worst"][0]["other"] > given["worst"][0]["nDCG@10"]
    assert main([*asked, "--csv"]) == 0
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {each["panel"] for each in lines} == {"phash@exact", "colours@exact"}
    assert main(asked) == 0
    assert "fewer than 20" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("pair", "why"),
    [
        (["phash"], "needs two panels"),
        (["phash", "phash"], "needs two panels"),
        (["captions", "phash"], "no task"),
        (["phash", "nonsense"], "nonsense"),
        (["phash@", "colours"], "EMBEDDER@INDEX"),
    ],
)
def test_what_the_command_refuses(
    capsys: pytest.CaptureFixture[str], pair: list[str], why: str
) -> None:
    assert main(["evaluate", "--pair", *pair]) == 2
    assert why in capsys.readouterr().err
