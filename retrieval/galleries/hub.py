"""Data sets of the Hugging Face hub: streamed once into Parquet, then read like shipped ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from retrieval import hub, probe
from retrieval.errors import BadImage, Damaged, NotReady
from retrieval.galleries.catalog import Entry, Shard
from retrieval.galleries.parquet import ParquetGallery, digest
from retrieval.runtime import disk, paths
from retrieval.types import Progress, State

SHARD_ROWS = 500
"""Pictures of one file; a build that is killed loses fewer."""
GROUP_ROWS = 64
"""Pictures that a reader loads at once."""
FORMAT = 1
"""Raise it whenever what is written changes, so that older builds are made again."""
MANIFEST = "manifest.json"
JOURNAL = "journal.json"


def state(entry: Entry, cache: Path) -> State:
    """Whether it is built, could be, or why not. At once: the hub is asked in the background."""
    if (place(entry, cache) / MANIFEST).is_file():
        return State("ready")
    reached, size = probe.state(), hub.sized(entry.bytes)
    if reached.kind == "unreachable":
        return State("unreachable", f"{reached.reason} (download: {size})")
    return State("download", f"{size}: python -m retrieval build --gallery {entry.name}")


def open_gallery(entry: Entry, cache: Path) -> ParquetGallery:
    """A gallery that has been built.

    Raises:
        NotReady: it has not been built.
        Damaged: its files are not those of its manifest.
    """
    folder = place(entry, cache)
    again = f"delete {folder} and run python -m retrieval build --gallery {entry.name}"
    if not (folder / MANIFEST).is_file():
        raise NotReady(f"{entry.name} is not built yet; {state(entry, cache).reason}")
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = tuple(Shard(**file) for file in manifest["files"])
        rows = int(manifest["rows"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{entry.name}: its manifest cannot be read ({error}); {again}") from error
    built = replace(entry, kind="parquet", rows=rows, files=files, revision=digest(files))
    try:
        return ParquetGallery(built, folder)
    except Damaged as error:  # its remedy is for shipped galleries
        raise Damaged(f"{str(error).partition(';')[0]}; {again}") from error


def build(entry: Entry, cache: Path, limit: int | None, progress: Progress) -> None:
    """Stream a split into Parquet; what was stopped or limited before goes on where it was.

    Args:
        entry: of kind ``hub``.
        cache: the folder under which galleries are kept.
        limit: pictures at most; all by default.
        progress: called after each row; what it raises stops the build, and nothing that is
            written is lost.

    Raises:
        NotReady: gated, no token, the cache cannot be written, another process builds it.
        Unreachable: the hub does not answer or refuses.
        BadImage: no picture of it can be read.
    """
    folder = place(entry, cache)
    try:
        with _alone(folder, entry):
            Build(entry, folder, limit, progress).run()
    except BrokenPipeError:  # of the progress: whoever read it has gone
        raise
    except OSError as error:
        raise paths.unwritable(folder, error) from error


def place(entry: Entry, cache: Path) -> Path:
    """The folder of a gallery: another commit, split or column has another one."""
    columns = [entry.image, entry.caption, entry.label]
    key = [FORMAT, entry.repo, entry.revision, entry.config, entry.split, *columns]
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:12]
    return cache / "galleries" / f"{entry.name}-{name}"


@dataclass(frozen=True, slots=True)
class Done:
    """One file that is written, and where the stream stood after it.

    Attributes:
        shard: the file.
        rows: pictures in it.
        skipped: rows of the split before its end whose picture could not be read.
        place: the stream's own state, from which it goes on.
    """

    shard: Shard
    rows: int
    skipped: int
    place: dict[str, Any]


class Build:
    """One run; see ``build``."""

    def __init__(self, entry: Entry, folder: Path, limit: int | None, progress: Progress) -> None:
        self._entry, self._folder, self._limit, self._progress = entry, folder, limit, progress
        self._done = journal(folder)
        self._waiting: list[dict[str, Any]] = []
        self._skipped = 0

    def run(self) -> None:
        """Write what is missing, the manifest last."""
        if not self._finished():
            if not self._full():
                self._stream()
            if not self._rows():
                raise BadImage(
                    f"no picture of {self._entry.repo} can be read from its column "
                    f"{self._entry.image!r}; correct the entry"
                )
            _write(self._folder / MANIFEST, self._described())
        self._report(self._rows())

    def _stream(self) -> None:
        from retrieval.galleries.stream import Stream

        last = self._done[-1] if self._done else None
        stream = Stream(
            self._entry,
            last.place if last else None,
            self._rows() + self._unreadable(),
        )
        for row in stream:
            if row is None:
                self._skipped += 1
            else:
                self._waiting.append(row)
            self._report(self._total())
            if len(self._waiting) == SHARD_ROWS or self._full():
                self._publish(stream.place())
            if self._full():
                return
        if self._waiting:
            self._publish(stream.place())

    def _publish(self, place: dict[str, Any]) -> None:
        shard = _shard(self._folder, f"part-{len(self._done):05d}.parquet", self._waiting)
        self._done.append(Done(shard, len(self._waiting), self._skipped, place))
        self._waiting, self._skipped = [], 0
        _write(self._folder / JOURNAL, [asdict(each) for each in self._done])

    def _rows(self) -> int:
        return sum(each.rows for each in self._done) + len(self._waiting)

    def _unreadable(self) -> int:
        return sum(each.skipped for each in self._done) + self._skipped

    def _total(self) -> int:
        """Pictures that are expected; one more than there are where nobody knows."""
        known = [count for count in (self._entry.rows, self._limit) if count]
        return max(min(known, default=0), self._rows() + 1)

    def _full(self) -> bool:
        return self._limit is not None and self._rows() >= self._limit

    def _finished(self) -> bool:
        """Whether an earlier build covers this one, its files whole."""
        try:
            manifest = json.loads((self._folder / MANIFEST).read_text(encoding="utf-8"))
            same: bool = manifest["rows"] == self._rows()
            return same and (manifest["limit"] is None or self._full())
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def _report(self, total: int) -> None:
        unreadable = self._unreadable()
        note = f", {unreadable:,} unreadable" if unreadable else ""
        self._progress(f"{self._entry.name}{note}", self._rows(), total)

    def _described(self) -> dict[str, Any]:
        entry = self._entry
        return {
            "format": FORMAT,
            "repo": entry.repo,
            "revision": entry.revision,
            "config": entry.config,
            "split": entry.split,
            "limit": self._limit,
            "rows": self._rows(),
            "unreadable": self._unreadable(),
            "files": [asdict(each.shard) for each in self._done],
        }


def journal(folder: Path) -> list[Done]:
    """The files that are written and whole, up to the first that is not."""
    try:
        listed = json.loads((folder / JOURNAL).read_text(encoding="utf-8"))
        found = [Done(**{**each, "shard": Shard(**each["shard"])}) for each in listed]
    except (OSError, ValueError, KeyError, TypeError):  # none yet, or not to be relied on
        return []
    for count, each in enumerate(found):
        path = folder / each.shard.name
        if not path.is_file() or disk.sha256(path) != each.shard.sha256:
            return found[:count]
    return found


def _shard(folder: Path, name: str, rows: list[dict[str, Any]]) -> Shard:
    """Write rows as a file, there whole or not at all."""
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyarrow import parquet as pq

    beside = folder / f".{name}"
    table = pa.Table.from_pylist(rows, _schema())
    # WebP does not shrink any further.
    pq.write_table(
        table,
        beside,
        row_group_size=GROUP_ROWS,
        compression="none",
        write_page_checksum=True,
    )
    shard = Shard(name, beside.stat().st_size, disk.sha256(beside))
    disk.publish(beside, folder / name)
    return shard


def _schema() -> Any:
    """The columns of a gallery, for pyarrow and in its metadata for ``datasets``."""
    import pyarrow as pa

    text, words = pa.string(), {"dtype": "string", "_type": "Value"}
    spoken = {"language": words, "caption": words}
    columns = {
        "image": (pa.struct({"bytes": pa.binary(), "path": text}), {"_type": "Image"}),
        "caption": (text, words),
        "captions": (
            pa.list_(pa.struct({"language": text, "caption": text})),
            {"feature": spoken, "_type": "List"},
        ),
        "label": (text, words),
        "labels": (pa.list_(text), {"feature": words, "_type": "List"}),
        "source": (text, words),
        "licence": (text, words),
    }
    features = {"info": {"features": {name: kind for name, (_, kind) in columns.items()}}}
    fields = [pa.field(name, kind) for name, (kind, _) in columns.items()]
    return pa.schema(fields, metadata={"huggingface": json.dumps(features)})


def _write(path: Path, value: object) -> None:
    beside = path.with_name(f".{path.name}")
    beside.write_text(json.dumps(value), encoding="utf-8")
    disk.publish(beside, path)


@contextmanager
def _alone(folder: Path, entry: Entry) -> Iterator[None]:
    """Hold the folder's lock: two builds would write each other's files."""
    import filelock

    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise NotReady(f"another process is building {entry.name}; wait until it ends") from error
    try:
        yield
    finally:
        lock.release()
