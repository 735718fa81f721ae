"""Files that are there whole or not at all."""

from __future__ import annotations

import ctypes
import hashlib
import os
import sys
from pathlib import Path

_HERE = -100  # AT_FDCWD of Linux: paths are as this process sees them
_EXCHANGE = 2  # RENAME_EXCHANGE


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Have a file or a folder written to the disk before going on."""
    if os.name == "nt" and path.is_dir():  # Windows has no handle of a folder to give
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def publish(made: Path, path: Path) -> None:
    """Put a finished file in its place in one step; both on one file system.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    sync(made)
    made.replace(path)
    sync(path.parent)


def exchange(one: Path, other: Path) -> bool:
    """Put two paths in each other's place in one step: nobody sees either missing.

    Returns:
        Whether it was done; Linux can, on most of its file systems.
    """
    rename = getattr(ctypes.CDLL(None), "renameat2", None) if sys.platform == "linux" else None
    if rename is None:
        return False
    done: int = rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE)
    return done == 0
