"""An engine over files of its own: in a temporary folder in use, in one archive when saved.

Holds no index of its own, so it has no ``SPECS``.
"""

from __future__ import annotations

import threading
import zipfile
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from retrieval.errors import Damaged, LabError
from retrieval.indexes.base import Filtered, Index, padded
from retrieval.indexes.faiss_base import straight
from retrieval.runtime.working import Working, full
from retrieval.types import Metric, Rows, Scores, Spec, Vectors
from retrieval.where import Allowed, Column, Where

Found: TypeAlias = tuple[Sequence[int], Sequence[float]]
"""Rows of one query and their scores, best first."""
FILE = "engine.zip"
FILLING, OPENING = 4, 2
"""Times the bytes of the vectors that must be free: Qdrant, while it is filled, takes 3.5."""
AHEAD = 32 << 20
"""Bytes beside, which engines take for logs and the like whatever they hold."""
SAMPLE = 64
"""Vectors that are compared with those given to ``load``."""
PAGE = 4096
"""Bytes that a file has or has not: engines take room ahead, which stays a hole."""
CHUNK = 1 << 20
NOTHING = bytes(PAGE)


@dataclass(frozen=True)
class Chosen:
    """A filter as an engine is told of it.

    Attributes:
        where: the filter.
        column: all values of its column, which say whether they are numbers.
        knobs: query-time knobs of this search.
    """

    where: Where
    column: Column
    knobs: dict[str, int]

    @property
    def wanted(self) -> list[str] | list[int]:
        """The values of ``=``, numbers where the column has such."""
        return self.where.wanted(self.column)


class Archived(Index):
    """An index whose engine keeps files.

    A subclass writes ``_filled`` (a new engine in an empty folder), ``_opened`` (one over files
    that are there), ``_count`` and ``_sample`` (what it holds) and ``_answers`` (to each query).
    The engine works on a folder of this process alone, which goes with it. Searches take turns:
    none runs while the files go.
    """

    def __init__(self, spec: Spec, metric: Metric, **knobs: int) -> None:
        super().__init__(spec, metric, **knobs)
        self._engine: Any = None
        self._working: Working | None = None
        self._turn = threading.Lock()
        self._size = 0

    def nbytes(self) -> int:
        """Bytes of the engine's files, without room that it has taken ahead."""
        return self._size if self.count else 0

    def close(self) -> None:
        """Let go of the engine and its folder; twice is no harm."""
        super().close()
        with self._turn:
            self._end()

    def _build(self, vectors: Vectors) -> None:
        def make(working: Path) -> Any:
            engine = self._filled(working, straight(vectors))
            self._size = used(working)
            return engine

        self._take(make, FILLING * vectors.nbytes)

    def _search(self, queries: Vectors, k: int) -> tuple[Rows, Scores]:
        return self._asked(queries, k, min(k, self.count))

    def _filtered(self, queries: Vectors, k: int, where: Allowed) -> Filtered | None:
        columns = self._columns
        if not columns or where.where.column not in columns:
            return None
        plan = self._planned(k, where)
        if plan is None:
            return None
        tuned, how = plan
        chosen = Chosen(where.where, columns[where.where.column], tuned)
        return Filtered(*self._asked(queries, k, where.few(k), chosen), how)

    def _planned(self, k: int, where: Allowed) -> tuple[dict[str, int], str] | None:
        """Knobs of a filtered search for ``k``, and what is other about it.

        None where comparing the rows that are allowed is cheaper.
        """
        return self.knobs, ""

    def _asked(
        self, queries: Vectors, k: int, most: int, chosen: Chosen | None = None
    ) -> tuple[Rows, Scores]:
        with self._turn:
            if self._engine is None or not most:  # another thread closed it, or is about to
                return padded(len(queries), k)
            answers = list(self._answers(self._engine, straight(queries), most, chosen))
        return gathered(answers, k)

    def _save(self, folder: Path) -> None:
        if self._working is not None:
            pack(self._working.path, folder / FILE)

    def _load(self, folder: Path, vectors: Vectors) -> None:
        def make(working: Path) -> Any:
            unpack(folder / FILE, working)
            self._size = used(working)
            try:
                self._engine = self._opened(working)  # _take ends it where it is not the right one
                self._compare(vectors)
            except LabError:
                raise
            except Exception as error:  # each engine has its own kinds
                raise Damaged(
                    f"{FILE} is nothing that {self.spec.title} reads ({type(error).__name__}: "
                    f"{str(error)[:200]}); build the index again"
                ) from error
            return self._engine

        self._take(make, OPENING * vectors.nbytes)

    def _take(self, make: Callable[[Path], Any], room: int) -> None:
        """Hold what ``make`` returns of so many bytes; nothing is searchable where it fails."""
        with self._turn:
            self._end()
            if not self.count:
                return
            self._working = Working(room + AHEAD)
            try:
                self._engine = make(self._working.path)
            except BaseException as error:
                self.count = 0
                self._end()
                if isinstance(error, OSError):
                    raise full(error) from error
                raise

    def _compare(self, vectors: Vectors) -> None:
        """See that the engine holds these vectors.

        Raises:
            Damaged: another number of them, or a sample differs.
        """
        held = self._count(self._engine)
        if held != self.count:
            raise Damaged(
                f"{FILE} holds {held} vectors, wanted {self.count}; build the index again"
            )
        rows = np.unique(np.linspace(0, self.count - 1, SAMPLE).astype(np.int64))
        if not np.array_equal(self._sample(self._engine, rows.tolist()), vectors[rows]):
            raise Damaged(f"{FILE} holds other vectors; build the index again")

    def _end(self) -> None:
        engine, working = self._engine, self._working
        self._engine = self._working = None
        if engine is not None:
            self._let_go(engine)
        if working is not None:
            working.remove()

    @abstractmethod
    def _filled(self, folder: Path, vectors: Vectors) -> Any: ...

    @abstractmethod
    def _opened(self, folder: Path) -> Any: ...

    @abstractmethod
    def _count(self, engine: Any) -> int: ...

    @abstractmethod
    def _sample(self, engine: Any, rows: list[int]) -> Vectors: ...

    @abstractmethod
    def _answers(
        self, engine: Any, queries: Vectors, k: int, chosen: Chosen | None
    ) -> Iterator[Found]: ...

    def _let_go(self, engine: Any) -> None:
        """Close the engine, where it is not enough to forget it."""


def gathered(answers: Sequence[Found], k: int) -> tuple[Rows, Scores]:
    """Rows and scores, both (queries, k), padded where an answer is shorter."""
    if len(answers) == 1 and len(answers[0][0]) == k:  # one query, nothing to pad
        found, values = answers[0]
        return np.array(found, np.int64, ndmin=2), np.array(values, np.float32, ndmin=2)
    rows, scores = padded(len(answers), k)
    for place, (found, values) in enumerate(answers):
        rows[place, : len(found)], scores[place, : len(found)] = found, values
    return rows, scores


def used(folder: Path) -> int:
    """Bytes of the files below a folder, pages of nothing but zeros left out."""
    total = 0
    for path in files(folder):
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                total += sum(len(page) for page in pages(chunk) if filled(page))
    return total


def pack(folder: Path, archive: Path) -> None:
    """Write all below a folder into one file. What has holes is compressed, vectors are not."""
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted(folder.rglob("*")):  # engines miss folders too, empty ones
            told = path.stat()
            sparse = told.st_blocks * 512 < told.st_size
            kind = zipfile.ZIP_DEFLATED if sparse else zipfile.ZIP_STORED
            packed.write(path, path.relative_to(folder), compress_type=kind)


def unpack(archive: Path, folder: Path) -> None:
    """Write what ``pack`` put into a file below an empty folder, with its holes.

    Raises:
        Damaged: it is not there, cut or changed.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            for told in packed.infolist():
                path = folder / told.filename
                if not path.resolve().is_relative_to(folder.resolve()):
                    raise zipfile.BadZipFile(f"{told.filename} leads elsewhere")
                if told.is_dir():
                    path.mkdir(parents=True, exist_ok=True)
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                with packed.open(told) as source, path.open("wb") as file:
                    while chunk := source.read(CHUNK):
                        for page in pages(chunk):
                            file.write(page) if filled(page) else file.seek(len(page), 1)
                    file.truncate(told.file_size)
    except (zipfile.BadZipFile, EOFError, FileNotFoundError) as error:
        raise Damaged(f"{archive.name} is no whole archive; build the index again") from error


def pages(chunk: bytes) -> list[bytes]:
    """The pages of a chunk."""
    return [chunk[start : start + PAGE] for start in range(0, len(chunk), PAGE)]


def filled(page: bytes) -> bool:
    """Whether a page has anything but zeros."""
    return page != NOTHING[: len(page)]


def files(folder: Path) -> list[Path]:
    """The files below a folder, in order."""
    return sorted(path for path in folder.rglob("*") if path.is_file())
