"""Which galleries there are: data/catalog.yaml and the user's folder."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

from retrieval import about
from retrieval.errors import Damaged
from retrieval.galleries.base import Gallery
from retrieval.registry import suggest
from retrieval.types import Licence, State

Kind = Literal["parquet", "hub", "folder"]
FOLDER = "folder"
"""The name of the gallery of the user's own pictures."""
OWN = Licence("your own", "yes", "")


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of a shipped gallery.

    Attributes:
        name: relative to the gallery's folder.
        bytes: its size.
        sha256: of its content, in hexadecimal.
    """

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What the catalogue says of a gallery, known before anything is opened.

    Attributes:
        name: what people type.
        title: what people read.
        kind: shipped as Parquet, a data set of the Hugging Face hub, or the user's folder.
        rows: how many pictures; 0 for a folder, which is counted when it is opened.
        bytes: size on disk (parquet) or of the download (hub); 0 for a folder.
        licence: what its pictures allow.
        source: a link to where they come from.
        revision: of a shipped gallery ``digest(files)``, of a hub gallery the commit.
        files: the shards of a shipped gallery.
        repo: the hub's ``owner/name``.
        config: the hub's configuration.
        split: the hub's split.
        image: the column that holds the picture.
        caption: the column that holds its words; empty where there is none.
        label: the column that holds its class; empty where there is none.
        note: one sentence for people, such as a condition of use.
        about: what its pictures are of, ``faces`` or nothing; embedders of faces need it.
    """

    name: str
    title: str
    kind: Kind
    rows: int
    bytes: int
    licence: Licence
    source: str
    revision: str
    files: tuple[Shard, ...] = ()
    repo: str = ""
    config: str = ""
    split: str = ""
    image: str = ""
    caption: str = ""
    label: str = ""
    note: str = ""
    about: str = ""


class Catalog:
    """The galleries by name: listed without opening them, opened once, from any thread.

    Args:
        data: the folder that holds ``catalog.yaml`` and the shipped galleries.
        cache: where hub galleries are kept.
        folder: the user's own pictures, if any.
    """

    def __init__(self, data: Path, cache: Path, folder: Path | None = None) -> None:
        self.data = data
        self.cache = cache
        self.folder = folder
        self._locks: dict[str, threading.Lock] = {}
        self._opened: dict[str, Gallery] = {}

    @cached_property
    def _entries(self) -> dict[str, Entry]:
        found = _listed(self.data / "catalog.yaml")
        if self.folder is not None:
            found[FOLDER] = _of_folder(self.folder)
        return found

    def names(self) -> list[str]:
        """All names, in the catalogue's order, the user's folder last.

        Raises:
            Damaged: the catalogue is missing, or an entry has a bad field.
        """
        return list(self._entries)

    def entries(self) -> list[Entry]:
        """All entries, in the order of ``names``."""
        return list(self._entries.values())

    def entry(self, name: str) -> Entry:
        """One entry.

        Raises:
            UnknownName: quoting the name and the nearest ones.
        """
        if name not in self._entries:
            raise suggest("gallery", name, self.names())
        return self._entries[name]

    def state(self, name: str) -> State:
        """Whether a gallery can be opened now, and why not.

        Raises:
            UnknownName: no gallery is called so.
        """
        entry = self.entry(name)
        if entry.kind == "parquet":
            from retrieval.galleries import parquet

            return parquet.state(entry, self.data / name)
        if entry.kind == "hub":
            from retrieval.galleries import hub

            return hub.state(entry, self.cache)
        return _state_of_folder(Path(entry.source))

    def open(self, name: str) -> Gallery:
        """A gallery, opened at the first call and kept.

        Raises:
            UnknownName: no gallery is called so.
            LabError: it cannot be opened; the sentence says why.
        """
        entry = self.entry(name)
        # One lock a name: a slow gallery holds up no other.
        with self._locks.setdefault(name, threading.Lock()):
            if name not in self._opened:
                self._opened[name] = self._open(entry)
            return self._opened[name]

    def sift(self, gallery: Gallery) -> Gallery:
        """The gallery to use in the place of one with broken pictures, kept from now on.

        Returns:
            One without them; the same one where broken pictures are damage, not bad luck.
        """
        with self._locks[gallery.name]:
            if self._opened[gallery.name] is gallery:  # else somebody else has sifted it
                self._opened[gallery.name] = self._sifted(gallery)
            return self._opened[gallery.name]

    def _sifted(self, gallery: Gallery) -> Gallery:
        from retrieval.galleries.broken import notes, remember
        from retrieval.galleries.folder import FolderGallery

        if not isinstance(gallery, FolderGallery):
            return gallery
        rest = gallery.sifted()
        remember(notes(self.cache, gallery.root), rest.broken)
        return rest

    def _open(self, entry: Entry) -> Gallery:
        if entry.kind == "parquet":
            from retrieval.galleries.parquet import ParquetGallery

            return ParquetGallery(entry, self.data / entry.name)
        if entry.kind == "hub":
            from retrieval.galleries import hub

            return hub.open_gallery(entry, self.cache)
        from retrieval.galleries.broken import notes, remembered
        from retrieval.galleries.folder import FolderGallery

        folder = Path(entry.source)
        return FolderGallery(folder, remembered(notes(self.cache, folder)))


def _listed(path: Path) -> dict[str, Entry]:
    """The entries of catalog.yaml by name."""
    import yaml

    try:
        rows = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Damaged(f"{path.name} cannot be read: {error}; take it from the project again") from (
            error
        )
    if not isinstance(rows, list):
        raise Damaged(f"{path.name} must be a list of galleries, each with a name")
    found: dict[str, Entry] = {}
    for number, row in enumerate(rows, 1):
        entry = parse(row, f"{path.name}, gallery {number}")
        if entry.name in found or entry.name == FOLDER:
            raise Damaged(f"{path.name}, gallery {number}: the name {entry.name!r} is taken")
        found[entry.name] = entry
    return found


def parse(row: Any, where: str) -> Entry:
    """An entry from its YAML mapping.

    Args:
        row: what YAML gave.
        where: which entry it is, for the error.

    Raises:
        Damaged: naming the entry, the field, its value and what is wanted.
    """
    if not isinstance(row, Mapping):
        raise Damaged(f"{where}: {row!r:.80} is no mapping of fields")
    where = f"{where} ({row['name']!s:.40})" if "name" in row else where
    values = _fields(row, Entry, where)
    if values["kind"] not in ("parquet", "hub"):
        raise Damaged(f"{where}: kind is {values['kind']!r}; it must be parquet or hub")
    if values.get("about", "") not in ("", *about.KINDS):
        raise Damaged(
            f"{where}: about is {values['about']!r}; it must be {about.FACES} or left out"
        )
    for name in ("repo", "split", "image") if values["kind"] == "hub" else ("files",):
        if not values.get(name):
            raise Damaged(f"{where}: {name} is missing; a {values['kind']} gallery needs it")
    return Entry(**values)


def _fields(row: Any, wanted: type, where: str) -> dict[str, Any]:
    """The fields of a dataclass, each of its declared type, none missing, none unknown."""
    if not isinstance(row, Mapping):
        raise Damaged(f"{where}: {row!r:.80} is no mapping of fields")
    declared = {field.name: field for field in fields(wanted)}
    if unknown := [str(name) for name in row if name not in declared]:
        raise Damaged(f"{where}: unknown field {unknown[0]!r}; there are: {', '.join(declared)}")
    for name, field in declared.items():
        if name not in row and field.default is MISSING:
            raise Damaged(f"{where}: {name} is missing")
    return {name: _value(row[name], str(declared[name].type), f"{where}: {name}") for name in row}


def _value(value: Any, kind: str, where: str) -> Any:
    if kind == "Licence":
        return _licence(value, where)
    if kind == "tuple[Shard, ...]":
        if not isinstance(value, list):
            raise Damaged(f"{where} is {value!r:.80}; it must be a list")
        return tuple(Shard(**_fields(each, Shard, where)) for each in value)
    if kind == "int" and not (type(value) is int and value >= 0):
        raise Damaged(f"{where} is {value!r:.80}; it must be a whole number from 0")
    if kind != "int" and not isinstance(value, str):
        raise Damaged(f"{where} is {value!r:.80}; it must be a text, in quotes if need be")
    return value


def _licence(value: Any, where: str) -> Licence:
    if isinstance(value, Mapping):
        # YAML reads an unquoted yes as true: that must be said, or nobody finds it.
        allowed = ("yes", "no", "conditions")
        if value.get("commercial") not in allowed:
            raise Damaged(
                f"{where}: commercial is {value.get('commercial')!r}; it must be "
                '"yes", "no" or "conditions", in quotes'
            )
    return Licence(**_fields(value, Licence, where))


def _of_folder(folder: Path) -> Entry:
    title, word = f"Your folder {folder.name!r}", about.declared(folder)[0]
    return Entry(FOLDER, title, cast(Kind, FOLDER), 0, 0, OWN, str(folder), "", about=word)


def _state_of_folder(folder: Path) -> State:
    if folder.is_dir():
        return State("ready")
    return State(
        "unreachable", f"there is no folder {str(folder)!r}; check the path that was given"
    )
