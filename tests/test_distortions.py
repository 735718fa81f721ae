"""Distortions: seeded, stronger by degrees, of every size of picture."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.duplicates.detection import distorted
from retrieval.duplicates.distortions import DISTORTIONS, Setting, by_distortion, settings
from tests.pictures import picture


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
