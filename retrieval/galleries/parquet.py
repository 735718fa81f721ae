"""A shipped gallery: a folder of Parquet files, pictures read when they are asked for."""

from __future__ import annotations

import hashlib
import threading
from bisect import bisect_right
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from retrieval.errors import BadImage, Damaged
from retrieval.galleries.base import Gallery
from retrieval.types import Rows, State
from retrieval.where import Columns, Several

if TYPE_CHECKING:
    from retrieval.galleries.catalog import Entry, Shard

KEPT_BYTES = 32_000_000
"""Encoded pictures that are kept in memory, the last used row groups of them."""
REMEDY = "take data/{} from the project again"


def digest(files: Iterable[Shard]) -> str:
    """The revision of a shipped gallery: SHA-256 over the SHA-256 of its files, in order."""
    return hashlib.sha256("\n".join(file.sha256 for file in files).encode()).hexdigest()


def state(entry: Entry, folder: Path) -> State:
    """Whether all files are there in their sizes, without opening one."""
    problem = _sizes(entry, folder)
    return State("not-installed", problem) if problem else State("ready")


def _sizes(entry: Entry, folder: Path) -> str:
    """What is wrong with the files' sizes; empty where nothing is."""
    for file in entry.files:
        path = folder / file.name
        there = path.stat().st_size if path.is_file() else None
        if there != file.bytes:
            what = "is missing" if there is None else f"has {there:,} bytes, not {file.bytes:,}"
            return f"{entry.name}/{file.name} {what}; {REMEDY.format(entry.name)}"
    return ""


class ParquetGallery(Gallery):
    """Words in memory, pictures by row group from the files, from any thread.

    Args:
        entry: what the catalogue says of it.
        folder: where its files are.

    Raises:
        Damaged: files, their sizes or their rows are not those of the catalogue.
    """

    def __init__(self, entry: Entry, folder: Path) -> None:
        self.name, self.title, self.licence = entry.name, entry.title, entry.licence
        self.source, self.revision, self.about = entry.source, entry.revision, entry.about
        self._files, self._folder = entry.files, folder
        if problem := _sizes(entry, folder):
            raise Damaged(problem)
        if digest(entry.files) != entry.revision:
            raise Damaged(f"{entry.name}: the catalogue's revision is not that of its files")
        self.verify()
        self._open(entry)

    def _open(self, entry: Entry) -> None:
        import pyarrow as pa  # type: ignore[import-untyped]
        from pyarrow import parquet as pq

        try:
            self._readers = [
                pq.ParquetFile(
                    self._folder / file.name, memory_map=True, page_checksum_verification=True
                )
                for file in entry.files
            ]
            words = [reader.read(["caption", "label", "source"]) for reader in self._readers]
        except (OSError, ValueError) as error:  # pyarrow's own errors are children of both
            raise Damaged(f"{entry.name}: {error}; {REMEDY.format(entry.name)}") from error
        table = pa.concat_tables(words)
        if table.num_rows != entry.rows:
            raise Damaged(
                f"{entry.name} has {table.num_rows:,} rows, not {entry.rows:,}; "
                f"{REMEDY.format(entry.name)}"
            )
        self._captions: list[str] = table["caption"].to_pylist()
        self._labels: list[str] = table["label"].to_pylist()
        self._sources: list[str] = table["source"].to_pylist()
        self._groups = [
            (reader, group)
            for reader in self._readers
            for group in range(reader.metadata.num_row_groups)
        ]
        sizes = [reader.metadata.row_group(group).num_rows for reader, group in self._groups]
        self._starts: list[int] = np.cumsum([0, *sizes]).tolist()
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, Any] = OrderedDict()
        self._kept_bytes = 0

    def __len__(self) -> int:
        """How many rows."""
        return len(self._captions)

    def encoded(self, row: int) -> bytes:
        """The picture as WebP.

        Raises:
            BadImage: there is no such row.
            Damaged: the file cannot be read any more.
        """
        if not 0 <= row < len(self):
            raise BadImage(f"{self.name} has no row {row}; rows run from 0 to {len(self) - 1}")
        group = bisect_right(self._starts, row) - 1
        data: bytes = self._group(group)[row - self._starts[group]].as_py()
        return data

    def captions(self, rows: Sequence[int]) -> list[str]:
        """The English caption of each row."""
        return [self._captions[row] for row in rows]

    def labels(self, rows: Sequence[int]) -> list[str]:
        """The first category of each row."""
        return [self._labels[row] for row in rows]

    def sources(self, rows: Sequence[int]) -> list[str]:
        """The path of each picture in the package that it came from."""
        return [self._sources[row] for row in rows]

    def languages(self) -> dict[str, int]:
        """How many rows have a caption in each language, the most first."""
        counts = Counter(language for row in self._spoken for language in row)
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def captions_in(self, language: str) -> list[str]:
        """The caption of every row in one language; empty where it has none.

        Raises:
            UnknownName: no row has a caption in it.
        """
        if not any(language in row for row in self._spoken):
            from retrieval.registry import suggest

            raise suggest("language", language, list(self.languages()))
        return [row.get(language, "") for row in self._spoken]

    def relevant(self, row: int) -> Rows:
        """The rows, (m,) ascending, whose caption equals that of ``row``, itself included."""
        return self._alike[self._captions[row]].copy()

    def verify(self) -> None:
        """Hash every file.

        Raises:
            Damaged: a file differs from the catalogue.
        """
        for file in self._files:
            with (self._folder / file.name).open("rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
            if found != file.sha256:
                raise Damaged(
                    f"{self.name}/{file.name} has SHA-256 {found[:12]}, not {file.sha256[:12]}; "
                    f"{REMEDY.format(self.name)}"
                )

    @cached_property
    def columns(self) -> Columns:
        """Values of all rows by name, which filters choose by."""
        labels = Several.of(self._categories)
        return {**super().columns, "labels": labels, "licence": self._column("licence")}

    @cached_property
    def _alike(self) -> dict[str, Rows]:
        found: defaultdict[str, list[int]] = defaultdict(list)
        for row, caption in enumerate(self._captions):
            found[caption].append(row)
        return {caption: np.array(rows, dtype=np.int64) for caption, rows in found.items()}

    @cached_property
    def _spoken(self) -> list[dict[str, str]]:
        return [
            # The first of several in a language is the one that ``captions`` gives.
            {each["language"]: each["caption"] for each in reversed(row)}
            for row in self._column("captions")
        ]

    @cached_property
    def _categories(self) -> list[list[str]]:
        return self._column("labels")

    def _column(self, name: str) -> list[Any]:
        with self._lock:
            return [
                each for reader in self._readers for each in reader.read([name])[name].to_pylist()
            ]

    def _group(self, group: int) -> Any:
        """The encoded pictures of a row group, from memory or from its file."""
        with self._lock:
            if group in self._kept:
                self._kept.move_to_end(group)
            else:
                self._keep(group, self._read(group))
            return self._kept[group]

    def _read(self, group: int) -> Any:
        reader, number = self._groups[group]
        try:
            table = reader.read_row_group(number, ["image.bytes"], use_threads=False)
        except (OSError, ValueError) as error:
            raise Damaged(f"{self.name}: {error}; {REMEDY.format(self.name)}") from error
        return table["image"].combine_chunks().field("bytes")

    def _keep(self, group: int, pictures: Any) -> None:
        self._kept[group] = pictures
        self._kept_bytes += pictures.nbytes
        while self._kept_bytes > KEPT_BYTES and len(self._kept) > 1:
            _, old = self._kept.popitem(last=False)
            self._kept_bytes -= old.nbytes
