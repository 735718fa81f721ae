"""Where Parallax keeps what it has made."""

from __future__ import annotations

import os
from pathlib import Path

from retrieval.errors import NotReady

VARIABLE = "PARALLAX_CACHE"
"""Environment variable that names another cache folder."""


def cache() -> Path:
    """The cache folder, which need not exist yet.

    Raises:
        NotReady: this user has no home folder and ``PARALLAX_CACHE`` is not set.
    """
    given = os.environ.get(VARIABLE)
    try:
        return Path(given or "~/.cache/parallax").expanduser()
    except RuntimeError as error:
        raise NotReady(f"there is no home folder for a cache; set {VARIABLE}") from error


def unwritable(folder: Path, error: OSError) -> NotReady:
    """The error for a cache that is read-only, full, or somebody else's."""
    why = error.strerror or str(error)
    return NotReady(
        f"the cache {folder} cannot be written ({why}); "
        f"set {VARIABLE} to a folder with space that can"
    )
