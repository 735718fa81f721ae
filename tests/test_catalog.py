"""The catalogue: what it says, what it refuses, and that listing opens nothing."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from retrieval.errors import Damaged, UnknownName
from retrieval.galleries.base import Gallery
from retrieval.galleries.catalog import Catalog, parse
from retrieval.galleries.folder import FolderGallery
from retrieval.galleries.parquet import ParquetGallery
from retrieval.types import Licence, State

DATA = Path(__file__).resolve().parent.parent / "data"
HUB: dict[str, Any] = {
    "name": "food",
    "title": "Food",
    "kind": "hub",
    "rows": 10,
    "bytes": 1_000,
    "licence": {"id": "MIT", "commercial": "yes", "link": "https://example.org"},
    "source": "https://example.org/food",
    "revision": "0123456789abcdef",
    "repo": "owner/food",
    "config": "default",
    "split": "train",
    "image": "image",
    "label": "label",
}


def written(tmp_path: Path, *rows: object) -> Catalog:
    (tmp_path / "catalog.yaml").write_text(yaml.safe_dump(list(rows)))
    return Catalog(tmp_path, tmp_path / "cache")


def test_what_ships(tmp_path: Path) -> None:
    catalog = Catalog(DATA, tmp_path)
    assert catalog.names()[:2] == ["stamps", "clipart"]
    for name in ("stamps", "clipart"):
        assert catalog.state(name) == State("ready")
        entry, gallery = catalog.entry(name), catalog.open(name)
        assert isinstance(gallery, ParquetGallery)
        assert (gallery.name, gallery.title, gallery.licence) == (name, entry.title, entry.licence)
        assert (gallery.revision, len(gallery)) == (entry.revision, entry.rows)
        assert gallery.source == entry.source


def test_every_entry_can_be_shown() -> None:
    for entry in Catalog(DATA, Path("unused")).entries():
        assert entry.title and entry.rows > 0 and entry.revision
        assert entry.bytes > 0 or entry.kind == "hub"  # 0: its card does not say
        assert entry.source.startswith("https://")
        assert entry.licence.id and entry.licence.link.startswith("https://")


def test_a_hub_entry(tmp_path: Path) -> None:
    entry = written(tmp_path, HUB).entry("food")
    assert entry.repo == "owner/food"
    assert (entry.image, entry.caption, entry.label) == ("image", "", "label")
    assert entry.licence == Licence("MIT", "yes", "https://example.org")


def test_an_unknown_name() -> None:
    with pytest.raises(UnknownName, match="no gallery is called 'stamp'; perhaps: stamps"):
        Catalog(DATA, Path("unused")).open("stamp")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": "ten"}, r"gallery 1 \(food\): rows is 'ten'; it must be a whole number from 0"),
        ({"rows": -1}, "rows is -1; it must be a whole number"),
        ({"rows": True}, "rows is True; it must be a whole number"),
        ({"revision": 1234}, "revision is 1234; it must be a text, in quotes if need be"),
        ({"kind": "folder"}, "kind is 'folder'; it must be parquet or hub"),
        ({"kind": "parquet"}, "files is missing; a parquet gallery needs it"),
        ({"files": "x"}, "files is 'x'; it must be a list"),
        ({"files": [{"name": "x"}]}, "files: bytes is missing"),
        ({"repo": ""}, "repo is missing; a hub gallery needs it"),
        ({"colour": "red"}, "unknown field 'colour'; there are: name, title, kind"),
        ({"licence": "MIT"}, "licence: 'MIT' is no mapping"),
        ({"licence": {**HUB["licence"], "commercial": True}}, "commercial is True; .*in quotes"),
        ({"licence": {"commercial": "yes", "id": "MIT"}}, "licence: link is missing"),
        ({"name": "folder"}, "the name 'folder' is taken"),
    ],
)
def test_bad_fields_are_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(Damaged, match=message):
        written(tmp_path, {**HUB, **change}).names()


@pytest.mark.parametrize("field", ["name", "title", "kind", "rows", "licence", "revision"])
def test_missing_fields_are_named(field: str) -> None:
    row = {name: value for name, value in HUB.items() if name != field}
    with pytest.raises(Damaged, match=f"{field} is missing"):
        parse(row, "here")


def test_two_of_one_name(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="gallery 2: the name 'food' is taken"):
        written(tmp_path, HUB, HUB).names()


def test_an_entry_that_is_no_mapping(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="gallery 1: 'food' is no mapping of fields"):
        written(tmp_path, "food").names()


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [", "cannot be read"), ("a: b", "must be a list"), ("!!python/name:os.system", "cannot")],
)
def test_a_catalogue_that_is_none(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "catalog.yaml").write_text(text)
    with pytest.raises(Damaged, match=message):
        Catalog(tmp_path, tmp_path).names()


def test_no_catalogue(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="catalog.yaml cannot be read.*take it from the project"):
        Catalog(tmp_path, tmp_path).names()


def test_a_shipped_gallery_without_its_files(tmp_path: Path) -> None:
    (tmp_path / "catalog.yaml").write_text((DATA / "catalog.yaml").read_text("utf-8"), "utf-8")
    state = Catalog(tmp_path, tmp_path).state("stamps")
    assert state.kind == "not-installed"
    assert "is missing; take data/stamps from the project again" in state.reason


def test_the_users_folder_comes_last(tmp_path: Path) -> None:
    catalog = Catalog(DATA, tmp_path, folder=tmp_path)
    assert catalog.names()[-1] == "folder"
    assert catalog.state("folder") == State("ready")
    gallery = catalog.open("folder")
    assert isinstance(gallery, FolderGallery)
    assert len(gallery) == 0


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    state = Catalog(DATA, tmp_path, folder=tmp_path / "gone").state("folder")
    assert state.kind == "unreachable"
    assert "gone" in state.reason and "check the path" in state.reason


def test_opened_once_by_thirty_users(tmp_path: Path) -> None:
    catalog = Catalog(DATA, tmp_path)
    with ThreadPoolExecutor(30) as pool:
        opened: list[Gallery] = list(pool.map(catalog.open, ["stamps"] * 30))
    assert len({id(each) for each in opened}) == 1


def test_listing_imports_nothing_heavy() -> None:
    code = (
        "import sys; from pathlib import Path; from retrieval.galleries.catalog import Catalog; "
        f"Catalog(Path({str(DATA)!r}), Path('x')).entries(); "
        "heavy = {'pyarrow', 'datasets', 'torch', 'faiss', 'gradio', 'huggingface_hub', 'pandas'}; "
        "sys.exit(', '.join(heavy & set(sys.modules)) or None)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=DATA.parent, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
