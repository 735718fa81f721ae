"""Large files of the hub, gone on with where an earlier download of them ended.

The hub's client throws away what a download left that was cut, stopped or killed, and begins
anew; its faster transfer (xet) too. So a file that has a SHA-256 comes here by plain HTTP into
a part beside the client's blobs, kept until it is whole. What it becomes is a blob as the
client makes them, which then links to it, so that every program finds it.
"""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from retrieval.errors import Damaged, NotReady
from retrieval.runtime.disk import publish, sha256
from retrieval.telling import Bar

if TYPE_CHECKING:
    from huggingface_hub import HfFileMetadata

SUFFIX = ".parallax.incomplete"
"""Ends as the client's own do, so that ``hf cache prune`` sees it; theirs may have holes."""


def whole(
    repo: str, file: str, *, revision: str, repo_type: str, cache_dir: Path, endpoint: str
) -> str:
    """Have the blob of a file in the client's cache, and ask only for what is missing of it.

    Args:
        repo: whose file.
        file: its path there.
        revision: the full commit.
        repo_type: model or dataset.
        cache_dir: the client's cache.
        endpoint: where the hub is.

    Returns:
        The SHA-256 that was checked; "" where the client has it already, or must fetch it.

    Raises:
        Damaged: what came differs from its SHA-256; it has been removed.
        NotReady: the disk has no room for it.
        Exception: the client's own errors and those of its transport.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import repo_folder_name

    url = hf_hub_url(repo, file, repo_type=repo_type, revision=revision, endpoint=endpoint)
    known = get_hf_file_metadata(url, endpoint=endpoint, retry_on_errors=True)
    if known.commit_hash != revision or not _kept(known, cache_dir):
        return ""
    name, etag = repo_folder_name(repo_id=repo, repo_type=repo_type), str(known.etag)
    blob = cache_dir / name / "blobs" / etag
    lock = cache_dir / ".locks" / name / f"{etag}.lock"  # the client takes the same one
    for each in (blob, lock):
        each.parent.mkdir(parents=True, exist_ok=True)
    with _utils().WeakFileLock(lock):
        if blob.exists():
            return ""
        part = blob.with_name(etag + SUFFIX)
        _fetch(url, part, known.size or 0, file)
        _check(part, etag, f"{file} of {repo}")
        publish(part, blob)
    return etag


def _kept(known: HfFileMetadata, cache_dir: Path) -> bool:
    """Whether a part of a file is worth keeping: it can be checked, and the client links to it."""
    from huggingface_hub.constants import MAX_HTTP_DOWNLOAD_SIZE
    from huggingface_hub.file_download import REGEX_SHA256, are_symlinks_supported

    large = REGEX_SHA256.fullmatch(known.etag or "")  # a small file's etag is git's own hash
    sized = 0 < (known.size or 0) <= MAX_HTTP_DOWNLOAD_SIZE
    return bool(large) and sized and are_symlinks_supported(cache_dir)


def _fetch(url: str, part: Path, size: int, file: str) -> None:
    from huggingface_hub.file_download import http_get

    with part.open("ab") as out:
        if out.tell() > size:
            out.truncate(0)
            out.seek(0)
        _room(part, size - out.tell())
        http_get(
            url,  # not the address that it redirects to: that one ends with the hour
            out,
            resume_size=out.tell(),
            headers=_utils().build_hf_headers(headers={"Accept-Encoding": "identity"}),
            expected_size=size,
            displayed_filename=file,
            tqdm_class=cast(Any, Bar),
        )


def _utils() -> Any:
    return importlib.import_module("huggingface_hub.utils")  # tells mypy of few of its names


def _room(part: Path, wanted: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if wanted > free:
        raise NotReady(
            f"{part.parent} has room for {free / 10**6:,.0f} MB, wanted are "
            f"{wanted / 10**6:,.0f}; free some space or set HF_HOME to another folder"
        )


def _check(part: Path, wanted: str, what: str) -> None:
    found = sha256(part)
    if found != wanted:
        part.unlink()
        raise damaged(what, found, wanted)


def damaged(what: str, found: str, wanted: str) -> Damaged:
    """The error for a file that arrived otherwise than it should; both are SHA-256."""
    return Damaged(
        f"{what} arrived damaged (SHA-256 {found[:12]}, wanted {wanted[:12]}) "
        "and has been removed; try again"
    )
