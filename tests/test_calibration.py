"""What a score is worth."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from retrieval.cli import main
from retrieval.commands.verify import shipping
from retrieval.errors import BadQuery
from retrieval.lab import Lab
from retrieval.measure.calibration import BIN, DEPTH, Curve, _steps, curve, fit, reliability, top
from retrieval.measure.calibrations import calibrations, fitted, key
from retrieval.measure.quality import by_label
from retrieval.measure.sweep import Kind
from retrieval.store import place
from tests.held import ending


def drawn(count: int, seed: int = 0) -> np.ndarray:
    """Queries whose pictures are right as often as their score, squared."""
    draws = np.random.default_rng(seed)
    scores = np.sort(draws.random((count, DEPTH)), axis=1)[:, ::-1]
    return np.stack([scores, draws.random(scores.shape) < scores**2], axis=1).astype(np.float64)


def test_it_finds_the_probability_that_is_there() -> None:
    found = fit(drawn(3000), np.arange(3000))
    for score in (0.2, 0.5, 0.9):
        assert found.curve.at(np.array([score]))[0] == pytest.approx(score**2, abs=0.05)
    told = found.reliability
    assert told.error[1] <= told.error[0] <= told.error[2] < 0.03
    assert told.brier[1] < told.brier[0] < told.brier[2] < told.base
    assert sum(count for _, _, count in told.bins) == 3000 * DEPTH


def test_it_never_falls_and_stays_a_probability() -> None:
    draws = np.random.default_rng(1)
    pairs = np.stack([draws.normal(size=(90, DEPTH)), draws.integers(0, 2, (90, DEPTH))], axis=1)
    made = curve(pairs)
    assert (np.diff(made.scores) > 0).all() and (np.diff(made.chances) >= 0).all()
    assert 0 <= made.chances[0] and made.chances[-1] <= 1
    assert made.at(np.array([-99.0]))[0] == made.chances[0]
    assert made.at(np.array([99.0]))[0] == made.chances[-1]


def test_one_lucky_pair_is_no_certainty() -> None:
    pairs = np.zeros((40, 2, DEPTH))
    pairs[:, 0] = np.random.default_rng(0).random((40, DEPTH))
    pairs[0, :, 0] = 1  # the highest score is right, and nothing else is
    assert curve(pairs).chances[-1] < 0.1


def test_no_step_stands_on_fewer_pairs_than_is_said() -> None:
    draws = np.random.default_rng(4)
    for several in (5, 12, 65, 100_000):  # hashes give few different scores
        scores = draws.integers(0, several, 620) / several
        means, _, counts = _steps(scores, np.zeros(620))
        assert counts.min() >= BIN and counts.sum() == 620 and (np.diff(means) > 0).all()
    pairs = np.zeros((40, 2, DEPTH))
    pairs[:, 0] = 0.5
    pairs[0, :, :3] = 1  # three at the top are right, among four hundred of one score
    assert curve(pairs).chances[-1] < 0.01
    assert _steps(np.array([0.5, 0.7]), np.array([0.0, 1.0]))[2].tolist() == [2]


def test_held_out_noise_is_not_believed() -> None:
    draws = np.random.default_rng(2)
    pairs = np.stack([draws.random((300, DEPTH)), draws.random((300, DEPTH)) < 0.2], axis=1)
    told = fit(pairs.astype(np.float64), np.arange(300)).reliability
    assert told.brier[0] > told.base - 0.002  # a fit that saw its queries would beat it


def test_queries_of_one_thing_are_held_out_together() -> None:
    pairs = drawn(50)
    with pytest.raises(BadQuery, match="look for 1 different things"):
        fit(pairs, np.zeros(50, dtype=np.int64))
    fit(pairs, np.arange(50) % 5)


def test_all_right_and_all_wrong_are_curves_too() -> None:
    for value in (0.0, 1.0):
        pairs = drawn(30)
        pairs[:, 1] = value
        made = fit(pairs, np.arange(30))
        assert made.curve.at(np.array([0.5]))[0] == value
        assert made.reliability.brier[0] == 0


def test_the_best_of_each_query_are_taken_and_what_is_left_out_is_not() -> None:
    scores = np.array([[0.1, -np.inf, 0.9, 0.5]], dtype=np.float32)
    relevant = np.array([[True, True, False, True]])
    found = top(scores, relevant)
    assert found.shape == (1, 2, DEPTH)
    assert found[0, 0, :3].tolist() == pytest.approx([0.9, 0.5, 0.1])
    assert found[0, 1, :3].tolist() == [0, 1, 1]
    assert np.isnan(found[0, :, 3:]).all()


def test_reliability_is_as_counted_by_hand() -> None:
    told = reliability(np.array([[0.05, 0.95], [0.05, 0.95]]), np.array([[0.0, 1.0], [0.0, 0.0]]))
    assert told.bins == ((0.05, 0.0, 2), (0.95, 0.5, 2))
    assert told.error[0] == pytest.approx((2 * 0.05 + 2 * 0.45) / 4)
    assert told.brier[0] == pytest.approx((3 * 0.05**2 + 0.95**2) / 4)


def test_a_hash_is_fitted_to_the_share_of_equal_bits(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path)
    stamps = lab.gallery("stamps")
    made = fitted(lab, stamps, "phash", by_label(stamps))
    assert 0 <= made.curve.scores[0] < made.curve.scores[-1] <= 1


def test_what_ships_is_there_and_of_the_shipped_vectors(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path)
    for gallery in ("stamps", "clipart"):
        opened = lab.gallery(gallery)
        for name in shipping():
            spec = lab.spec(name)
            kinds: tuple[Kind, ...] = ("text", "picture") if spec.reads_text else ("picture",)
            for kind in kinds:
                there = calibrations(lab).find(key(opened, spec, kind))
                assert bool(there) == spec.reads_images, (gallery, name, kind)


def test_another_revision_has_no_fit(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path)
    wanted = key(lab.gallery("stamps"), lab.spec("phash"), "picture")
    assert calibrations(lab).find({**wanted, "gallery_revision": "other"}) is None
    assert calibrations(lab).find({**wanted, "words": "other"}) is None


def test_a_fit_is_kept_and_a_damaged_one_is_not_used(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path)
    wanted = {**key(lab.gallery("stamps"), lab.spec("phash"), "picture"), "words": "mine"}
    made = fit(drawn(60), np.arange(60))
    calibrations(lab).save(wanted, made)
    assert calibrations(lab).find(wanted) == made
    file = place(tmp_path / "calibrations", wanted) / "curve.json"
    file.write_text(file.read_text().replace("0.", "1.", 1))
    assert calibrations(lab).find(wanted) is None


KEEP = """
import sys
from pathlib import Path
import numpy as np
from retrieval.lab import Lab
from retrieval.measure.calibration import fit
from retrieval.measure.calibrations import calibrations, key
from tests.test_calibration import drawn
lab = Lab(cache=Path(sys.argv[1]))
wanted = {**key(lab.gallery("stamps"), lab.spec("phash"), "picture"), "words": "mine"}
made = fit(drawn(60), np.arange(60))
while True:
    calibrations(lab).save(wanted, made)
    print("saved", flush=True)
"""


def test_a_kill_leaves_a_whole_fit(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path)
    wanted = {**key(lab.gallery("stamps"), lab.spec("phash"), "picture"), "words": "mine"}
    command = [sys.executable, "-c", KEEP, str(tmp_path)]
    with ending(subprocess.Popen(command, stdout=subprocess.PIPE)) as child:
        assert child.stdout is not None
        assert [child.stdout.readline() for _ in range(5)] == [b"saved\n"] * 5
    found = calibrations(lab).find(wanted)
    assert found is not None and found.queries == 60
    calibrations(lab).save(wanted, fit(drawn(60), np.arange(60)))  # what was left is no hindrance
    assert calibrations(lab).find(wanted) is not None


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    asked = ["calibrate", "--embedder", "phash", "--embedder", "captions"]
    assert main([*asked, "--cache", str(tmp_path), "--json"]) == 0
    given = json.loads(capsys.readouterr().out)
    assert [(each["embedder"], each["asked"]) for each in given["fits"]] == [("phash", "picture")]
    assert list(tmp_path.glob("calibrations/stamps/phash/*/curve.json"))
    assert main([*asked, "--cache", str(tmp_path)]) == 0
    assert "calibration error" in capsys.readouterr().out
    assert main([*asked, "--cache", str(tmp_path), "--csv"]) == 0
    head, *bins = capsys.readouterr().out.splitlines()
    assert head.startswith("gallery,revision,embedder,asked,bin,queries,said,right,answers,")
    assert len(bins) == len(given["fits"][0]["reliability"]["bins"])
    assert main(["calibrate", "--embedder", "captions"]) == 2
    assert "neither captions nor labels" in capsys.readouterr().err


def test_a_point_is_a_curve() -> None:
    assert Curve((0.5,), (0.25,)).at(np.array([0.1, 0.9])).tolist() == [0.25, 0.25]
