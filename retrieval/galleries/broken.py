"""Which pictures of a folder are known to be broken, kept between two starts."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

from retrieval.runtime import disk

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Picture:
    """A file: its path inside the folder with "/", as the system names it, and its stamp."""

    inside: str
    size: int
    mtime_ns: int

    def __str__(self) -> str:
        """One line that changes when the file does."""
        return f"{self.mtime_ns} {self.size} {self.inside}"


def notes(cache: Path, folder: Path) -> Path:
    """Where what is known of a folder is kept."""
    name = hashlib.sha256(str(folder.resolve()).encode("utf-8", "surrogateescape")).hexdigest()
    return cache / "folders" / f"{name[:16]}.json"


def remembered(path: Path) -> dict[Picture, str]:
    """Broken pictures with their reasons; a file that has changed since is another picture."""
    try:
        listed = json.loads(path.read_text("utf-8"))
        return {
            Picture(str(inside), int(size), int(mtime)): str(why)
            for inside, size, mtime, why in listed
        }
    except (OSError, ValueError, TypeError):  # none yet, or of another release: look again
        return {}


def remember(path: Path, broken: Mapping[Picture, str]) -> None:
    """Keep them; where that cannot be, the next start has to find them again."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}")
        beside.write_text(json.dumps([[*astuple(each), why] for each, why in broken.items()]))
        disk.publish(beside, path)
    except OSError as error:
        LOG.warning("cannot keep %s: %s", path, error.strerror)
