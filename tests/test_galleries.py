"""The galleries that ship: their rows, their words, and what harm is found in them."""

from __future__ import annotations

import hashlib
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageChops

from retrieval.errors import BadImage, Damaged, UnknownName
from retrieval.galleries import parquet
from retrieval.galleries.catalog import Catalog, Entry
from retrieval.galleries.parquet import ParquetGallery, digest
from tests.files import DATA

SHIPPED = ["stamps", "clipart"]


def entry(name: str) -> Entry:
    return Catalog(DATA, Path("unused")).entry(name)


def shipped(name: str) -> ParquetGallery:
    return ParquetGallery(entry(name), DATA / name)


@pytest.fixture(scope="module")
def stamps() -> ParquetGallery:
    return shipped("stamps")


@pytest.fixture(scope="module")
def clipart() -> ParquetGallery:
    return shipped("clipart")


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The stamps in a folder of their own, to be damaged."""
    return Path(shutil.copytree(DATA / "stamps", tmp_path / "stamps"))


def test_the_galleries_have_the_rows_of_their_packages(
    stamps: ParquetGallery, clipart: ParquetGallery
) -> None:
    assert len(stamps) == 785
    assert len(clipart) == 6_884


@pytest.mark.parametrize("name", SHIPPED)
def test_the_card_names_the_rows_and_every_file_is_small_enough_to_commit(name: str) -> None:
    card = (DATA / name / "README.md").read_text(encoding="utf-8")
    assert f"{entry(name).rows:,} " in card
    assert (DATA / name / "COPYING").stat().st_size > 1_000
    assert all(file.stat().st_size < 25_000_000 for file in (DATA / name).iterdir())


@pytest.mark.parametrize(("name", "longest"), [("stamps", 320), ("clipart", 224)])
def test_every_picture_decodes_and_has_its_size(name: str, longest: int) -> None:
    gallery = shipped(name)
    largest = 0
    for row in range(0, len(gallery), 7):
        picture = gallery.image(row)
        assert picture.mode == "RGB"
        largest = max(largest, *picture.size)
    assert largest == longest


def test_words_of_a_stamp(stamps: ParquetGallery) -> None:
    row = stamps.sources(range(len(stamps))).index(
        "usr/share/tuxpaint/stamps/animals/amphibians/frog-1.png"
    )
    assert stamps.caption(row) == "A frog."
    assert stamps.label(row) == "animals/amphibians"
    assert stamps.captions_in("de")[row] == "Ein Frosch."
    assert stamps.captions_in("en") == stamps.captions(range(len(stamps)))
    assert stamps.captioned


def test_no_mirrored_stamp(stamps: ParquetGallery) -> None:
    assert not [each for each in stamps.sources(range(len(stamps))) if "_mirror" in each]


def test_languages_are_counted(stamps: ParquetGallery) -> None:
    languages = stamps.languages()
    assert languages["en"] == len(stamps)
    assert len(languages) > 60
    assert languages["de"] == sum(bool(each) for each in stamps.captions_in("de"))
    assert list(languages.values()) == sorted(languages.values(), reverse=True)


def test_an_unknown_language(stamps: ParquetGallery) -> None:
    with pytest.raises(UnknownName, match="no language is called 'klingon'"):
        stamps.captions_in("klingon")


def test_relevant_rows_share_the_caption(stamps: ParquetGallery) -> None:
    everywhere = stamps.captions(range(len(stamps)))
    sizes = set()
    for row in range(len(stamps)):
        same = stamps.relevant(row)
        assert same.dtype == np.int64
        assert same.tolist() == [
            at for at, each in enumerate(everywhere) if each == everywhere[row]
        ]
        sizes.add(len(same))
    assert max(sizes) > 1
    stamps.relevant(0)[:] = -1
    assert 0 in stamps.relevant(0)


def test_a_drawing_has_the_categories_of_all_links_to_it(clipart: ParquetGallery) -> None:
    sources = clipart.sources(range(len(clipart)))
    row = sources.index("usr/share/openclipart/png/animals/2_dead_frogs_lumen_desig_01.png")
    column = clipart.columns["labels"]
    assert column[row] == ("animals", "animals/amphibian", "signs_and_symbols/hazard")
    for row, labels in enumerate(column):
        assert labels[0] == clipart.label(row)
        assert len(set(labels)) == len(labels)


@pytest.mark.parametrize("row", [-1, 785, 10**9])
def test_no_such_row(stamps: ParquetGallery, row: int) -> None:
    with pytest.raises(BadImage, match=f"stamps has no row {row}; rows run from 0 to 784"):
        stamps.encoded(row)


def test_the_revision_is_a_digest_of_the_files() -> None:
    for name in SHIPPED:
        files = entry(name).files
        for file in files:
            found = hashlib.sha256((DATA / name / file.name).read_bytes()).hexdigest()
            assert found == file.sha256
        assert entry(name).revision == digest(files)
        assert digest(reversed(files)) == digest(files) or len(files) > 1


def test_verify_passes_what_ships(stamps: ParquetGallery, clipart: ParquetGallery) -> None:
    stamps.verify()
    clipart.verify()


def test_verify_finds_one_flipped_bit(copied: Path) -> None:
    path = next(copied.glob("*.parquet"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(Damaged, match="has SHA-256 .*take data/stamps from the project again"):
        ParquetGallery(entry("stamps"), copied)


def test_a_file_that_changes_under_an_open_gallery_is_noticed(copied: Path) -> None:
    gallery = ParquetGallery(entry("stamps"), copied)
    path = next(copied.glob("*.parquet"))
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    with pytest.raises(Damaged, match="stamps: .*CRC.*take data/stamps from the project again"):
        for row in range(len(gallery)):
            gallery.encoded(row)


def test_opening_finds_a_missing_and_a_cut_file(copied: Path) -> None:
    path = next(copied.glob("*.parquet"))
    os.truncate(path, 1_000)
    with pytest.raises(Damaged, match="has 1,000 bytes, not .*take data/stamps"):
        ParquetGallery(entry("stamps"), copied)
    path.unlink()
    with pytest.raises(Damaged, match="is missing; take data/stamps from the project again"):
        ParquetGallery(entry("stamps"), copied)


def test_opening_finds_what_is_no_parquet_and_a_wrong_number_of_rows(copied: Path) -> None:
    fewer = replace(entry("stamps"), rows=784)
    with pytest.raises(Damaged, match="stamps has 785 rows, not 784"):
        ParquetGallery(fewer, copied)
    path = next(copied.glob("*.parquet"))
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(Damaged, match="take data/stamps from the project again"):
        ParquetGallery(entry("stamps"), copied)


def test_opening_finds_a_catalogue_that_disagrees_with_itself(copied: Path) -> None:
    with pytest.raises(Damaged, match="revision is not that of its files"):
        ParquetGallery(replace(entry("stamps"), revision="0"), copied)


def test_thirty_users_get_the_right_pictures(clipart: ParquetGallery) -> None:
    rows = np.random.default_rng(0).integers(0, len(clipart), 600).tolist()
    alone = {row: clipart.encoded(row) for row in rows}
    fresh = shipped("clipart")
    with ThreadPoolExecutor(30) as pool:
        assert list(pool.map(fresh.encoded, rows)) == [alone[row] for row in rows]


def test_memory_kept_is_bounded(clipart: ParquetGallery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "KEPT_BYTES", 1_000_000)
    fresh = shipped("clipart")
    for row in range(0, len(fresh), 64):
        assert fresh.encoded(row) == clipart.encoded(row)
    assert 0 < fresh._kept_bytes <= 1_000_000
    assert fresh._kept_bytes == sum(each.nbytes for each in fresh._kept.values())


def test_words_are_read_from_no_file(
    clipart: ParquetGallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clipart, "_readers", None)
    rows = range(0, 6_000, 120)
    assert len(clipart.captions(rows)) == len(clipart.labels(rows)) == len(rows)
    for words in (clipart._captions, clipart._labels):
        assert type(words) is list and {type(each) for each in words} == {str}


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_the_datasets_library_reads_the_same(name: str, tmp_path: Path) -> None:
    import datasets  # type: ignore[import-untyped]

    gallery = shipped(name)
    read = datasets.load_dataset(str(DATA / name), split="train", cache_dir=str(tmp_path))
    assert isinstance(read.features["image"], datasets.Image)
    rows = range(len(gallery))
    assert len(read) == len(gallery)
    assert list(read["caption"]) == gallery.captions(rows)
    assert list(read["label"]) == gallery.labels(rows)
    assert list(read["source"]) == gallery.sources(rows)
    assert set(read["licence"]) == {gallery.licence.id}
    for row in range(0, len(gallery), 11):
        line = read[row]
        assert (
            ImageChops.difference(line["image"].convert("RGB"), gallery.image(row)).getbbox()
            is None
        )
        assert tuple(line["labels"]) == gallery.columns["labels"][row]
        assert line["captions"][0] == {"language": "en", "caption": gallery.caption(row)}
