"""A LoRA on the towers of tiny models of random weights, and the embedders that it becomes."""

from __future__ import annotations

import argparse
import itertools
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.numpy import load_file

from retrieval import images, manifest
from retrieval.cli import main
from retrieval.commands import train, train_lora
from retrieval.embedders import EMBEDDERS, adapted, adapter, openclip, trained
from retrieval.embedders.adapter import Towers
from retrieval.embedders.base import unit
from retrieval.errors import BadImage, BadQuery, Damaged, NotReady, Refused, Stopped
from retrieval.galleries.base import Gallery
from retrieval.lab import Lab
from retrieval.measure.quality import numbered
from retrieval.readiness import state
from retrieval.train import lora
from retrieval.train.lora import Settings, batches, fit, ordered
from retrieval.train.lora_folds import Course, cross_validated, whole
from retrieval.train.projection import contrast
from retrieval.train.spool import spooled
from retrieval.train.through import Given, vectors
from retrieval.types import Licence, Spec
from tests import clipmodels, test_dino, tiny
from tests.fakes import BLIND, COLOUR

SHADES = {
    "red": (220, 30, 30), "green": (30, 180, 40), "blue": (40, 60, 220), "yellow": (235, 220, 40),
    "black": (15, 15, 15), "white": (245, 245, 245), "purple": (140, 40, 160),
}  # fmt: skip
PAIRS = list(itertools.permutations(SHADES, 2))
NAME = "openclip-local"
QUICK = Settings(rounds=12, batch=32, part=32, rate=1e-2, patience=3)
BRIEF = replace(QUICK, rounds=2)


class Flags(Gallery):
    """Two colours above each other under noise; every caption names them both."""

    name, title, revision, source = "flags", "Flags", "1", ""
    licence = Licence("CC0-1.0", "yes", "")

    def __init__(self, count: int = 2 * len(PAIRS)) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def encoded(self, row: int) -> bytes:
        draws = np.random.default_rng(row)
        noise = draws.integers(-10, 11, (2, 3))
        above, below = (
            tuple(np.clip(np.add(SHADES[name], each), 0, 255).tolist())
            for name, each in zip(PAIRS[row % len(PAIRS)], noise, strict=True)
        )
        flag = Image.new("RGB", (32, 32), below)
        ImageDraw.Draw(flag).rectangle((0, 0, 31, 15), fill=above)
        return images.webp(flag, 32, lossless=True)

    def captions(self, rows: Sequence[int]) -> list[str]:
        return ["a {} band on {}".format(*PAIRS[row % len(PAIRS)]) for row in rows]

    def labels(self, rows: Sequence[int]) -> list[str]:
        return [PAIRS[row % len(PAIRS)][0] for row in rows]

    def sources(self, rows: Sequence[int]) -> list[str]:
        return [f"{row}.webp" for row in rows]


@dataclass
class Place:
    """A tiny CLIP in a folder, a gallery, and a lab over both.

    Attributes:
        model: the folder.
        cache: where all goes that is made.
        lab: the lab.
        gallery: what it opens, whatever is asked for.
    """

    model: Path
    cache: Path
    lab: Lab
    gallery: Flags

    def given(self, by: str, rows: int = 0) -> tuple[Towers, Given]:
        """The towers, and what is fitted on."""
        towers = self.embedder().towers
        every = list(range(rows or len(self.gallery)))
        words = self.gallery.captions(every)
        assert towers.tokens is not None
        return towers, Given(
            spooled(self.gallery, every, towers.pixels, 32),
            towers.tokens(words) if by == "captions" else None,
            numbered(words if by == "captions" else self.gallery.labels(every)),
        )

    def embedder(self) -> openclip.OpenClip:
        found = self.lab.embedder(NAME)
        assert isinstance(found, openclip.OpenClip)
        return found

    def left(self) -> list[str]:
        """Files and folders that training has made."""
        return [path.name for path in self.cache.iterdir() if path.name not in KEPT]


KEPT = ("networks", "artefacts")


@pytest.fixture(scope="module", autouse=True)
def alone() -> Iterator[None]:
    """One thread: on a busy machine two wait for each other at every layer of so small a model."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as made:
        yield made


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, patch: pytest.MonkeyPatch) -> Place:
    root = tmp_path_factory.mktemp("lora")
    clipmodels.write_model(root / "model", 0)
    patch.setenv("PARALLAX_CACHE", str(root / "cache"))
    patch.setenv(openclip.VARIABLE, str(root / "model"))
    patch.delenv("SPACE_ID", raising=False)
    for spec in (openclip._own(), COLOUR, BLIND):
        patch.setitem(EMBEDDERS._specs, spec.name, spec)
    lab, gallery = Lab(cache=root / "cache"), Flags()
    patch.setattr(lab.catalog, "open", lambda name: gallery)
    return Place(root / "model", root / "cache", lab, gallery)


def options(**changed: Any) -> argparse.Namespace:
    """What the command line would give."""
    plain = {
        "gallery": "flags", "embedder": NAME, "by": None, "name": None, "seed": 0,
        "rounds": None, "lora": True,
    }  # fmt: skip
    return argparse.Namespace(**{**plain, **changed})


@pytest.fixture(scope="module")
def answer(place: Place) -> dict[str, Any]:
    """What the command says; its embedder is there afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_lora, "Settings", lambda: QUICK)
        return train.run(place.lab, options())


@pytest.fixture
def made(place: Place, answer: dict[str, Any]) -> Spec:
    """The spec of the embedder that the command made."""
    return trained.spec_of(trained.root() / str(answer["embedder"]))


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


# --- the embedder that it becomes ----------------------------------------------------------------


def theirs(place: Place, made: Spec) -> tuple[Any, Any]:
    """Both towers by torch and peft, the LoRA beside the weights and not merged into them."""
    towers, tensors = (
        place.embedder().towers,
        load_file(trained.root() / made.name / adapted.WEIGHTS),
    )
    sides = []
    for side, make in (("image", towers.image), ("text", towers.text)):
        assert make is not None
        state = {name: torch.from_numpy(each) for name, each in adapter.part(tensors, side).items()}
        tower = make().requires_grad_(False)
        config = peft.LoraConfig(r=8, lora_alpha=16, target_modules=adapter.targets(tower))
        tower = peft.inject_adapter_in_model(config, tower)
        told: Any = peft.set_peft_model_state_dict(tower, state)
        assert not told.unexpected_keys and not [k for k in told.missing_keys if "lora_" in k]
        sides.append(tower.eval())
    return sides[0], sides[1]


def test_vectors_are_pefts(place: Place, made: Spec) -> None:
    ours = EMBEDDERS.load(made)(made)
    image, text = theirs(place, made)
    pictures = [place.gallery.image(row) for row in range(12)]
    words = place.gallery.captions(range(12))
    towers = place.embedder().towers
    assert towers.tokens is not None
    with torch.no_grad():
        seen = image(torch.from_numpy(np.stack([towers.pixels(each) for each in pictures])))
        read = text(torch.from_numpy(towers.tokens(words)))
    np.testing.assert_allclose(ours.images(pictures), unit(seen.numpy()), atol=1e-4)
    np.testing.assert_allclose(ours.texts(words), unit(read.numpy()), atol=1e-4)
    parent = place.embedder()
    assert np.abs(ours.images(pictures) - parent.images(pictures)).max() > 0.05
    assert np.abs(ours.texts(words) - parent.texts(words)).max() > 0.05


def test_it_is_an_embedder_like_any_other(place: Place, made: Spec) -> None:
    parent = place.lab.spec(NAME)
    assert made.name == f"{NAME}+flags-lora" and made.family == "Trained here"
    assert (made.dim, made.side, made.licence) == (parent.dim, parent.side, parent.licence)
    assert made.reads_text and made.revision.startswith(f"{parent.revision} ")
    assert "peft" in made.needs and "requirements-embedders.txt" in made.install
    assert made.param("peft") == peft.__version__
    assert state(made).kind == "ready"


def test_a_lab_answers_by_it(place: Place, made: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EMBEDDERS._specs, made.name, made)
    vectors = place.lab.vectors(place.gallery, made.name)
    asked = place.lab.texts(made.name, ["a red band on blue"])
    best = np.asarray(vectors @ asked[0]).argsort()[::-1][:10]
    assert "a red band on blue" in place.gallery.captions(best.tolist())


def test_only_the_adapter_is_kept(place: Place, made: Spec) -> None:
    folder = trained.root() / made.name
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        (manifest.NAME, trained.TOLD, adapted.WEIGHTS)
    )
    kept = load_file(folder / adapted.WEIGHTS)
    assert all(".lora_" in name for name in kept)
    assert {name.partition(":")[0] for name in kept} == {"image", "text"}
    assert not [name for name in place.left() if name != "trained"]


def test_caches_never_mix(place: Place, made: Spec) -> None:
    folder = trained.root() / made.name
    tensors = {name: each * 2 for name, each in load_file(folder / adapted.WEIGHTS).items()}
    other = adapted.save(place.lab.spec(NAME), "other", "captions", "flags", tensors, 8, 16)
    wider = adapted.save(place.lab.spec(NAME), "wider", "captions", "flags", tensors, 8, 32)
    embedders = [EMBEDDERS.load(each)(each) for each in (made, other, wider)]
    pictures = [place.gallery.image(0)]
    found = [each.images(pictures) for each in (*embedders, place.embedder())]
    for one, two in itertools.combinations(found, 2):
        assert np.abs(one - two).max() > 1e-3
    assert len({made.revision, other.revision, wider.revision}) == 3


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


def test_an_embedder_goes_with_its_last_holder(place: Place, made: Spec) -> None:
    for spec in (place.lab.spec(NAME), made):
        embedder = EMBEDDERS.load(spec)(spec)
        gone = weakref.ref(embedder)
        del embedder
        assert gone() is None  # else its networks stay in memory after a shelf has dropped it


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "by", "message"),
    [
        ([""] * 84, "captions", "flags has no captions"),
        ([""] * 84, "labels", "flags has no labels"),
        (["the same"] * 84, "captions", "1 different captions, which are too few; 10 are wanted"),
        ([f"{at % 9}" for at in range(84)], "captions", "9 different captions"),
        (["one"] * 84, "labels", "two pictures or more: 1, of 84 pictures together"),
        ([f"{at}" for at in range(84)], "labels", "two pictures or more: 0"),
        ([f"{min(at, 80)}" for at in range(84)], "labels", "wanted are 2 labels and 20 pictures"),
    ],
)
def test_too_little_to_learn_from(
    place: Place, words: list[str], by: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place.gallery, by, lambda rows: [words[row] for row in rows])
    monkeypatch.setattr(place.lab, "embedder", lambda name: pytest.fail("it was loaded"))
    with pytest.raises(BadQuery, match=message):
        train.run(place.lab, options(by=by))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"embedder": "colour"}, "Mean colour has no towers that a LoRA fits"),
        ({"embedder": "phash"}, "has no picture vectors"),
        ({"embedder": "dinov2-s", "by": "captions"}, "reads no text; train it --by labels"),
        ({"rounds": 0}, "must be 1 or more"),
        ({"name": "../x"}, "use up to 40 of a-z"),
    ],
)
def test_what_is_refused(place: Place, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(BadQuery, match=message):
        train.run(place.lab, options(**changed))


def test_a_public_lab_trains_nothing(place: Place) -> None:
    lab = Lab(cache=place.cache, public=True)
    for towers in (True, False):
        with pytest.raises(Refused, match="trains nothing"):
            train.run(lab, options(lora=towers))


def test_a_public_lab_uses_none_of_a_hosts_folder(place: Place, made: Spec) -> None:
    assert state(made, public=True).kind == "unreachable"


def test_precision_is_float32(place: Place) -> None:
    lab = Lab(cache=place.cache, precision="bfloat16")
    lab.catalog = place.lab.catalog
    with pytest.raises(BadQuery, match="leave out --precision"):
        train.run(lab, options())


def test_without_peft_a_sentence(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_lora, "NEEDS", ("peft_that_is_not_here",))
    with pytest.raises(NotReady, match="pip install -r requirements-embedders.txt"):
        train.run(place.lab, options())


def test_another_parent_is_refused(
    place: Place, made: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = replace(EMBEDDERS.spec(NAME), revision="f" * 16)
    monkeypatch.setitem(EMBEDDERS._specs, NAME, changed)
    with pytest.raises(NotReady, match=f"fitted on another {NAME}; train it again"):
        EMBEDDERS.load(made)(made)
    assert "train it again" in state(made).reason
    rest = {name: each for name, each in EMBEDDERS._specs.items() if name != NAME}
    monkeypatch.setattr(EMBEDDERS, "_specs", rest)  # put back, it would stand at the end
    assert state(made).kind == "unreachable"


@pytest.fixture
def copy(place: Place, made: Spec) -> Spec:
    """Another one with the same LoRA, to be damaged."""
    tensors = load_file(trained.root() / made.name / adapted.WEIGHTS)
    return adapted.save(place.lab.spec(NAME), "copy", "captions", "flags", tensors, 8, 16)


def test_a_flipped_bit_is_noticed(copy: Spec) -> None:
    file = trained.root() / copy.name / adapted.WEIGHTS
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(Damaged, match="differs from its manifest"):
        EMBEDDERS.load(copy)(copy)


@pytest.mark.parametrize("how", ["lost", "strange", "shape", "infinite"])
def test_a_lora_that_does_not_fit_is_said(place: Place, copy: Spec, how: str) -> None:
    tensors = load_file(trained.root() / copy.name / adapted.WEIGHTS)
    first = next(name for name in tensors if name.startswith("image:") and "lora_B" in name)
    if how == "lost":
        del tensors[first]
    elif how == "strange":
        tensors["image:visual.transformer.resblocks.7.attn.lora_A.weight"] = tensors[first]
    else:
        wrong = {"shape": tensors[first][1:], "infinite": tensors[first] * np.inf}
        tensors[first] = np.ascontiguousarray(wrong[how])
    spec = adapted.save(place.lab.spec(NAME), f"bad-{how}", "captions", "flags", tensors, 8, 16)
    with np.errstate(invalid="ignore"), pytest.raises(Damaged, match="train it again"):
        EMBEDDERS.load(spec)(spec)


def test_what_was_trained_again_is_not_mixed(place: Place, copy: Spec) -> None:
    tensors = load_file(trained.root() / copy.name / adapted.WEIGHTS)
    first = next(iter(tensors))
    adapted.save(place.lab.spec(NAME), "copy", "captions", "flags", {first: tensors[first]}, 8, 16)
    with pytest.raises(NotReady, match="trained again since"):
        EMBEDDERS.load(copy)(copy)


# --- other towers --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["siglip", "convolutions"])
def test_other_towers_of_open_clip(
    kind: str, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clipmodels.write_model(tmp_path / kind, 0, kind)
    monkeypatch.setenv(openclip.VARIABLE, str(tmp_path / kind))
    monkeypatch.setitem(EMBEDDERS._specs, NAME, openclip._own())
    parent = openclip.OpenClip(openclip._own())
    if kind == "convolutions":
        with pytest.raises(BadQuery, match="no blocks of linear layers"):
            adapter.injected(parent.towers.image(), 8, 16)
        return
    fits(parent, place.gallery, "captions")


KINDS = {"dinov2": "dinov2-s", "dinov3_vit": "dinov3-s-gem", "dinov3_convnext": "dinov3-convnext-t"}


@pytest.mark.parametrize("kind", KINDS)
def test_towers_of_dino(
    kind: str, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.save(tmp_path / kind, test_dino.models()[kind], test_dino.processor(kind))
    parent = test_dino.own(folder, KINDS[kind], monkeypatch, place.cache)
    monkeypatch.setitem(EMBEDDERS._specs, parent.spec.name, parent.spec)
    fits(parent, place.gallery, "labels")


def fits(parent: adapter.Adaptable, gallery: Gallery, by: str) -> None:
    """A short fit becomes an embedder that gives what torch and peft give."""
    towers, rows = parent.towers, list(range(12))
    tokens = towers.tokens(gallery.captions(rows)) if towers.tokens and by == "captions" else None
    pixels = spooled(gallery, rows, towers.pixels, parent.spec.side)
    given = Given(pixels, tokens, np.arange(12) // 4)
    tensors = fit(towers, given, np.arange(12), replace(BRIEF, rounds=1))
    moved = {name: each + 0.02 for name, each in tensors.items()}  # whatever was learnt
    spec = adapted.save(parent.spec, "brief", by, "flags", moved, 8, 16)
    pictures = [gallery.image(row) for row in rows]
    tower = adapter.injected(towers.image(), 8, 16)
    state = {name: torch.from_numpy(each) for name, each in adapter.part(moved, "image").items()}
    peft.set_peft_model_state_dict(tower, state)
    with torch.no_grad():
        wanted = unit(vectors(tower, towers.output, pixels).numpy())
    found = EMBEDDERS.load(spec)(spec).images(pictures)
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    assert np.abs(found - parent.images(pictures)).max() > 1e-3
