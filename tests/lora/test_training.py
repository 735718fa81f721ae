"""A LoRA on the towers of tiny models of random weights: what it is worth, how it is fitted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from retrieval.cli import main
from retrieval.commands import train, train_lora
from retrieval.embedders import adapted, adapter
from retrieval.embedders.adapter import Towers
from retrieval.errors import BadImage, NotReady, Stopped
from retrieval.train import lora
from retrieval.train.lora import batches, fit, ordered
from retrieval.train.lora_folds import Course, cross_validated, whole
from retrieval.train.projection import contrast
from retrieval.train.spool import spooled
from retrieval.train.through import Given, vectors
from tests.lora.place import BRIEF, NAME, QUICK, Place, options

# --- what it is worth ----------------------------------------------------------------------------


def test_captions_that_were_never_seen_are_found(answer: dict[str, Any]) -> None:
    found = answer["gain"]["R@10"]
    assert answer["proven"] and "better on rows that it has not seen" in answer["verdict"]
    assert found["after"] > found["before"] + 0.15 and found["low"] > 0
    assert (answer["embedder"], answer["rows"], answer["by"]) == (
        f"{NAME}+flags-lora", 84, "captions",
    )  # fmt: skip
    shown = train.show(answer)
    assert "R@10" in shown and "MRR" in shown and answer["verdict"] in shown


def test_labels_are_learnt_too(place: Place) -> None:
    towers, given = place.given("labels")
    pictures = np.asarray(place.lab.vectors(place.gallery, NAME), np.float32)
    settings = replace(QUICK, rounds=6)
    course = Course(lambda what, done, total: None, len(pictures), settings)
    gain = cross_validated(towers, given, (pictures, pictures), settings, course)
    assert gain.proven()


def test_what_cannot_be_learnt_is_not_claimed(place: Place) -> None:
    towers, given = place.given("captions")
    assert given.tokens is not None
    mixed = np.random.default_rng(1).permutation(len(given.groups))  # captions of other pictures
    wrong = Given(given.pixels, given.tokens[mixed], given.groups[mixed])
    before = train_lora.frozen(place.lab, place.gallery, NAME, np.arange(len(mixed)), "captions")
    course = Course(lambda what, done, total: None, len(mixed), BRIEF)
    gain = cross_validated(towers, wrong, (before[0][mixed], before[1]), BRIEF, course)
    assert not gain.proven()
    assert "no gain is proven" in train.verdict(gain, True) or "worse" in train.verdict(gain, True)


# --- how it is fitted ----------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes(place: Place) -> None:
    towers, given = place.given("captions", 40)
    rows = np.arange(40)
    torch.manual_seed(5)
    first = fit(towers, given, rows, BRIEF)
    before = torch.random.get_rng_state()
    torch.manual_seed(6)
    again = fit(towers, given, rows, BRIEF)
    assert not torch.equal(before, torch.random.get_rng_state())  # the caller's draws are its own
    assert first.keys() == again.keys()
    assert all(np.array_equal(first[name], again[name]) for name in first)
    other = fit(towers, given, rows, replace(BRIEF, seed=1))
    assert not all(np.array_equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("by", ["captions", "labels"])
def test_a_step_in_parts_is_the_same_step(place: Place, by: str) -> None:
    towers, given = place.given(by, 40)
    found = []
    for part in (40, 7):
        torch.manual_seed(0)
        begun = lora._Fit(towers, given, replace(BRIEF, part=part))
        begun._backward(np.arange(40))
        sides = begun._sides.values()
        learning = [each for side in sides for each in side.parameters() if each.requires_grad]
        found.append(torch.cat([each.grad.flatten() for each in learning if each.grad is not None]))
    torch.testing.assert_close(*found, rtol=1e-3, atol=1e-6)
    plain = contrasted(towers, given)
    torch.testing.assert_close(found[0], plain, rtol=1e-3, atol=1e-6)
    assert found[0].abs().max() > 1e-3


def contrasted(towers: Towers, given: Given) -> torch.Tensor:
    """The gradients of the same step without parts, straight through both towers."""
    torch.manual_seed(0)
    makers = [towers.image, *([towers.text] if given.tokens is not None else [])]
    sides = [adapter.injected(make(), 8, 16) for make in makers if make is not None]
    read = [given.pixels, given.tokens]
    made = [
        vectors(side, 0, each) for side, each in zip(sides, read, strict=False) if each is not None
    ]
    texts = torch.nn.functional.normalize(made[1], dim=1) if len(made) > 1 else None
    contrast(made[0], texts, torch.from_numpy(given.groups), BRIEF.heat).backward()  # type: ignore[no-untyped-call]
    learning = [each for side in sides for each in side.parameters() if each.requires_grad]
    return torch.cat([each.grad.flatten() for each in learning if each.grad is not None])


def test_it_stops_where_nothing_is_gained(place: Place) -> None:
    towers, given = place.given("captions", 40)
    seen: list[int] = []
    still = replace(QUICK, rate=0.0, rounds=50, patience=1)
    tensors = fit(towers, given, np.arange(40), still, seen.append)
    assert sum(seen) == 2 * (40 - round(0.15 * 40))
    assert not any(each.any() for name, each in tensors.items() if ".lora_B" in name)


def test_progress_ends_at_its_total(place: Place) -> None:
    towers, given = place.given("labels", 40)
    told: list[tuple[str, int, int]] = []
    course = Course(lambda *said: told.append(said), 40, BRIEF)
    pictures = np.asarray(place.lab.vectors(place.gallery, NAME), np.float32)[:40]
    cross_validated(towers, given, (pictures, pictures), BRIEF, course)
    whole(towers, given, BRIEF, course)
    assert told[-1][0] == "fitting on all" and told[-1][1] == told[-1][2]
    done = [each for _, each, _ in told]
    assert done == sorted(done) and all(now <= total for _, now, total in told)
    assert {what for what, _, _ in told[:-1]} >= {f"fold {each} of 5" for each in range(1, 6)}


def test_by_labels_two_of_one_are_in_a_batch() -> None:
    groups = np.repeat(np.arange(20), 5)
    given = Given(np.zeros((100, 1)), None, groups)
    order = ordered(np.arange(100), given, np.random.default_rng(0))
    assert sorted(order) == list(range(100))
    for rows in batches(order, 16):
        assert (np.unique(groups[rows], return_counts=True)[1] > 1).any()


@pytest.mark.parametrize("count", [2, 3, 63, 64, 65, 129, 1000])
def test_batches_are_bounded(count: int) -> None:
    parts = batches(np.arange(count), 64)
    assert max(map(len, parts)) <= 64 and min(map(len, parts)) > 1
    assert sum(map(len, parts)) >= count - 1


def test_ctrl_c_leaves_nothing(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, draws = place.left(), torch.random.get_rng_state()

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(adapted, "save", stop)
    monkeypatch.setattr(train_lora, "Settings", lambda: replace(QUICK, rounds=1))
    with monkeypatch.context() as patch:
        patch.setattr("retrieval.train.lora.contrast", stop)
        with pytest.raises(Stopped, match="nothing of it is kept"):
            train.run(place.lab, options(name="cut"))
    assert place.left() == before and torch.equal(draws, torch.random.get_rng_state())
    monkeypatch.setattr("retrieval.cli.lab", lambda options: place.lab)
    monkeypatch.setattr("retrieval.train.lora.contrast", stop)
    asked = ["train", "--gallery", "flags", "--embedder", NAME, "--lora", "--name", "cut"]
    assert main(asked) == 130
    assert "nothing of it is kept" in capsys.readouterr().err


def test_pictures_are_on_the_disk_and_not_in_memory(place: Place) -> None:
    before = place.left()
    found = spooled(place.gallery, [3, 1, 2], place.embedder().towers.pixels, 32)
    assert isinstance(found, np.memmap) and found.shape == (3, 32, 32, 3)
    wanted = place.embedder().towers.pixels(place.gallery.image(1))
    assert np.array_equal(found[1], wanted) and place.left() == before


def test_a_broken_picture_is_named(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place.gallery, "encoded", lambda row: b"no picture")
    with pytest.raises(BadImage, match="row 7 of flags"):
        spooled(place.gallery, [7], place.embedder().towers.pixels, 32)


def test_a_full_disk_is_said(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(NotReady, match="No space left"):
        spooled(place.gallery, [0], place.embedder().towers.pixels, 32)


def test_of_many_rows_some_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_lora, "MOST_ROWS", 10)
    rows, groups = train_lora.drawn(np.arange(50), np.arange(50) * 2, 0)
    assert len(rows) == 10 and np.array_equal(groups, rows * 2) and (np.diff(rows) > 0).all()
