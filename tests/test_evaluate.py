"""How well embedders find what belongs together."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from retrieval.cli import main
from retrieval.errors import BadQuery, UnknownName
from retrieval.galleries.base import Gallery
from retrieval.lab import Lab
from retrieval.measure.losses import loss
from retrieval.measure.metrics import NAMES
from retrieval.measure.quality import by_caption, by_label, measure, numbered
from retrieval.panel import Panel
from tests.fakes import Colours


def answer(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, object]:
    assert main(["evaluate", *argv, "--json"]) == 0
    given: dict[str, object] = json.loads(capsys.readouterr().out)
    return given


def test_equal_words_have_equal_numbers() -> None:
    assert numbered(["a", "", "b", "a"]).tolist() == [0, -1, 2, 0]


def test_a_picture_is_no_answer_to_itself(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path)
    stamps = lab.gallery("stamps")
    quality = measure(lab, stamps, "phash", by_label(stamps))
    assert quality.values[:, NAMES.index("R@1")].mean() < 0.5  # it would be 1


def test_one_alone_in_its_label_asks_nothing() -> None:
    gallery = Colours(6)
    rows = by_label(gallery).rows.tolist()
    labels = gallery.labels(range(6))
    assert rows == [at for at in range(6) if labels.count(labels[at]) > 1]


def test_a_gallery_without_words_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    gallery = Colours(4)
    monkeypatch.setattr(gallery, "captions", lambda rows: [""] * len(rows))
    monkeypatch.setattr(gallery, "labels", lambda rows: [""] * len(rows))
    with pytest.raises(BadQuery, match="no captions"):
        by_caption(gallery, [""] * 4, "caption to picture (en)")
    with pytest.raises(BadQuery, match="share a label"):
        by_label(gallery)


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    given = answer(capsys, "--embedder", "conse-lite2", "--embedder", "captions")
    measured = given["measured"]
    assert isinstance(measured, list)
    assert [each["embedder"] for each in measured] == ["conse-lite2"] * 2  # captions are left out
    spoken = measured[0]
    assert spoken["task"] == "caption to picture (en)" and spoken["queries"] == 785
    for value in spoken["metrics"].values():
        assert 0 < value["low"] < value["mean"] < value["high"] < 1


def test_other_languages(capsys: pytest.CaptureFixture[str]) -> None:
    given = answer(capsys, "--embedder", "conse-lite2", "--language", "de", "--language", "en")
    measured = given["measured"]
    assert isinstance(measured, list)
    german, english = (each["metrics"]["MRR"]["mean"] for each in measured[:2])
    assert german < english  # MiniLM was trained on English


def test_a_language_that_nobody_wrote_in_names_the_others(tmp_path: Path) -> None:
    from retrieval.commands.evaluate import tasks

    with pytest.raises(UnknownName, match="no language is called 'xx'"):
        next(iter(tasks(Lab(cache=tmp_path).gallery("stamps"), ["xx"])))


def test_vectors_rank_as_their_metric_does(tmp_path: Path) -> None:
    from retrieval.measure.quality import _floats
    from retrieval.types import Metric

    codes = np.random.default_rng(0).integers(0, 256, (9, 8)).astype(np.uint8)
    floats = _floats(codes, Metric.HAMMING)
    differ = np.bitwise_count(codes[:, None] ^ codes[None]).sum(axis=2, dtype=np.int64)
    assert np.array_equal(floats @ floats.T, 64 - 2 * differ)


@pytest.mark.parametrize("task", ["caption", "label"])
def test_exact_search_loses_nothing_by_its_index(tmp_path: Path, task: str) -> None:
    lab = Lab(cache=tmp_path)
    stamps = lab.gallery("stamps")
    asked = by_label(stamps) if task == "label" else by_caption(stamps, spoken(stamps), "en")
    for name in ("exact", "faiss-flat"):
        given = loss(lab, stamps, Panel("conse-lite2", name), asked, 10)
        assert given.index == 0
        reached = measure(lab, stamps, "conse-lite2", asked).values[:, NAMES.index("R@10")]
        assert given.found.tolist() == reached.tolist()
        assert given.model == pytest.approx(1 - reached.mean())


def spoken(gallery: Gallery) -> list[str]:
    return gallery.captions(range(len(gallery)))


def test_a_narrow_beam_loses_by_its_index(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path)
    stamps = lab.gallery("stamps")
    asked = by_label(stamps)
    narrow = loss(lab, stamps, Panel.parse("conse-lite2@faiss-hnsw?efSearch=1"), asked, 10)
    wide = loss(lab, stamps, Panel.parse("conse-lite2@faiss-hnsw?efSearch=512"), asked, 10)
    assert narrow.model == wide.model
    assert narrow.index > wide.index
    assert narrow.index + narrow.model + narrow.found.mean() == pytest.approx(1)
    mean, low, high = narrow.interval()
    assert low <= mean <= high and mean == pytest.approx(narrow.index)


def test_the_command_splits_the_error(capsys: pytest.CaptureFixture[str]) -> None:
    given = answer(capsys, "--panel", "conse-lite2@faiss-hnsw?efSearch=1", "--panel", "phash@exact")
    told = given["split"]
    assert isinstance(told, list)
    assert [(each["panel"], each["task"][:7]) for each in told] == [
        ("conse-lite2@faiss-hnsw?efSearch=1", "caption"),
        ("conse-lite2@faiss-hnsw?efSearch=1", "picture"),
        ("phash@exact", "picture"),
    ]
    assert main(["evaluate", "--panel", "captions@exact"]) == 2
    assert "can be asked of these panels" in capsys.readouterr().err


@pytest.mark.parametrize("k", ["0", "-5", "1001"])
def test_as_many_pictures_as_nobody_looks_at_are_refused(
    k: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "--panel", "phash@exact", "-k", k, "--json"]) == 2
    assert f"k is {k}; it must be between 1 and 1,000" in capsys.readouterr().err


def test_a_picture_of_its_own_leaves_room_for_one_less(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path)
    stamps, panel = lab.gallery("stamps"), Panel("conse-lite2", "exact")
    with pytest.raises(BadQuery, match="k is 1,000; a picture is no answer to itself"):
        loss(lab, stamps, panel, by_label(stamps), 1000)
    assert 0 <= loss(lab, stamps, panel, by_label(stamps), 999).model < 0.1
    for none in (0, -1):
        with pytest.raises(BadQuery, match="so it is from 1 to 999"):
            loss(lab, stamps, panel, by_label(stamps), none)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--embedder", "phash", "--by", "label"], "--by is of --pair"),
        (["--panel", "phash@exact", "--by", "label"], "--by is of --pair"),
        (["--embedder", "phash", "-k", "5"], "-k is of --panel"),
        (["--pair", "phash", "dhash", "-k", "5"], "-k is of --panel"),
        (["--panel", "phash@exact", "-k", "0"], "k is 0;"),
    ],
)
def test_what_nothing_heeds_is_refused(
    more: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "--gallery", "stamps", *more]) == 2
    assert said in capsys.readouterr().err
