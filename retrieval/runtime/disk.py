"""Files that are there whole or not at all."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


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
