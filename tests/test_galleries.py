"""The galleries that ship, and a user's own folder, hostile file names and all."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageChops

from retrieval import images
from retrieval.errors import BadImage, Damaged, NotReady, UnknownName
from retrieval.galleries import parquet
from retrieval.galleries.catalog import Catalog, Entry
from retrieval.galleries.folder import FolderGallery
from retrieval.galleries.parquet import ParquetGallery, digest

DATA = Path(__file__).resolve().parent.parent / "data"
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


# A user's own folder.


def picture(colour: str = "red", kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (20, 10), colour).save(out, kind)
    return out.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "mine"
    (root / "cats" / "grey").mkdir(parents=True)
    (root / "a.png").write_bytes(picture("red"))
    (root / "cats" / "b.JPG").write_bytes(picture("blue", "JPEG"))
    (root / "cats" / "grey" / "c.webp").write_bytes(picture("grey", "WEBP"))
    return root


def sources(gallery: FolderGallery) -> list[str]:
    return gallery.sources(range(len(gallery)))


def test_a_folder(folder: Path) -> None:
    gallery = FolderGallery(folder)
    assert sources(gallery) == ["a.png", "cats/b.JPG", "cats/grey/c.webp"]
    assert gallery.labels(range(3)) == ["", "cats", "cats/grey"]
    assert gallery.captions(range(3)) == ["", "", ""]
    assert not gallery.captioned
    assert gallery.image(0).getpixel((0, 0)) == (255, 0, 0)
    assert gallery.encoded(1) == (folder / "cats" / "b.JPG").read_bytes()
    assert gallery.licence.id == "your own"
    assert gallery.left_out == []


def test_what_browsers_do_not_show_is_encoded_anew(folder: Path) -> None:
    (folder / "a.tiff").write_bytes(picture("red", "TIFF"))
    gallery = FolderGallery(folder)
    row = sources(gallery).index("a.tiff")
    assert gallery.encoded(row)[8:12] == b"WEBP"
    assert (
        ImageChops.difference(
            Image.open(io.BytesIO(gallery.encoded(row))), gallery.image(row)
        ).getbbox()
        is None
    )


def test_captions_csv_as_spreadsheets_write_it(folder: Path) -> None:
    (folder / "captions.csv").write_text(
        'file,caption,note\r\na.png,"A ""red"" field,\nempty",x\r\n'
        "cats\\b.JPG,old\r\n./cats/b.JPG,<b>Blue</b>\r\ngone.png,Nothing\r\n",
        encoding="utf-8-sig",
        newline="",
    )
    gallery = FolderGallery(folder)
    assert gallery.captions(range(3)) == ['A "red" field, empty', "<b>Blue</b>", ""]
    assert gallery.captioned


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name;text\na.png;x\n", "has the columns name;text; it needs file and caption"),
        (b"\xff\xfe\0x", "is not UTF-8 .*save it as UTF-8"),
        (b"\n", "has the columns none"),
        (b'file,caption\na.png,"' + b"x" * 200_000 + b'"\n', "no CSV file: field larger"),
    ],
)
def test_captions_csv_that_is_none(folder: Path, content: bytes, message: str) -> None:
    (folder / "captions.csv").write_bytes(content)
    with pytest.raises(Damaged, match=message):
        FolderGallery(folder)


def test_the_revision_changes_with_files_and_words_and_with_nothing_else(folder: Path) -> None:
    before = FolderGallery(folder).revision
    assert FolderGallery(folder).revision == before
    os.utime(folder / "a.png", ns=(1, 1))
    touched = FolderGallery(folder)
    assert touched.words == ""
    (folder / "captions.csv").write_text("file,caption\na.png,red\n")
    written = FolderGallery(folder)
    assert written.revision == touched.revision  # the pictures are the same
    (folder / "captions.csv").write_text("file,caption\na.png,blue\n")
    assert len({"", written.words, FolderGallery(folder).words}) == 3
    (folder / "a.png").rename(folder / "z.png")
    assert len({before, touched.revision, FolderGallery(folder).revision}) == 3


def test_lines_of_captions_csv_without_a_picture_are_told(folder: Path) -> None:
    (folder / "captions.csv").write_text("file,caption\na.png,red\ngone.png,nothing\n")
    assert FolderGallery(folder).left_out == [
        "captions.csv names 'gone.png', which is no picture here"
    ]


def test_accents_are_the_same_however_they_are_stored(folder: Path) -> None:
    (folder / "caf\N{LATIN SMALL LETTER E}\N{COMBINING ACUTE ACCENT}.png").write_bytes(picture())
    (folder / "captions.csv").write_text("file,caption\ncaf\u00e9.png,coffee\n", "utf-8")
    gallery = FolderGallery(folder)
    assert "coffee" in gallery.captions(range(len(gallery)))


def test_identities_change_with_their_files_alone(folder: Path) -> None:
    before = FolderGallery(folder).identities()
    os.utime(folder / "a.png", ns=(1, 1))
    after = FolderGallery(folder).identities()
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, True, True]


def test_hidden_files_other_files_and_folders_named_like_pictures(folder: Path) -> None:
    (folder / ".hidden.png").write_bytes(picture())
    (folder / ".git").mkdir()
    (folder / ".git" / "x.png").write_bytes(picture())
    (folder / "notes.txt").write_text("no picture")
    (folder / "folder.png").mkdir()
    assert len(FolderGallery(folder)) == 3


def test_links_that_leave_the_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(picture())
    (folder / "out.png").symlink_to(tmp_path / "secret.png")
    (folder / "in.png").symlink_to(folder / "a.png")
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    (folder / "self.png").symlink_to(folder / "self.png")
    (folder / "way").symlink_to(tmp_path, target_is_directory=True)
    gallery = FolderGallery(folder)
    assert sources(gallery) == ["a.png", "cats/b.JPG", "cats/grey/c.webp", "in.png"]
    assert "out.png: a link that leaves the folder" in gallery.left_out
    assert len(gallery.left_out) == 3


def test_a_file_that_became_a_link_is_refused(folder: Path, tmp_path: Path) -> None:
    gallery = FolderGallery(folder)
    (tmp_path / "secret.png").write_bytes(picture())
    (folder / "a.png").unlink()
    (folder / "a.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(BadImage, match="'a.png' is a link that leaves the folder"):
        gallery.encoded(0)


def test_a_picture_deleted_since(folder: Path) -> None:
    gallery = FolderGallery(folder)
    (folder / "a.png").unlink()
    with pytest.raises(BadImage, match="'a.png' is gone since the folder was listed; put it back"):
        gallery.image(0)
    assert gallery.image(1).size == (20, 10)


def test_broken_pictures_are_listed_and_say_so_when_used(folder: Path) -> None:
    (folder / "broken.png").write_bytes(picture()[:40])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.png").write_text("no picture")
    gallery = FolderGallery(folder)
    for name, message in (
        ("broken.png", "'broken.png': this PNG is broken"),
        ("empty.jpg", r"'empty.jpg': the picture is empty \(0 bytes\)"),
        ("text.png", "'text.png': this is no picture"),
    ):
        with pytest.raises(BadImage, match=message):
            gallery.image(sources(gallery).index(name))
    with pytest.raises(BadImage, match="'text.png': this is no picture"):
        gallery.encoded(sources(gallery).index("text.png"))
    cut = sources(gallery).index("broken.png")
    assert gallery.encoded(cut) == (folder / "broken.png").read_bytes()  # browsers say so too


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such file names")
def test_odd_file_names(folder: Path) -> None:
    for name in (
        b"\xff\xfe.png",
        b"two\nlines.png",
        b"<img src=x onerror=alert(1)>.png",
        b"a\x01.png",
    ):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(picture())
    gallery = FolderGallery(folder)
    rows = range(len(gallery))
    assert len(gallery) == 7
    for row in rows:
        assert gallery.image(row).size == (20, 10)
    for text in [*gallery.sources(rows), *gallery.labels(rows)]:
        assert text.isprintable() and text.encode("utf-8").decode("utf-8") == text
    assert "<img src=x onerror=alert(1)>.png" in gallery.sources(rows)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such file names")
def test_names_that_look_alike_are_two_pictures(folder: Path) -> None:
    """Else one of them would get the other's vector when the folder is embedded again."""
    for name in (b"\xe8.png", b"\xe9.png"):
        path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
        path.write_bytes(picture())
        os.utime(path, ns=(1, 1))
    names = FolderGallery(folder).identities()
    assert len(set(names)) == len(names) == 5
    assert json.loads(json.dumps(names)) == names


def test_a_picture_wider_than_webp_can_be_is_shown(folder: Path) -> None:
    Image.new("RGB", (20_000, 2)).save(folder / "wide.bmp")
    gallery = FolderGallery(folder)
    shown = gallery.encoded(sources(gallery).index("wide.bmp"))
    assert images.decode(shown).width == images.MOST_WEBP


def test_an_odd_folder_name(folder: Path) -> None:
    odd = folder.rename(folder.parent / os.fsdecode(b"\xe9t\xe9"))
    gallery = FolderGallery(odd)
    assert gallery.title.encode("utf-8")
    assert gallery.source.encode("utf-8")
    assert gallery.image(0).size == (20, 10)


def test_an_empty_folder_has_no_rows(tmp_path: Path) -> None:
    gallery = FolderGallery(tmp_path)
    assert len(gallery) == 0
    assert not gallery.captioned
    assert gallery.captions([]) == []
    with pytest.raises(BadImage, match="the folder has no row 0; it has 0 pictures"):
        gallery.encoded(0)


def test_duplicates_are_two_rows(folder: Path) -> None:
    shutil.copy(folder / "a.png", folder / "b.png")
    gallery = FolderGallery(folder)
    assert len(gallery) == 4
    assert gallery.encoded(0) == gallery.encoded(1)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="there is no folder .*; check the path that was given"):
        FolderGallery(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotReady, match="there is no folder"):
        FolderGallery(tmp_path / "file")
