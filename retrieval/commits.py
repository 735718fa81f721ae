"""Commits of the hub that nobody pinned: asked for once, then kept until the user deletes them.

A spec whose parameter ``pick`` names files by alternatives has no list of ``files``: which
of them a commit holds, and which commit is meant, is what the hub says at the first use. Its
word is written to the cache and stands from then on, so that vectors of one commit are never
mixed with those of another. Deleting the file asks again, at the next start.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from urllib.parse import quote

from retrieval import hub
from retrieval.errors import Damaged, Unsupported
from retrieval.runtime import paths
from retrieval.runtime.disk import publish
from retrieval.types import Spec

COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Kept:
    """What the hub said of a repository.

    Attributes:
        repo: ``owner/name``.
        commit: in full.
        files: name -> size in bytes, 0 where that was not said.
    """

    repo: str
    commit: str
    files: dict[str, int]


_KNOWN: dict[Path, Kept] = {}
"""What this process has read: one commit as long as it lives."""


def record(repo: str, revision: str = "") -> Path:
    """The file that holds the hub's word for a repository, or for a branch or tag of it."""
    name = quote(f"{repo}@{revision}" if revision else repo, safe="")
    return paths.cache() / "commits" / f"{name}.json"


def settled(spec: Spec) -> Spec:
    """The spec with the commit and the files that were kept for it; itself where none were.

    Raises:
        Damaged: the record cannot be read.
    """
    if not spec.param("pick") or spec.param("files"):
        return spec
    found = kept(str(spec.param("repo")), str(spec.param("asked", spec.revision)))
    return spec if found is None else _filled(spec, found)


def asked(spec: Spec) -> Spec:
    """The same, but asks the hub where nothing was kept, and keeps its word.

    Raises:
        NotReady: gated, or the cache cannot be written.
        Unreachable: the hub does not answer, or has no such repository.
        Unsupported: the commit lacks a file.
    """
    if not spec.param("pick") or spec.param("files"):
        return spec
    repo, wanted = str(spec.param("repo")), str(spec.param("asked", spec.revision))
    return _filled(spec, kept(repo, wanted) or ask(repo, wanted))


def kept(repo: str, revision: str = "") -> Kept | None:
    """What was kept, read once in a process.

    Raises:
        Damaged: the record cannot be read.
    """
    path = record(repo, revision)
    if path not in _KNOWN:
        try:
            found = Kept(**json.loads(path.read_text("utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise Damaged(f"{path} cannot be read ({error}); delete it") from error
        if not COMMIT.fullmatch(found.commit):
            raise Damaged(f"{path} holds no commit ({found.commit[:80]!r}); delete it")
        _KNOWN[path] = found
    return _KNOWN[path]


def ask(repo: str, revision: str = "") -> Kept:
    """Ask the hub what a branch, a tag or a commit is, and keep its word.

    Raises:
        NotReady: gated, or the cache cannot be written.
        Unreachable: the hub does not answer, or has no such repository.
    """
    if hub.offline():
        raise hub.forbidden(repo)
    from huggingface_hub import HfApi

    try:
        info = HfApi(endpoint=hub.endpoint()).model_info(
            repo, revision=revision or None, files_metadata=True, timeout=10
        )
    except Exception as error:  # the client's own errors and those of its transport
        raise hub.explained(error, repo, "model") from error
    files = {each.rfilename: each.size or 0 for each in info.siblings or ()}
    if not COMMIT.fullmatch(info.sha or ""):
        raise Damaged(f"the hub names no commit of {repo} ({info.sha!r}); check HF_ENDPOINT")
    if COMMIT.fullmatch(revision) and info.sha != revision:
        raise Damaged(f"the hub gave another commit of {repo} than {revision}; check HF_ENDPOINT")
    _write(record(repo, revision), Kept(repo, str(info.sha), files))
    found = kept(repo, revision)
    assert found is not None
    return found


def _write(path: Path, what: Kept) -> None:
    """Write a record whole, unless another process was quicker: the first word stands."""
    import filelock

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(path.with_suffix(".lock")):
            if not path.exists():
                part = path.with_suffix(".part")
                part.write_text(json.dumps(asdict(what), indent=1), "utf-8")
                publish(part, path)
    except OSError as error:
        raise paths.unwritable(path.parent, error) from error


def _filled(spec: Spec, found: Kept) -> Spec:
    """The spec with what was kept."""
    names = list(_picked(spec, found))
    sizes = [found.files[name] for name in names]
    count = sum(sizes) if all(sizes) else spec.bytes
    params = (*spec.params, ("files", tuple((name, "") for name in names)))
    return replace(spec, revision=found.commit, params=params, bytes=count)


def _picked(spec: Spec, found: Kept) -> list[str]:
    """The first of each row of alternatives that is there, and what may be there besides."""
    names = []
    for row in spec.param("pick"):
        here = [name for name in row if name in found.files]
        if not here:
            raise Unsupported(
                f"{found.repo} at {found.commit[:12]} has no {' and no '.join(row)}; "
                "choose another model"
            )
        names.append(here[0])
    return names + [name for name in spec.param("also", ()) if name in found.files]
