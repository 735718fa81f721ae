"""Near-duplicates: pairs, groups, and thresholds typed either way."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from retrieval.duplicates import pairs
from retrieval.duplicates.asked import Way, found, ways
from retrieval.duplicates.finder import Finder, least
from retrieval.duplicates.groups import by_picture, groups, matched
from retrieval.duplicates.pairs import Near, near
from retrieval.embedders import EMBEDDERS
from retrieval.embedders.base import unit
from retrieval.errors import BadQuery, LabError
from retrieval.lab import Lab
from retrieval.types import Metric, Vectors

# --- pairs ----------------------------------------------------------------------------------------


def brute(vectors: Vectors, metric: Metric) -> dict[tuple[int, int], float]:
    scores = pairs.compared(vectors, vectors, metric)
    return {
        (one, other): round(float(scores[one, other]), 6)
        for one, other in itertools.combinations(range(len(vectors)), 2)
    }


def vectors(metric: Metric, count: int = 300) -> Vectors:
    draws = np.random.default_rng(3)
    if metric is Metric.HAMMING:
        return draws.integers(0, 256, (count, 8), dtype=np.uint8)
    return unit(draws.normal(size=(count, 16)).astype(np.float32))


@pytest.mark.parametrize("metric", list(Metric))
def test_every_pair_is_compared_once(metric: Metric) -> None:
    given = vectors(metric)
    before = given.copy()
    got = near(given, metric)
    assert np.array_equal(given, before)
    wanted = brute(given, metric)
    assert len(got.scores) == got.total == len(wanted)
    for (one, other), score in zip(got.rows.tolist(), got.scores, strict=True):
        assert wanted[one, other] == pytest.approx(score, abs=2e-6)
    assert (np.diff(got.scores) <= 0).all()


@pytest.mark.parametrize("metric", list(Metric))
def test_too_many_pairs_leave_the_best_whole(
    metric: Metric, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs, "BLOCK", 64)  # so that it guesses a bound, and cuts in between
    given = vectors(metric)
    got = near(given, metric, most=500)
    assert 0 < len(got.scores) <= 500
    above = {pair for pair, score in brute(given, metric).items() if score > got.floor + 2e-6}
    assert above <= {(one, other) for one, other in got.rows.tolist()}
    assert got.within(got.floor + 1e-4) > 0
    with pytest.raises(BadQuery, match="choose a stricter threshold"):
        got.within(got.floor)


@pytest.mark.parametrize("rank", [1, 8, 60, 256])
@pytest.mark.parametrize("noise", [0.0, 0.01, 0.5])
def test_what_is_ruled_out_by_a_bound_is_no_close_pair(rank: int, noise: float) -> None:
    draws = np.random.default_rng(rank)
    centres = draws.standard_normal((rank, 256))
    given = centres[draws.integers(rank, size=2000)] * draws.uniform(0.1, 9, (2000, 1))
    noisy = (given + noise * draws.standard_normal(given.shape)).astype(np.float32)
    close = np.asarray(unit(noisy), np.float32)
    got = near(close, Metric.COSINE, most=1000)
    exact = np.round(close @ close.T, 6)[np.triu_indices(2000, 1)]
    beyond = np.sort(exact[exact > got.floor + 2e-6])[::-1]
    assert len(got.scores) <= 1000 and (got.scores > got.floor).all()
    assert abs(len(beyond) - len(got.scores)) <= (np.abs(exact - got.floor) < 3e-6).sum()
    count = min(len(beyond), len(got.scores))
    assert np.allclose(got.scores[:count], beyond[:count], atol=2e-6)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_threshold_that_is_no_number(value: float) -> None:
    with pytest.raises(BadQuery, match="finite"):
        near(vectors(Metric.COSINE, 5), Metric.COSINE).within(value)


@pytest.mark.parametrize("metric", list(Metric))
def test_identical_pictures_reach_one(metric: Metric) -> None:
    same = vectors(metric, 1)[np.zeros(70, int)]
    got = near(same, metric)
    assert got.within(1.0) == got.total == 70 * 69 // 2
    assert groups(got, 1.0) == [tuple(range(70))]


@pytest.mark.parametrize("metric", list(Metric))
def test_a_gallery_of_one_has_no_pairs(metric: Metric) -> None:
    got = near(vectors(metric, 1), metric)
    assert got.total == got.within(0.5) == 0
    assert groups(got, 0.5) == []
    assert got.level(5) == 1.0
    assert got.rate(0.5) == 0.0


def test_the_level_finds_as_many_pairs_and_no_more() -> None:
    got = near(vectors(Metric.HAMMING), Metric.HAMMING)
    for wanted in (1, 10, 100, 10**6):
        level = got.level(wanted)
        assert level == 1.0 or got.within(level) <= wanted
        lower = got.scores[got.scores < level]
        if len(lower) and got.within(level):
            assert got.within(float(lower[0])) > wanted


# --- groups ---------------------------------------------------------------------------------------


def given(count: int, *links: tuple[int, int, float]) -> Near:
    ordered = sorted(links, key=lambda each: -each[2])
    rows = np.array([each[:2] for each in ordered], np.int64).reshape(-1, 2)
    return Near(count, rows, np.array([each[2] for each in ordered], np.float32), -math.inf)


def test_a_chain_is_no_group() -> None:
    chain = given(4, (0, 1, 0.99), (1, 2, 0.98), (2, 3, 0.97))
    assert groups(chain, 0.9) == [(0, 1), (2, 3)]


def test_every_two_of_a_group_are_near() -> None:
    got = near(
        unit(np.random.default_rng(5).normal(size=(200, 3)).astype(np.float32)), Metric.COSINE
    )
    found_ = groups(got, 0.95)
    close = {(one, other) for one, other in got.rows[: got.within(0.95)].tolist()}
    rows = [row for group in found_ for row in group]
    assert len(rows) == len(set(rows))
    assert max(map(len, found_)) > 2
    assert all(pair in close for group in found_ for pair in itertools.combinations(group, 2))
    for one, other in itertools.combinations(found_, 2):  # nothing is left to join
        assert not all(tuple(sorted(pair)) in close for pair in itertools.product(one, other))


def test_groups_stand_beside_those_that_share_most() -> None:
    cases = matched([(0, 1, 2), (5, 6)], [(1, 2, 3), (0, 9), (7, 8)])
    assert [(case.first, case.second, case.kind) for case in cases] == [
        ((0, 1, 2), (1, 2, 3), "both"),
        ((5, 6), (), "first"),
        ((), (0, 9), "second"),
        ((), (7, 8), "second"),
    ]
    assert [cases[0].of(row) for row in range(4)] == ["first", "both", "both", "second"]


def test_pictures_are_counted_by_who_finds_them() -> None:
    assert by_picture([(0, 1), (2, 3)], [(1, 2, 7)]) == {"both": 2, "first": 2, "second": 1}


# --- both ways ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("phash", -1),
        ("phash", 65),
        ("phash", 1.5),
        ("phash", math.nan),
        ("phash", math.inf),
        ("colours", 1.5),
        ("colours", -2),
        ("colours", math.nan),
    ],
)
def test_a_threshold_outside(name: str, value: float) -> None:
    with pytest.raises(BadQuery, match="it must be"):
        least(EMBEDDERS.spec(name), value)


def test_the_two_stand_in_their_places() -> None:
    lab = Lab()
    finder, gallery = Finder(lab), lab.gallery("stamps")
    with pytest.raises(BadQuery, match="cannot stand here"):
        ways(finder, gallery, lab.spec("colours"), lab.spec("phash"), 8, None)
    with pytest.raises(BadQuery, match="cannot stand here"):
        ways(finder, gallery, lab.spec("phash"), lab.spec("captions"), 8, None)


def test_equal_pairs_over_the_stamps() -> None:
    lab = Lab()
    finder, gallery = Finder(lab), lab.gallery("stamps")
    asked = ways(finder, gallery, lab.spec("phash"), lab.spec("efficientnet-lite2"), 8, None)
    got = found(finder, asked)
    assert asked.equal
    assert got.pairs[0] >= got.pairs[1] > 0.9 * got.pairs[0]
    assert sum(got.pictures.values()) == len(
        {row for group in (*got.first, *got.second) for row in group}
    )
    assert {case.kind for case in got.cases} == {"both", "first", "second"}
    assert [case.kind for case in got.cases[:3]] == ["both", "first", "second"]
    assert finder.groups(gallery, "phash", asked.first.least) is got.first  # not made again
    assert str(asked.first) == "pHash within 8 bits"
    assert str(Way.of(lab.spec("phash"), 1)) == "pHash within 1 bit"


def test_a_radius_that_is_too_loose_says_so() -> None:
    lab = Lab()
    with pytest.raises(LabError, match="choose a stricter threshold"):
        ways(Finder(lab), lab.gallery("clipart"), lab.spec("phash"), lab.spec("colours"), 40, None)
