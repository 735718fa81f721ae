"""How often distorted copies are found again: measured, kept, shipped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval.duplicates import detection, kept
from retrieval.duplicates import finder as finding
from retrieval.duplicates.detection import SEED, Measured, alone, measure, sample
from retrieval.duplicates.distortions import by_distortion, settings
from retrieval.duplicates.finder import Finder
from retrieval.duplicates.kept import Detection
from retrieval.embedders import EMBEDDERS
from retrieval.errors import BadQuery, Damaged, Unsupported
from retrieval.lab import Lab
from retrieval.store import place, vectors_key
from tests.fakes import Colours
from tests.pictures import picture


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


def test_searches_beside_it_are_told_as_busy(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    going: list[int] = []
    for owner, name in ((detection, "_one"), (finding, "near")):
        true = getattr(owner, name)

        def noted(*given: Any, true: Any = true) -> Any:
            going.append(lab.work.count()[1])
            return true(*given)

        monkeypatch.setattr(owner, name, noted)
    gallery, finder = lab.gallery("colours"), Finder(lab)
    list(finder.measure(gallery, "colour", 2, 60))
    assert finder.near(gallery, "colour").count == 40 and finder.first(gallery, "colour").count
    assert len(going) == 4 and min(going) > 0 and lab.work.count()[1] == 0
