"""Folders for as long as a process uses them; the next one removes what a killed one left."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from retrieval.errors import NotReady

PREFIX = "parallax-work-"
"""What all of them begin with; older releases left others, which nobody can tell from used ones."""
MB = 10**6


class Working:
    """An empty temporary folder, removed with this at the latest. A context manager.

    The kernel knows by a lock on the folder whether its process lives.

    Args:
        room: bytes that must be free. Whoever writes through a mapping of a file for which there
            is no room is killed by the kernel, without an error to catch.

    Attributes:
        path: the folder.
        remove: removes it; twice is no harm.

    Raises:
        NotReady: the temporary folder is full or read-only.
    """

    def __init__(self, room: int = 0) -> None:
        try:
            sweep()
            free = shutil.disk_usage(tempfile.gettempdir()).free
            if free < room:
                raise NotReady(
                    f"{tempfile.gettempdir()} has room for {free // MB:,} MB, wanted are "
                    f"{-(-room // MB):,}; free some space or set TMPDIR to a folder with more"
                )
            self.path, held = _made()
        except OSError as error:
            raise full(error) from error
        self.remove = weakref.finalize(self, _removed, self.path, held)
        _HERE.add(self)

    def __enter__(self) -> Self:
        """The folder itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove it.

        Raises:
            NotReady: the block met a full disk.
        """
        self.remove()
        if isinstance(error, OSError):
            raise full(error) from error


_HERE: weakref.WeakSet[Working] = weakref.WeakSet()


def full(error: OSError) -> NotReady:
    """The error for a temporary folder that is read-only or full."""
    return NotReady(
        f"cannot write {tempfile.gettempdir()}: {error.strerror or error}; "
        "free some space or set TMPDIR to a folder that can be written"
    )


def clear() -> None:
    """Remove all folders of this process, for one that ends without the interpreter's own end."""
    for each in list(_HERE):
        each.remove()


def sweep() -> None:
    """Remove this user's folders whose processes are gone."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # in use, or nobody's to remove
            held = _opened(path)
            try:
                if os.fstat(held).st_uid == os.geteuid():
                    _lock(held, wait=False)
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(held)


def _made() -> tuple[Path, int | None]:
    """A new folder and what holds its lock; none on Windows, where nothing is swept."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=PREFIX))
        if os.name == "nt":
            return path, None
        with suppress(FileNotFoundError):
            held = _opened(path)
            with suppress(OSError):  # a file system without locks: nobody gets one to sweep either
                _lock(held)
            if path.exists():
                return path, held
            os.close(held)  # another process swept it before it was locked


def _removed(path: Path, held: int | None) -> None:
    shutil.rmtree(path, ignore_errors=True)
    if held is not None:
        os.close(held)


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)


def _lock(held: int, wait: bool = True) -> None:
    """Lock a folder: shared by who uses it, alone by who removes it."""
    import fcntl

    fcntl.flock(held, fcntl.LOCK_SH if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
