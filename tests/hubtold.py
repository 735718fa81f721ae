"""What the Hugging Face hub says of repositories, files and folders."""

from __future__ import annotations

import hashlib
from typing import Any


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def info(name: str, sha: str, files: dict[str, bytes], sizes: bool = False) -> dict[str, Any]:
    """What the hub says of a repository, with the sizes of its files where they are asked for."""
    return {
        "_id": sha,
        "id": name,
        "sha": sha,
        "private": False,
        "gated": False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": [],
        "siblings": [
            {"rfilename": path} | ({"size": len(content)} if sizes else {})
            for path, content in files.items()
        ],
    }


def entry(path: str, content: bytes) -> dict[str, Any]:
    """What the hub says of a file."""
    size = len(content)
    lfs = {"oid": digest(content), "size": size, "pointerSize": 130}
    return {"type": "file", "oid": digest(content)[:40], "size": size, "path": path, "lfs": lfs}


def folder(path: str) -> dict[str, Any]:
    """What the hub says of a folder."""
    return {"type": "directory", "oid": digest(path.encode())[:40], "size": 0, "path": path}


def parents(files: dict[str, bytes]) -> set[str]:
    """Every folder that holds a file."""
    parts = [path.split("/")[:-1] for path in files]
    return {"/".join(part[:deep]) for part in parts for deep in range(1, len(part) + 1)}


def tree(files: dict[str, bytes], under: str, recursive: bool) -> list[dict[str, Any]]:
    """Entries below a folder."""
    start = f"{under}/" if under else ""
    found = [entry(path, content) for path, content in files.items()]
    found += [folder(path) for path in sorted(parents(files))]
    below = [each for each in found if each["path"].startswith(start)]
    return [each for each in below if recursive or "/" not in each["path"][len(start) :]]


def paths(files: dict[str, bytes], wanted: list[str]) -> list[dict[str, Any]]:
    """Entries of the named files and folders that exist."""
    found = [entry(path, files[path]) for path in wanted if path in files]
    return found + [folder(path) for path in wanted if path in parents(files)]
