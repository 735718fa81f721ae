"""Near-duplicates: pairs, groups, distortions, and how often they are found again."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retrieval.duplicates import kept, pairs
from retrieval.duplicates.asked import Way, found, ways
from retrieval.duplicates.detection import SEED, Measured, alone, distorted, measure, sample
from retrieval.duplicates.distortions import DISTORTIONS, Setting, by_distortion, settings
from retrieval.duplicates.finder import Finder, least
from retrieval.duplicates.groups import by_picture, groups, matched
from retrieval.duplicates.kept import Detection
from retrieval.duplicates.pairs import Near, near
from retrieval.embedders import EMBEDDERS
from retrieval.embedders.base import unit
from retrieval.errors import BadQuery, Damaged, LabError, Unsupported
from retrieval.lab import Lab
from retrieval.store import place, vectors_key
from retrieval.types import Metric, Vectors
from tests.fakes import Colours

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


# --- distortions ----------------------------------------------------------------------------------


def picture(width: int = 60, height: int = 40) -> Image.Image:
    pixels = np.random.default_rng(1).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize(
    "setting", settings(), ids=lambda each: f"{each.distortion.name}-{each.label}"
)
def test_a_distortion_is_seeded_and_leaves_its_picture(setting: Setting) -> None:
    image = picture()
    before = image.tobytes()
    once, again = (setting.apply(image, (0, 3)) for _ in range(2))
    assert image.tobytes() == before
    assert once.mode == "RGB"
    assert once.size == again.size
    assert once.tobytes() == again.tobytes()
    assert (once.size, once.tobytes()) != (image.size, before)


def test_stronger_means_further_from_the_picture() -> None:
    by_name = {each.name: each for each in DISTORTIONS}
    changed = dict(
        zip(
            [(s.distortion.name, s.label) for s in settings()], distorted(picture(), 1), strict=True
        )
    )
    areas = [
        changed["crop", label].width * changed["crop", label].height
        for label in by_name["crop"].labels
    ]
    assert areas == sorted(areas, reverse=True)
    assert areas[-1] == pytest.approx(0.5 * 60 * 40, rel=0.05)
    assert changed["scale", "50%"].size == (30, 20)
    black = [
        (np.asarray(changed["caption", label]).sum(axis=2) == 0).sum()
        for label in by_name["caption"].labels
    ]
    assert black == sorted(black)
    sides = np.asarray(changed["flip", "sides"])
    assert np.array_equal(sides[:, ::-1], np.asarray(picture()))


def test_a_picture_of_one_pixel_is_distorted_too() -> None:
    assert len(distorted(picture(1, 1), 0)) == len(settings())
    assert [part.stop - part.start for _, part in by_distortion()] == [
        len(each.strengths) for each in DISTORTIONS
    ]


# --- detection ------------------------------------------------------------------------------------


def test_a_strength_is_said_as_it_is() -> None:
    said: dict[str, list[str]] = {each.distortion.name: [] for each in settings()}
    for each in settings():
        said[each.distortion.name].append(each.label)
    assert said["scale"] == ["75%", "50%", "25%", "12.5%"]
    assert said["crop"] == ["5%", "10%", "20%", "35%", "50%"]
    assert said["caption"] == ["8%", "15%", "25%", "40%"]


def test_rates_have_intervals_and_follow_the_threshold() -> None:
    count = len(settings())
    own = np.tile(np.linspace(0, 1, 20, dtype=np.float32)[:, None], (1, count))
    measured = Measured(own, own)
    rates = measured.detected(0.5)
    assert rates.mean == pytest.approx(np.full(count, 0.5))
    assert (rates.low < rates.mean).all() and (rates.high > rates.mean).all()
    assert measured.detected(0.9).mean[0] < rates.mean[0]
    assert np.isnan(Measured().detected(0.5).mean).all()
    always = measured.detected(-1.0)  # all of them is not certainty
    assert (always.mean == 1).all() and (always.high == 1).all() and (always.low < 1).all()
    never = measured.detected(1.1)
    assert (never.mean == 0).all() and (never.low == 0).all() and (never.high > 0).all()


def test_the_sample_is_a_seeded_order_of_all_rows() -> None:
    assert sample(50) == sample(50)
    assert sorted(sample(50)) == list(range(50))
    assert SEED == 0


def test_what_was_measured_stays_and_goes_on(lab: Lab) -> None:
    gallery, finder = lab.gallery("colours"), Finder(lab)
    steps = finder.measure(gallery, "colour", 12, 60)
    assert next(steps).done == 2
    steps.close()  # a stop in the middle
    first = Finder(lab).detection(gallery, "colour")
    assert len(first.measured) == 2
    assert [step.done for step in finder.measure(gallery, "colour", 12, 60)] == [4, 6, 8, 10, 12]
    whole = finder.detection(gallery, "colour")
    assert len(whole.measured) == 12
    assert np.array_equal(whole.measured.own[:2], first.measured.own)
    assert whole.machine and whole.at and whole.versions["numpy"] == np.__version__
    assert list(finder.measure(gallery, "colour", 12, 60)) == []


def test_a_plain_colour_survives_what_keeps_it(lab: Lab) -> None:
    gallery, finder = lab.gallery("colours"), Finder(lab)
    list(finder.measure(gallery, "colour", 40, 60))
    rates = finder.detection(gallery, "colour").measured.detected(0.999)
    by_name = {each.name: rates.mean[part] for each, part in by_distortion()}
    assert by_name["flip"] == pytest.approx(1)
    assert by_name["scale"] == pytest.approx(1)
    assert by_name["rotate"][-1] < 0.6  # white corners change a mean, but not white's


def test_a_budget_of_zero_measures_nothing(lab: Lab) -> None:
    gallery, finder = lab.gallery("colours"), Finder(lab)
    assert list(finder.measure(gallery, "colour", 12, 0)) == []
    assert len(finder.detection(gallery, "colour").measured) == 0
    with pytest.raises(BadQuery, match="at least 1"):
        list(finder.measure(gallery, "colour", 0, 60))


def test_more_pictures_than_there_are(lab: Lab) -> None:
    gallery, finder = lab.gallery("colours"), Finder(lab)
    assert [step.total for step in finder.measure(gallery, "colour", 10**9, 60)][-1] == 40


def test_a_gallery_of_one_is_measured(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    single = Colours(1)
    monkeypatch.setattr(lab.catalog, "open", lambda name: single)
    finder = Finder(lab)
    assert [step.done for step in finder.measure(single, "colour", 5, 60)] == [1]
    measured = finder.detection(single, "colour").measured
    assert (measured.other == -1).all()  # there is no other picture to be found
    assert measured.alarms(0.5).max() == 0
    assert finder.groups(single, "colour", 0.9) == []


def test_another_gallery_or_embedder_is_another_key(lab: Lab) -> None:
    keys = [
        kept.key(Colours(40, revision=revision), lab.spec(name))
        for revision in ("1", "2")
        for name in ("colour", "blind")
    ]
    assert len({str(kept.place(Path(), key)) for key in keys}) == 4


def test_a_flipped_bit_is_measured_anew_and_in_what_ships_is_said(lab: Lab) -> None:
    gallery, finder = lab.gallery("colours"), Finder(lab)
    list(finder.measure(gallery, "colour", 4, 60))
    key, store = kept.key(gallery, lab.spec("colour")), finder.detections
    file = kept.place(store.cache, key) / "own.npy"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    assert len(finder.detection(gallery, "colour").measured) == 0
    shipped = kept.place(store.shipped, key)
    shipped.parent.mkdir(parents=True)
    file.parent.rename(shipped)
    with pytest.raises(Damaged, match="differs"):
        finder.detection(gallery, "colour")


def test_more_is_kept_than_what_ships(lab: Lab) -> None:
    gallery, finder = lab.gallery("colours"), Finder(lab)
    list(finder.measure(gallery, "colour", 4, 60))
    key, store = kept.key(gallery, lab.spec("colour")), finder.detections
    target = kept.place(store.shipped, key)
    target.parent.mkdir(parents=True)
    kept.place(store.cache, key).rename(target)
    list(finder.measure(gallery, "colour", 8, 60))
    assert len(finder.detection(gallery, "colour").measured) == 8
    assert [folder.parents[2] for folder in store.folders()] == [store.shipped, store.cache]
    assert isinstance(kept.read(target), Detection)


def test_what_reads_captions_is_refused() -> None:
    lab = Lab()
    with pytest.raises(Unsupported, match="reads no pictures"):
        alone(lab, "captions", picture(), [picture()])
    with pytest.raises(Unsupported, match="reads no pictures"):
        list(Finder(lab).measure(lab.gallery("stamps"), "captions", 4, 60))


@pytest.mark.parametrize("gallery", ["stamps", "clipart"])
def test_what_ships_is_of_every_embedder_with_shipped_vectors(gallery: str) -> None:
    lab = Lab()
    finder, opened = Finder(lab), lab.gallery(gallery)
    names = [spec.name for spec in EMBEDDERS.specs() if spec.reads_images]
    shipped = [
        name
        for name in names
        if place(lab.store.shipped, vectors_key(opened, lab.spec(name))).is_dir()
    ]
    assert len(shipped) == 10
    for name in shipped:
        known = kept.read(kept.place(finder.detections.shipped, kept.key(opened, lab.spec(name))))
        assert len(known.measured) == 100
        assert known.machine and known.at and known.versions


@pytest.mark.parametrize("name", ["phash", "colours"])
def test_what_ships_is_measured_again(name: str) -> None:
    lab = Lab()
    gallery = lab.gallery("clipart")
    rows = sample(len(gallery))[:4]
    finder = Finder(lab)
    known = kept.read(kept.place(finder.detections.shipped, kept.key(gallery, lab.spec(name))))
    for at, part in enumerate(measure(lab, gallery, name, rows, 60)):
        here = slice(2 * at, 2 * at + 2)
        assert np.abs(part.own - known.measured.own[here]).max() < 0.02
        assert np.abs(part.other - known.measured.other[here]).max() < 0.02


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
