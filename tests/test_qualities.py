"""Quality and losses that are kept on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from retrieval.errors import LabError
from retrieval.lab import Lab
from retrieval.measure import quality
from retrieval.measure.calibrations import calibrations
from retrieval.panel import Panel
from retrieval.ui.ratings import Rating, Ratings
from tests.bare import unmeasured
from tests.held import ENOUGH

EMBEDDER = "efficientnet-lite0"
PANEL = Panel(EMBEDDER, "faiss-ivf")


def ratings(lab: Lab) -> tuple[Ratings, list[Rating]]:
    """An embedder's and a panel's, of pictures of the stamps, as a new process finds them."""
    made = Ratings(lab, calibrations(lab))
    return made, made.of(lab.gallery("stamps"), [EMBEDDER], [PANEL])


def measure(lab: Lab, seconds: float = ENOUGH) -> list[Rating]:
    made, every = ratings(lab)
    list(made.measure(lab.gallery("stamps"), every, seconds))
    return every


def test_what_is_whole_is_there_in_the_next_process(tmp_path: Path) -> None:
    lab = unmeasured(tmp_path)
    assert [each.done for each in ratings(lab)[1]] == [0, 0]
    own, panel = measure(lab)
    assert own.finished and not own.problem and not panel.problem
    again, other = ratings(lab)[1]
    assert again.finished and other.finished and not again.pairs
    np.testing.assert_array_equal(again.quality.values, own.quality.values)
    assert again.quality.rows() == own.quality.rows()
    assert other.by_index == panel.by_index and other.loss.model == panel.loss.model
    made = Ratings(lab, calibrations(lab))
    assert list(made.measure(lab.gallery("stamps"), [again], ENOUGH)) == []


def test_what_is_not_whole_is_not_kept(tmp_path: Path) -> None:
    lab = unmeasured(tmp_path)
    own, panel = measure(lab, 0)  # one part of one of them
    assert 0 < own.done + panel.done < own.total
    assert [each.done for each in ratings(lab)[1]] == [0, 0]


def test_a_damaged_one_is_measured_anew(tmp_path: Path) -> None:
    lab = unmeasured(tmp_path)
    measure(lab)
    for file in tmp_path.glob("qualities/*/note.json"):
        file.write_text("{")
    assert [each.done for each in ratings(lab)[1]] == [0, 0]
    assert all(each.finished for each in measure(lab))
    assert all(each.finished for each in ratings(lab)[1])


def test_without_its_fit_it_is_measured_again(tmp_path: Path) -> None:
    lab = unmeasured(tmp_path)
    measure(lab)
    made = Ratings(lab, calibrations(lab))
    made.fits.shipped = made.fits.cache = tmp_path / "none"
    own, panel = made.of(lab.gallery("stamps"), [EMBEDDER], [PANEL])
    assert not own.done and panel.finished


def test_strangers_keep_no_panels(tmp_path: Path) -> None:
    lab = unmeasured(tmp_path, public=True)
    measure(lab)
    own, panel = ratings(lab)[1]
    assert own.finished and not panel.done


def test_what_cannot_be_kept_is_said_and_stays_in_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = unmeasured(tmp_path)
    (tmp_path / "qualities").write_text("a file is in the way")
    made, every = ratings(lab)
    with pytest.raises(LabError):
        list(made.measure(lab.gallery("stamps"), every, ENOUGH))
    assert any(each.finished for each in every)


def test_what_ships_is_what_is_measured(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path)
    own = ratings(lab)[1][0]
    assert own.finished
    now = quality.measure(lab, lab.gallery("stamps"), EMBEDDER, own.task)
    differ = np.abs(now.values - own.quality.values).max(axis=1) > 1e-9
    assert differ.mean() < 0.01  # another processor may round a tie the other way
    np.testing.assert_allclose(own.quality.low, now.low, atol=0.01)
