"""The Hugging Face hub: what is here already, what it gives, what it refused and why.

Nothing here imports ``huggingface_hub`` before a download is asked for: pages list what
the hub has without it. The environment means what it means to that library: ``HF_HOME``,
``HF_HUB_CACHE``, ``HF_HUB_OFFLINE``, ``HF_ENDPOINT``, ``HF_TOKEN``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from errno import EACCES, EDQUOT, ENOSPC, EROFS
from pathlib import Path
from typing import Any, Literal

from retrieval import parts
from retrieval.errors import Damaged, LabError, NotReady, Unreachable
from retrieval.runtime.disk import sha256
from retrieval.runtime.paths import expanded
from retrieval.telling import Bar, now

Kind = Literal["model", "dataset"]


def endpoint() -> str:
    """Where the hub is."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def offline() -> bool:
    """Whether the user forbids asking the hub."""
    value = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return value.upper() in {"1", "ON", "YES", "TRUE"}


def folder() -> Path:
    """Where the client keeps what it has downloaded."""
    named = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    return expanded(os.path.expandvars(named or f"{_home()}/hub"))


def _home() -> str:
    xdg = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return os.environ.get("HF_HOME", f"{xdg}/huggingface")


def token() -> bool:
    """Whether a token is there that the client would send."""
    file = expanded(os.path.expandvars(os.environ.get("HF_TOKEN_PATH", f"{_home()}/token")))
    named = os.environ.get("HF_TOKEN") or os.environ.get("HUGGING_FACE_HUB_TOKEN")
    return bool(named) or file.is_file()


def page(repo: str, kind: Kind) -> str:
    """The link of a repository."""
    return f"{endpoint()}/{'datasets/' if kind == 'dataset' else ''}{repo}"


def cached(repo: str, revision: str, files: Sequence[str], kind: Kind = "model") -> Path | None:
    """The folder of a revision that the client has downloaded, if every file is in it."""
    place = folder() / f"{kind}s--{repo.replace('/', '--')}" / "snapshots" / revision
    return place if all((place / file).is_file() for file in files) else None


def sized(count: int | None) -> str:
    """A size for people.

    >>> sized(605_143_316), sized(4_409_506_758), sized(None)
    ('605 MB', '4.4 GB', 'size unknown')
    """
    if not count:
        return "size unknown"
    if count < 10**9:
        return f"{max(1, round(count / 10**6))} MB"
    return f"{count / 10**9:.1f} GB"


def silence(url: str, error: BaseException) -> str:
    """The sentence for a hub that does not answer."""
    cause = getattr(error, "reason", None) or error
    return (
        f"{url} does not answer ({str(cause)[:120] or type(cause).__name__}); "
        "check the network, HTTPS_PROXY or HF_ENDPOINT"
    )


def refusal(status: int, repo: str, kind: Kind, wait: str | None = None) -> LabError:
    """The error for an HTTP status; ``wait`` is the seconds that its ``Retry-After`` names."""
    if status == 401:
        return NotReady(
            f"the hub shows {repo} to nobody without a right to it (401): set HF_TOKEN to a "
            f"token from {endpoint()}/settings/tokens, and check the name"
        )
    if status == 403:
        return NotReady(
            f"{repo} is gated (403): ask for access at {page(repo, kind)} and set HF_TOKEN"
        )
    if status == 404:
        return Unreachable(
            f"the hub has no {repo} of this name, revision or file (404): look at "
            f"{page(repo, kind)} and correct the entry"
        )
    if status == 429:
        when = f"in {wait} s" if wait else "in some minutes"
        return Unreachable(
            f"the hub is asked too often (429): try again {when}, "
            "or set HF_TOKEN for a higher limit"
        )
    return Unreachable(f"the hub failed at {repo} ({status}): try again later")


def explained(error: BaseException, repo: str, kind: Kind) -> LabError:
    """What a failed download means, whatever library's error it came as."""
    if isinstance(error, LabError):
        return error
    chain = list(_chain(error))
    names = {type(each).__name__ for each in chain}
    if "OfflineModeIsEnabled" in names:
        return forbidden(repo)
    for each in chain:
        response = getattr(each, "response", None)
        status = getattr(response, "status_code", None)
        if response is not None and isinstance(status, int):
            gated = "GatedRepoError" in names
            return refusal(403 if gated else status, repo, kind, _retry_after(response.headers))
    if "FileMetadataError" in names:
        return Unreachable(f"{endpoint()} answers, but not as a hub; check HF_ENDPOINT and proxies")
    if isinstance(error, OSError) and error.errno in (ENOSPC, EDQUOT, EROFS, EACCES):
        return NotReady(
            f"{folder()} cannot be written ({error.strerror}); "
            "free some space or set HF_HOME to another folder"
        )
    bases = {base.__name__ for each in chain for base in type(each).__mro__}
    if bases & {"ConnectionError", "TimeoutError", "TransportError"}:  # the last is httpx's
        return Unreachable(silence(endpoint(), chain[-1]))
    said = (str(error).splitlines() or [""])[0][:200]
    return Damaged(
        f"what came of {repo} cannot be read ({type(error).__name__}: {said}); try again"
    )


def forbidden(repo: str) -> Unreachable:
    """The error for what would have to be asked for, against the user's word."""
    return Unreachable(
        f"{repo} is not in {folder()} and HF_HUB_OFFLINE forbids asking the hub; "
        "unset it to download"
    )


def download(
    repo: str, revision: str, hashes: Mapping[str, str], kind: Kind = "model"
) -> tuple[Path, bool]:
    """Have files of a pinned revision in the client's cache.

    Args:
        repo: such as ``laion/CLIP-ViT-B-32-laion2B-s34B-b79K``.
        revision: the full commit.
        hashes: file -> its SHA-256, or "" where the hub's own word for it is taken.
        kind: model or dataset.

    Returns:
        The folder, and whether anything was downloaded.

    Raises:
        NotReady: it is gated, or wants a token.
        Unreachable: no answer, refused, offline.
        Damaged: what arrived differs from its SHA-256; it has been removed.
    """
    here = cached(repo, revision, list(hashes), kind)
    if here is not None:
        return here, False
    if offline():
        raise forbidden(repo)
    for file, wanted in hashes.items():
        if cached(repo, revision, [file], kind) is None:
            _fetch(repo, revision, file, wanted, kind)
    here = cached(repo, revision, list(hashes), kind)
    if here is None:
        raise Damaged(
            f"the hub gave another commit of {repo} than {revision}; nothing of it is used: "
            "check HF_ENDPOINT"
        )
    now(f"loading {repo}")
    return here, True


def _fetch(repo: str, revision: str, file: str, wanted: str, kind: Kind) -> None:
    """Have one file in the client's cache, sound."""
    from huggingface_hub import hf_hub_download

    where: dict[str, Any] = {
        "revision": revision,
        "repo_type": kind,
        "cache_dir": folder(),
        "endpoint": endpoint(),
    }
    try:
        sound = parts.whole(repo, file, **where)
        path = hf_hub_download(repo, file, **where, tqdm_class=Bar)
    except Exception as error:  # the client's own errors and those of its transport
        raise explained(error, repo, kind) from error
    if not sound or wanted not in ("", sound):
        verify(Path(path), wanted, repo)


def verify(path: Path, wanted: str, repo: str) -> None:
    """Compare a downloaded file with its SHA-256, or with the name that the client gave it.

    Raises:
        Damaged: it differs; it has been removed.
    """
    blob = path.resolve()
    named = blob.name if len(blob.name) == 64 else ""  # a large file's blob is named by its hash
    wanted = wanted or named
    if not wanted:
        return
    found = sha256(blob)
    if found != wanted:
        links = [path, path.parent / path.readlink()] if path.is_symlink() else [path]
        for each in (*links, blob):  # all three, or the client would take it for whole
            each.unlink(missing_ok=True)
        raise parts.damaged(f"{path.name} of {repo}", found, wanted)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or following.__context__


def _retry_after(headers: Mapping[str, str]) -> str | None:
    value = headers.get("Retry-After")
    return value if value and value.isdigit() else None
