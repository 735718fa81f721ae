"""Embedders of faces are for galleries of faces alone, and say what they may be used for."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from retrieval import about
from retrieval.about import NOTICE, unfit
from retrieval.embedders import EMBEDDERS, faces
from retrieval.errors import Damaged, Unsupported
from retrieval.galleries.catalog import FOLDER, Catalog, parse
from retrieval.galleries.folder import FolderGallery
from retrieval.lab import DATA, Lab
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.types import Hit, Result, Spec
from retrieval.ui.menu import Menu
from retrieval.ui.panel import View, draw
from retrieval.ui.results import Shown
from tests import facemodels
from tests.facemodels import ARCFACE, SFACE
from tests.fake_lab import FakeLab


@pytest.mark.parametrize(
    ("text", "word", "problem"),
    [
        ("faces", "faces", ""),
        (" faces\n", "faces", ""),
        ("cats", "", "about.txt may say faces and no more"),
        ("faces " * 1_000_000, "", "about.txt may say faces and no more"),
        (b"\xff\xfe", "", "about.txt cannot be read"),
        (None, "", ""),
    ],
)
def test_a_folder_says_what_it_is_about(
    tmp_path: Path, text: str | bytes | None, word: str, problem: str
) -> None:
    facemodels.picture().save(tmp_path / "a.png")
    if text is not None:
        data = text if isinstance(text, bytes) else text.encode()
        (tmp_path / about.FILE).write_bytes(data)
    gallery = FolderGallery(tmp_path)
    assert gallery.about == Catalog(DATA, tmp_path, tmp_path).entry(FOLDER).about == word
    assert gallery.left_out == ([] if not problem else [gallery.left_out[0]])
    assert problem in "".join(gallery.left_out)


def test_of_the_catalogue_only_galleries_of_faces_are_for_faces(tmp_path: Path) -> None:
    entries = Catalog(DATA, tmp_path).entries()
    fit = [entry.name for entry in entries if not unfit(EMBEDDERS.spec(ARCFACE), entry.about)]
    assert fit == ["fairface"]
    assert len(next(each for each in entries if each.name == "fairface").revision) == 40
    assert all(not unfit(EMBEDDERS.spec("phash"), entry.about) for entry in entries)


def test_another_word_in_the_catalogue_is_refused() -> None:
    row = {
        "name": "x", "title": "X", "kind": "hub", "rows": 1, "bytes": 1, "about": "cats",
        "licence": {"id": "a", "commercial": "no", "link": ""}, "source": "", "revision": "",
        "repo": "a/b", "split": "s", "image": "i",
    }  # fmt: skip
    with pytest.raises(Damaged, match="about is 'cats'; it must be faces or left out"):
        parse(row, "here")


def test_vectors_of_another_gallery_are_refused_before_the_hub_is_asked(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path)
    with pytest.raises(Unsupported, match="compares faces only, and Tux Paint stamps is no"):
        lab.vectors(lab.gallery("stamps"), ARCFACE)
    [result] = lab.compare("stamps", [Panel(SFACE, "exact")], Query(row=0), 3)
    assert "a folder of yours is one if its about.txt says faces" in result.problem


LIKE = Spec("arc", "Arc", "none:None", "Faces", dim=512, about="faces")


def test_the_menu_greys_it_and_the_panel_says_the_law() -> None:
    lab = cast(Lab, FakeLab())
    menu = Menu(lab, [LIKE], lab_indexes())
    grey = menu.embedder_options("other")
    assert 'disabled title="compares faces only, and this is no gallery of faces"' in grey
    assert "disabled" not in menu.embedder_options("other", "faces")
    result = Result(0, "arc", "exact", hits=(Hit(1, 1, 0.5, "a", ""),), recall=1.0)
    panel = Panel("arc", "exact")
    html = draw(0, View(panel, result, note="Two <faces>."), menu, Shown("g", 1, None, {}), False)
    assert "Two &lt;faces&gt;." in html and NOTICE["faces"][:40] in html


def lab_indexes() -> list[Spec]:
    return [Spec("exact", "Exact", "none:None")]


def test_licences_are_said() -> None:
    told = {spec.name: spec.licence for spec in faces.SPECS}
    assert {name: licence and licence.commercial for name, licence in told.items()} == {
        ARCFACE: "no",
        SFACE: "yes",
    }
    assert faces.SPECS[0].about == faces.SPECS[1].about == "faces"
