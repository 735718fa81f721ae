"""The pairs that were picked by looking, and how ways are rated by them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from retrieval.duplicates import truth
from retrieval.duplicates.truth import COLUMNS, Truth, rate, read, similarities
from retrieval.errors import Damaged
from retrieval.lab import DATA, Lab
from retrieval.types import Metric, Vectors
from tests.fakes import Colours

HEAD = ",".join(COLUMNS)


def test_the_pairs_are_of_the_gallery_that_ships() -> None:
    gallery = Lab().gallery("clipart")
    found = read(DATA, gallery)
    assert found is not None
    assert len(found.rows) == len(found.same) == 100
    assert found.same.sum() == 50
    flat = found.rows.ravel().tolist()
    assert len(set(flat)) == 200  # no picture twice
    lines = (DATA / "duplicates" / "clipart.csv").read_text("utf-8").splitlines()[1:]
    for (one, other), line in zip(found.rows.tolist(), lines, strict=True):
        assert line.split(",")[2:4] == gallery.sources([one, other])
        assert gallery.revision.startswith(line.split(",")[4])
    assert lines == sorted(lines)


def test_equal_pairs_are_equal_and_the_rest_is_not() -> None:
    lab = Lab()
    gallery = lab.gallery("clipart")
    found = read(DATA, gallery)
    assert found is not None
    vectors = lab.vectors(gallery, "phash")
    scores = similarities(vectors[found.rows[:, 0]], vectors[found.rows[:, 1]], Metric.HAMMING)
    equal = [word == "equal" for word in found.differences]
    assert (scores[equal] > 0.9).all()
    assert sum(equal) < 20  # else every way would be right


def test_where_nobody_has_looked() -> None:
    assert read(DATA, Lab().gallery("stamps")) is None


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("near-duplicate,equal,0.webp,9.webp,1", "no 9.webp"),
        ("near-duplicate,equal,0.webp,1.webp,2", "picked over revision 2"),
        ("near-duplicate,equal,0.webp,1.webp,", "picked over revision"),
        ("perhaps,equal,0.webp,1.webp,1", "columns must be"),
        ("near-duplicate,equal,0.webp,1.webp", "columns must be"),
        ("near-duplicate,equal,0.webp,1.webp,1", "both kinds"),
        ("", "both kinds"),
        ("near-duplicate,equal,0.webp,1.webp,1,more", "columns must be"),
    ],
)
def test_a_file_of_another_gallery_is_refused(tmp_path: Path, body: str, why: str) -> None:
    (tmp_path / "duplicates").mkdir()
    (tmp_path / "duplicates" / "colours.csv").write_text(f"{HEAD}\n{body}\n", "utf-8")
    with pytest.raises(Damaged, match=why):
        read(tmp_path, Colours(5))


def judged(scores: list[float], same: list[bool]) -> truth.Rated:
    """Rated by vectors in a plane whose cosine with the first axis is each score."""
    one = np.tile(np.array([1, 0], np.float32), (len(scores), 1))
    other = np.array([(each, np.sqrt(1 - each**2)) for each in scores], np.float32)
    vectors: Vectors = np.concatenate([one, other])
    rows = np.column_stack([np.arange(len(scores)), len(scores) + np.arange(len(scores))])
    return rate(vectors, Metric.COSINE, Truth(rows, np.array(same), ("",) * len(scores)))


def test_the_area_by_hand() -> None:
    # 2 near-duplicates and 2 look-alikes: of 4 comparisons 2 are won and 1 is a tie
    got = judged([0.9, 0.5, 0.5, 0.7], [True, True, False, False])
    assert got.auc == pytest.approx((1 + 1 + 0 + 0.5) / 4)
    assert 0 <= got.low <= got.auc <= got.high <= 1
    # found at 0.9: 1 of 1; at 0.5: 2 of 4
    assert got.precision == pytest.approx((1 / 1 + 2 / 4) / 2)
    assert got.at(0.5) == (1.0, 1.0)
    assert got.at(0.6) == (0.5, 0.5)
    assert got.curve()[0] == (0.0, 0.0) and got.curve()[-1] == (1.0, 1.0)


def test_a_perfect_way_and_its_opposite() -> None:
    best = judged([0.9, 0.8, 0.2, 0.1], [True, True, False, False])
    worst = judged([0.1, 0.2, 0.8, 0.9], [True, True, False, False])
    assert (best.auc, best.precision, best.high) == (1.0, 1.0, 1.0)
    assert best.low == pytest.approx(0.025 ** (1 / 2))  # two of each prove little
    assert worst.auc == 0.0


def test_the_area_under_the_curve_is_the_curves() -> None:
    draws = np.random.default_rng(2)
    scores = np.round(draws.random(60), 1)
    got = judged(scores.tolist(), (draws.random(60) < 0.5).tolist())
    xs, ys = zip(*got.curve(), strict=True)
    assert np.trapezoid(ys, xs) == pytest.approx(got.auc)
