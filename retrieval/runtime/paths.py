"""Where Parallax keeps what it has made."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from urllib.parse import quote

from retrieval.errors import NotReady

VARIABLE = "PARALLAX_CACHE"
"""Environment variable that names another cache folder."""
LONGEST = 120
"""Characters of one part of a path that are taken of a name."""


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


def expanded(path: str | Path) -> Path:
    """A path with its ``~`` as the home folder, which a shell leaves in ``--cache=~/x``.

    It stays as it is where nobody knows that folder.
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path's own raises there


def plain(name: str) -> str:
    """A name as one part of a path: itself, if it holds nothing that a path must not.

    >>> plain("conse-lite2"), plain("hf-hub:a/b")
    ('conse-lite2', 'hf-hub%3Aa%2Fb')
    """
    safe = quote(name, safe=" +")
    if len(safe) <= LONGEST:
        return safe
    return f"{safe[:LONGEST]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def unwritable(folder: Path, error: OSError) -> NotReady:
    """The error for a cache that is read-only, full, or somebody else's."""
    why = error.strerror or str(error)
    return NotReady(
        f"the cache {folder} cannot be written ({why}); "
        f"set {VARIABLE} to a folder with space that can"
    )
