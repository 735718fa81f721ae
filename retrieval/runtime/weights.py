"""Weights that come as packages."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from pathlib import Path

from retrieval.errors import NotReady


def packaged(revision: str, package: str, inside: str) -> Path:
    """A file of an installed package, whose code is not run.

    Args:
        revision: the pinned distribution, ``name==version``.
        package: its import name.
        inside: the file's path in the package.

    Raises:
        NotReady: it is not installed, in another version, or incomplete.
    """
    check(revision)
    spec = importlib.util.find_spec(package)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for folder in folders:
        if (Path(folder) / inside).is_file():
            return Path(folder) / inside
    raise NotReady(f"{package} lacks {inside}: pip install --force-reinstall {revision}")


def check(revision: str) -> None:
    """See that the pinned distribution is the one installed.

    Raises:
        NotReady: it is not.
    """
    name, _, wanted = revision.partition("==")
    try:
        found = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError as error:
        raise NotReady(f"{name} is not installed: pip install {revision}") from error
    if found != wanted:
        raise NotReady(f"{name} is {found}, the vectors are of {wanted}: pip install {revision}")
