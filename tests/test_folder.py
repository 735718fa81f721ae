"""A user's own folder as a gallery, hostile file names and all."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from retrieval import images
from retrieval.errors import BadImage, Damaged, NotReady
from retrieval.galleries.folder import FolderGallery
from tests.files import picture, sources


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "mine"
    (root / "cats" / "grey").mkdir(parents=True)
    (root / "a.png").write_bytes(picture("red"))
    (root / "cats" / "b.JPG").write_bytes(picture("blue", "JPEG"))
    (root / "cats" / "grey" / "c.webp").write_bytes(picture("grey", "WEBP"))
    return root


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
