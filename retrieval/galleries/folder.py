"""A gallery of the user's own pictures: a folder, read as it lies."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import stat
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from PIL.Image import Image

from retrieval import about, images
from retrieval.errors import BadImage, Damaged, NotReady
from retrieval.galleries.base import Gallery
from retrieval.galleries.broken import Picture
from retrieval.galleries.catalog import FOLDER, OWN
from retrieval.runtime import threads

CAPTIONS = "captions.csv"
"""An optional file in the folder, with the columns ``file`` and ``caption``."""
SERVED = frozenset(("PNG", "JPEG", "WebP"))


class FolderGallery(Gallery):
    """Every picture below a folder, sub-folders as labels, ``captions.csv`` as words.

    A file ``about.txt`` that says ``faces`` declares it a gallery of faces.

    It is listed once, when it is made, and may have no rows. Hidden files and folders are
    skipped. Links are followed to files inside the folder only. A broken picture is a row
    all the same, and says so when it is used; ``sifted`` gives the gallery without those.

    Args:
        folder: any folder.
        broken: pictures that are known to be broken, each with the reason.

    Attributes:
        root: the folder, its links resolved.
        broken: those of them that still lie in the folder as they were.
        left_out: what was not listed, each with its reason, for people to read.

    Raises:
        NotReady: there is no such folder.
        Damaged: ``captions.csv`` cannot be read.
    """

    def __init__(self, folder: Path, broken: Mapping[Picture, str] | None = None) -> None:
        if not folder.is_dir():
            raise NotReady(f"there is no folder {str(folder)!r}; check the path that was given")
        self.name, self.licence = FOLDER, OWN
        self.title = f"Your folder {shown(folder.resolve().name)!r}"
        self.source = shown(str(folder))
        self.about, problem = about.declared(folder)
        self.left_out: list[str] = [problem] if problem else []
        self.root = folder.resolve()
        listed = sorted(self._walk(), key=lambda file: os.fsencode(file.inside))
        known = broken or {}
        self.broken = {file: known[file] for file in listed if file in known}
        self._files = [file for file in listed if file not in self.broken]
        self.left_out += [f"{shown(file.inside)}: {why}" for file, why in self.broken.items()]
        written = self._written()
        words = _words(written)
        names = [_name(file.inside) for file in self._files]
        self._captions = [words.pop(name, "") for name in names]
        self.left_out += [f"{CAPTIONS} names {name!r}, which is no picture here" for name in words]
        self.revision = _digest(self._files)
        self.words = hashlib.sha256(written).hexdigest()[:16] if written else ""

    def __len__(self) -> int:
        """How many rows."""
        return len(self._files)

    def sifted(self) -> FolderGallery:
        """The folder listed anew, without what cannot be decoded; every picture is tried."""
        fresh = FolderGallery(self.root)  # files may have changed since this one was listed
        with ThreadPoolExecutor(threads.cores(), "sift") as pool:
            reasons = pool.map(fresh._why_not, range(len(fresh)))
            broken = {file: why for file, why in zip(fresh._files, reasons, strict=True) if why}
        return FolderGallery(self.root, broken)

    def identities(self) -> list[str]:
        """A line for each row that changes when its file does."""
        return [str(file) for file in self._files]  # not as it is shown: two names may look alike

    def _why_not(self, row: int) -> str:
        """Why a picture cannot be decoded; empty where it can."""
        try:
            images.decode(self._read(row), 1)
        except BadImage as error:
            return str(error)
        return ""

    def encoded(self, row: int) -> bytes:
        """The picture as stored where browsers show it, else as lossless WebP.

        Raises:
            BadImage: it is gone or no picture; or broken, where it must be decoded.
        """
        data = self._read(row)
        with self._named(row):
            if images.kind(data) in SERVED:
                return data
        picture = self._decoded(row, data, None)
        return images.webp(picture, max(picture.size), lossless=True)

    def image(self, row: int, least: int | None = None) -> Image:
        """The picture, decoded to RGB.

        Args:
            row: which.
            least: the shortest side in pixels that is needed; makes large JPEGs cheap.

        Raises:
            BadImage: it is gone, broken or no picture.
        """
        return self._decoded(row, self._read(row), least)

    def captions(self, rows: Sequence[int]) -> list[str]:
        """What ``captions.csv`` says of each row; empty where it says nothing."""
        return [self._captions[row] for row in rows]

    def labels(self, rows: Sequence[int]) -> list[str]:
        """The sub-folder of each row; empty for those at the top."""
        return [shown(self._files[row].inside.rpartition("/")[0]) for row in rows]

    def sources(self, rows: Sequence[int]) -> list[str]:
        """The path of each picture inside the folder."""
        return [shown(self._files[row].inside) for row in rows]

    def _read(self, row: int) -> bytes:
        if not 0 <= row < len(self):
            raise BadImage(f"the folder has no row {row}; it has {len(self)} pictures")
        inside = self._files[row].inside
        path = self.root / inside
        if not path.exists():
            raise BadImage(
                f"{shown(inside)!r} is gone since the folder was listed; "
                "put it back, or start again to list the folder anew"
            )
        if not path.resolve().is_relative_to(self.root):  # it may have become a link since
            raise BadImage(f"{shown(inside)!r} is a link that leaves the folder; copy the file")
        return images.read(path)

    def _decoded(self, row: int, data: bytes, least: int | None) -> Image:
        with self._named(row):
            return images.decode(data, least)

    @contextmanager
    def _named(self, row: int) -> Iterator[None]:
        """What is wrong with a picture is said with its name."""
        try:
            yield
        except BadImage as error:
            raise BadImage(f"{shown(self._files[row].inside)!r}: {error}") from error

    def _walk(self) -> Iterator[Picture]:
        """Every picture file below the folder, in no certain order."""
        for folder, folders, names in os.walk(self.root, onerror=self._unread):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                if not name.startswith(".") and Path(name).suffix.lower() in images.SUFFIXES:
                    yield from self._file(Path(folder) / name)

    def _file(self, path: Path) -> Iterator[Picture]:
        inside = path.relative_to(self.root).as_posix()
        try:
            target = path.resolve(strict=True)
            status = target.stat()
        except (OSError, RuntimeError) as error:  # RuntimeError: a link to itself, before 3.13
            self.left_out.append(f"{shown(inside)}: {_reason(error)}")
            return
        if not target.is_relative_to(self.root):
            self.left_out.append(f"{shown(inside)}: a link that leaves the folder")
        elif not stat.S_ISREG(status.st_mode):
            self.left_out.append(f"{shown(inside)}: no plain file")
        else:
            yield Picture(inside, status.st_size, status.st_mtime_ns)

    def _unread(self, error: OSError) -> None:
        self.left_out.append(f"{shown(str(error.filename))}: {_reason(error)}")

    def _written(self) -> bytes:
        """The bytes of captions.csv; none where there is no such file."""
        path = self.root / CAPTIONS
        if not path.exists():
            return b""
        if not (path.is_file() and path.resolve().is_relative_to(self.root)):
            raise Damaged(f"{CAPTIONS} is no plain file in the folder; copy it there")
        try:
            return path.read_bytes()
        except OSError as error:
            raise Damaged(f"{CAPTIONS} cannot be read: {_reason(error)}") from error


def shown(name: str) -> str:
    """A file's name as text that any screen takes: bytes and signs that are none become U+FFFD."""
    text = os.fsencode(name).decode("utf-8", "replace")
    known = (each.isprintable() or unicodedata.category(each) == "Zs" for each in text)
    return "".join(
        each if fine else "\N{REPLACEMENT CHARACTER}"
        for each, fine in zip(text, known, strict=True)
    )


def _name(inside: str) -> str:
    """A file's name as captions.csv is compared with it: macOS takes letters and accents apart."""
    return unicodedata.normalize("NFC", shown(inside))


def _words(written: bytes) -> dict[str, str]:
    """Captions by path inside the folder; of two lines for a file the later holds."""
    if not written:
        return {}
    try:
        reader = csv.DictReader(io.StringIO(written.decode("utf-8-sig"), newline=""))
        columns = reader.fieldnames or ()
        if not {"file", "caption"} <= set(columns):
            raise Damaged(
                f"{CAPTIONS} has the columns {', '.join(columns)[:200] or 'none'}; "
                "it needs file and caption in its first line"
            )
        return {_path(line["file"]): " ".join((line["caption"] or "").split()) for line in reader}
    except UnicodeDecodeError as error:
        raise Damaged(f"{CAPTIONS} is not UTF-8 ({error}); save it as UTF-8") from error
    except csv.Error as error:
        raise Damaged(f"{CAPTIONS} is no CSV file: {error}; save it again") from error


def _path(written: str | None) -> str:
    """A path as people write it: Windows' separators and a leading ./ are fine."""
    return _name((written or "").strip().replace("\\", "/").removeprefix("./"))


def _digest(files: list[Picture]) -> str:
    """SHA-256 over path, size and time of change of every file."""
    total = hashlib.sha256()
    for file in files:
        total.update(os.fsencode(file.inside))
        total.update(b"\0%d\0%d\0" % (file.size, file.mtime_ns))
    return total.hexdigest()


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
