"""What is loaded, shared, refused and left out."""

from __future__ import annotations

import argparse
import shutil
import threading
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from retrieval import images
from retrieval.advisor.evidence import ratings
from retrieval.commands import verify
from retrieval.errors import BadImage, BadQuery, BadVectors, Damaged, Refused, UnknownName
from retrieval.lab import DATA, Lab
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.types import Result
from retrieval.where import Where
from tests.held import LONGEST


def pictures(folder: Path, count: int) -> Path:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        Image.new("RGB", (40, 30), (20 * number, 90, 200 - 20 * number)).save(
            folder / f"{number}.png"
        )
    return folder


def asked(lab: Lab, row: int = 0) -> Result:
    panels = [Panel.parse("dhash@exact")]
    return next(iter(lab.compare("folder", panels, Query(row=row), 3)))


def test_a_folder_is_a_gallery(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path / "cache", folder=pictures(tmp_path / "mine", 4))
    result = asked(lab)
    assert not result.problem
    assert {hit.row for hit in result.hits} <= {0, 1, 2, 3}


def test_broken_pictures_are_left_out_and_named(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "mine", 4)
    (folder / "1.png").write_bytes((folder / "1.png").read_bytes()[:60])
    (folder / "3.png").write_bytes(b"")
    lab = Lab(cache=tmp_path / "cache", folder=folder)
    problem = asked(lab).problem
    assert problem.startswith("2 of 4 pictures cannot be read and are left out from now on")
    assert "1.png" in problem and problem.endswith("ask again")
    again = asked(lab)
    assert not again.problem
    gallery = lab.gallery("folder")
    assert gallery.sources(range(len(gallery))) == ["0.png", "2.png"]
    assert [each.split(":")[0] for each in gallery.left_out] == ["1.png", "3.png"]


def test_a_mended_picture_comes_back_with_a_new_start(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "mine", 3)
    whole = (folder / "1.png").read_bytes()
    (folder / "1.png").write_bytes(whole[:60])
    assert asked(Lab(cache=tmp_path / "cache", folder=folder)).problem
    (folder / "1.png").write_bytes(whole)
    lab = Lab(cache=tmp_path / "cache", folder=folder)
    assert not asked(lab).problem
    assert len(lab.gallery("folder")) == 3


def test_pictures_deleted_since_the_build_cost_only_themselves(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "mine", 4)
    lab = Lab(cache=tmp_path / "cache", folder=folder)
    assert not asked(lab).problem
    (folder / "2.png").unlink()
    assert not asked(lab).problem  # the vectors are still there
    assert "'2.png' is gone since the folder was listed" in asked(lab, row=2).problem
    with pytest.raises(BadImage, match="gone"):
        lab.gallery("folder").encoded(2)


def test_a_folder_without_pictures_says_so(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path / "cache", folder=pictures(tmp_path / "mine", 0))
    with pytest.raises(BadQuery, match="the gallery folder has no pictures"):
        lab.gallery("folder")


def test_a_folder_of_broken_pictures_has_none_left(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "mine", 1)
    (folder / "0.png").write_bytes(b"no picture")
    lab = Lab(cache=tmp_path / "cache", folder=folder)
    assert "left out" in asked(lab).problem
    with pytest.raises(BadQuery, match="has no pictures"):
        asked(lab)


def test_a_public_lab_builds_nothing_of_strangers(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path / "cache", folder=pictures(tmp_path / "mine", 2), public=True)
    with pytest.raises(UnknownName):
        lab.gallery("folder")
    stamps = lab.gallery("stamps")
    with pytest.raises(Refused, match="M would build another index"):
        lab.index(stamps, Panel.parse("phash@faiss-binary-hnsw?M=8"))
    assert lab.index(stamps, Panel.parse("phash@faiss-binary-hnsw?efSearch=8")).index
    with pytest.raises(Refused, match="openclip-vit-b-32 has no vectors of stamps"):
        lab.vectors(stamps, "openclip-vit-b-32")


def test_an_index_that_cannot_compare_is_refused(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path / "cache")
    with pytest.raises(BadVectors, match="choose another index"):
        lab.index(lab.gallery("stamps"), Panel.parse("phash@faiss-hnsw"))


def test_what_is_being_made_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(cache=tmp_path / "cache", folder=pictures(tmp_path / "mine", 2))
    told: list[str] = []
    inside, go_on = threading.Event(), threading.Event()
    made = lab.store.vectors

    def slow(*given: object) -> object:
        inside.set()
        assert go_on.wait(LONGEST)
        return made(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(lab.store, "vectors", slow)
    thread = threading.Thread(target=lambda: told.append(asked(lab).problem))
    thread.start()
    assert inside.wait(LONGEST)
    doing = lab.work.on("dhash")
    assert doing is not None and doing.what == "reading vectors of folder"
    go_on.set()
    thread.join(LONGEST)
    assert told == [""]
    assert lab.work.on("dhash") is None


def test_a_gallery_without_words_is_no_gallery_for_captions(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path / "cache", folder=pictures(tmp_path / "mine", 3))
    panels = [Panel.parse("captions@exact"), Panel.parse("dhash@exact")]
    spoken, seen = sorted(
        lab.compare("folder", panels, Query(row=0), 3), key=lambda result: result.position
    )
    assert "has no captions" in spoken.problem and "dhash" in spoken.instead
    assert not seen.problem


def test_a_space_is_public_whoever_makes_the_lab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPACE_ID", "owner/name")
    lab = Lab(cache=tmp_path / "cache", folder=pictures(tmp_path / "mine", 3))
    assert lab.public
    with pytest.raises(UnknownName):
        lab.gallery("folder")


def test_what_is_timed_beside_a_build_is_marked(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path / "cache", folder=pictures(tmp_path / "mine", 3))
    asked(lab)
    assert not asked(lab).busy
    with lab.work.doing("phash", "building something"):
        assert asked(lab).busy
    assert not asked(lab).busy


def test_broken_pictures_are_remembered(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "mine", 3)
    (folder / "1.png").write_bytes((folder / "1.png").read_bytes()[:60])
    assert asked(Lab(cache=tmp_path / "cache", folder=folder)).problem
    again = Lab(cache=tmp_path / "cache", folder=folder)
    assert not asked(again).problem
    assert [each.split(":")[0] for each in again.gallery("folder").left_out] == ["1.png"]


def test_a_large_photograph_is_decoded_as_small_as_the_network_allows(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path)
    stamps = lab.gallery("stamps")
    embedder = lab.embedder("efficientnet-lite0")
    for row in range(0, 785, 157):
        out = BytesIO()
        stamps.image(row).resize((3000, 2250), Image.Resampling.BICUBIC).save(out, "JPEG")
        whole = images.decode(out.getvalue())
        small = images.decode(out.getvalue(), embedder.spec.side)
        assert small.width < whole.width / 2
        one, other = embedder.images([whole, small])
        assert float(one @ other) >= 0.999


def test_verify_reads_what_was_measured_for_advice(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path)
    note = ratings(lab).save({"kind": "rating"}, {"R@10": {"mean": 0.5}})
    file = tmp_path / "ratings" / note.name / "note.json"
    file.write_text(file.read_text("utf-8").replace("0.5", "0.9"), "utf-8")
    with pytest.raises(Damaged, match=r"note\.json differs from its manifest"):
        verify.run(lab, argparse.Namespace(quick=True))


def test_verify_misses_vectors_that_should_ship(tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(DATA, data)
    shutil.rmtree(data / "artefacts" / "stamps" / "phash")
    lab = Lab(data=data, cache=tmp_path / "cache")
    with pytest.raises(Damaged, match="stamps lacks its vectors by phash; take data/ anew"):
        verify.run(lab, argparse.Namespace(quick=True))


def test_verify_looks_for_what_ships_in_any_precision(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path, precision="bfloat16")
    assert verify.run(lab, argparse.Namespace(quick=True))["artefacts"] > 0


def test_filters_that_differ_each_time_are_not_kept_for_ever(lab: Lab) -> None:
    gallery = lab.gallery("colours")
    for number in range(1100):
        lab.allowed(gallery, Where("label", "=", (str(number),)))
    assert len(lab._allowed._things) == 1000
    last = Where("label", "=", ("1099",))
    assert lab.allowed(gallery, last) is lab.allowed(gallery, last)
