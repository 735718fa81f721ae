"""A folder that is there wholly or not at all, and says what is in it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from glob import escape
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from retrieval.errors import Damaged, LabError
from retrieval.runtime.disk import exchange, sha256, sync

T = TypeVar("T")

NAME = "manifest.json"
FORMAT = 1
OLD = ".old"
RECORDED = ("numpy", "faiss-cpu", "openvino", "torch", "pillow", "tokenizers", "imagehash")


def digest(key: Mapping[str, Any]) -> str:
    """Twelve hexadecimal digits that stand for a key."""
    text = json.dumps(key, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def read(folder: Path) -> dict[str, Any]:
    """The manifest of a folder, its files not yet checked.

    Raises:
        Damaged: it is missing, unreadable or of another format.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / NAME).read_text("utf-8"))
        if manifest["format"] != FORMAT:
            raise Damaged(f"{folder} has format {manifest['format']}, read is {FORMAT}; delete it")
        whole = {
            "key": dict(manifest["key"]),
            "files": {
                str(name): {"sha256": str(told["sha256"]), "bytes": int(told["bytes"])}
                for name, told in manifest["files"].items()
            },
            "recorded": {**manifest["recorded"], "seconds": float(manifest["recorded"]["seconds"])},
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Damaged(f"{folder / NAME} cannot be read ({error}); delete {folder}") from error
    return {"format": FORMAT, **whole}


def steady(folder: Path, reader: Callable[[Path], T]) -> T:
    """What a reader makes of a folder; it reads again where the folder was replaced meanwhile."""
    while True:
        before = mark(folder)
        try:
            found = reader(folder)
        except Exception:
            if mark(folder) == before:
                raise
        else:
            if mark(folder) == before:
                return found


def mark(folder: Path) -> tuple[int, int] | None:
    """Tells a folder from the one that takes its place."""
    try:
        told = folder.stat()
    except OSError:
        return None
    return told.st_ino, told.st_mtime_ns  # a number may be given again, but not at that time


def check(folder: Path) -> dict[str, Any]:
    """The manifest of a folder, every file compared with its SHA-256.

    Raises:
        Damaged: a file is missing or differs.
    """
    return steady(folder, _checked)


def _checked(folder: Path) -> dict[str, Any]:
    manifest = read(folder)
    for name, wanted in manifest["files"].items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != wanted["bytes"]:
            raise Damaged(f"{path} is missing or truncated; delete {folder} to build it again")
        if sha256(path) != wanted["sha256"]:
            raise Damaged(f"{path} differs from its manifest; delete {folder} to build it again")
    return manifest


@contextmanager
def alone(target: Path) -> Iterator[None]:
    """Nobody else on this machine makes a target meanwhile; others wait until the block ends.

    Raises:
        LabError: the disk is full or read-only.
    """
    from filelock import FileLock

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(target.with_name(f".{target.name}.lock"))
        lock.acquire()
    except OSError as error:
        raise _unwritten(target, error) from error
    try:
        yield
    finally:
        with suppress(OSError):
            lock.release()


@contextmanager
def publish(target: Path, key: Mapping[str, Any], seconds: float | None = None) -> Iterator[Path]:
    """A folder to write into, which becomes ``target`` when the block ends well.

    Nobody else may publish the same target at the same time (see ``alone``): what a killed
    process left beside it is removed first.

    Args:
        target: where it will stand; what stood there is replaced.
        key: all that decides its content.
        seconds: what making it took, if that is not the time of the block.

    Raises:
        LabError: the disk is full or read-only.
    """
    beside = target.with_name(f".{target.name}.{os.getpid()}.{time.monotonic_ns()}")
    start = time.perf_counter()
    try:
        _tidy(target)
        beside.mkdir(parents=True)
        yield beside
        _describe(beside, key, time.perf_counter() - start if seconds is None else seconds)
        _swap(beside, target)
    except OSError as error:
        raise _unwritten(target, error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _unwritten(target: Path, error: OSError) -> LabError:
    return LabError(
        f"cannot write {target}: {error.strerror or error}; "
        "free some space or set PARALLAX_CACHE to a folder that can be written"
    )


def _describe(folder: Path, key: Mapping[str, Any], seconds: float) -> None:
    files = {
        path.name: {"sha256": sha256(path), "bytes": path.stat().st_size}
        for path in sorted(folder.iterdir())
    }
    text = json.dumps(
        {
            "format": FORMAT,
            "key": dict(key),
            "files": files,
            "recorded": {"seconds": round(seconds, 3), **recorded()},
        },
        indent=1,
        ensure_ascii=False,
    )
    (folder / NAME).write_bytes(text.encode("utf-8", "surrogateescape"))
    for path in folder.iterdir():
        sync(path)
    sync(folder)


def recorded() -> dict[str, Any]:
    """Versions and processor: written down, never matched."""
    versions = {}
    for package in RECORDED:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "versions": versions,
        "processor": platform.machine(),
        "python": platform.python_version(),
    }


def _tidy(target: Path) -> None:
    for left in target.parent.glob(f".{escape(target.name)}.*/"):
        if left.name.endswith(OLD) and not target.exists():  # killed in the middle of a swap
            left.rename(target)
        else:
            shutil.rmtree(left, ignore_errors=True)


def _swap(beside: Path, target: Path) -> None:
    old = beside.with_name(beside.name + OLD)
    if not target.exists():
        beside.rename(target)
    elif not exchange(beside, target):  # for a moment there is neither
        target.rename(old)
        beside.rename(target)
    sync(target.parent)
    shutil.rmtree(old, ignore_errors=True)
