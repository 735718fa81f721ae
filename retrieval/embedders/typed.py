"""Models that somebody names instead of choosing: by repository, folder or tag.

Of OpenCLIP ``hf-hub:owner/name``, ``hf-hub:owner/name@revision``, ``local-dir:/path`` and
``ARCHITECTURE/TAG``; of sentence-transformers ``st:owner/name``, with ``@revision`` too. A name
is checked before anything is loaded, then its configuration, which is small, says what it makes;
from then on it is an embedder like any other. A branch or a tag of a repository is the commit
that it was at its first use (``retrieval/commits.py``).
"""

from __future__ import annotations

import importlib.util
import json
import re
import threading
from dataclasses import replace
from functools import cache
from pathlib import Path

from retrieval import commits, hub
from retrieval.embedders import openclip, sbert_typed
from retrieval.embedders.clip_config import CONFIG, Config, read_config
from retrieval.embedders.clip_tokens import TOKENS
from retrieval.errors import BadQuery, Damaged, NotReady, UnknownName
from retrieval.registry import suggest
from retrieval.types import Spec

HUB, FOLDER, ST = "hf-hub:", "local-dir:", sbert_typed.PREFIX
TAGS = Path(__file__).parents[2] / "data" / "models" / "openclip_tags.txt"
LONGEST = 300
_WORD = r"[A-Za-z0-9_](?:[A-Za-z0-9_]|[.-](?![.-]))*(?<![.-])"
REPO = re.compile(rf"{_WORD}/{_WORD}")
"""The hub's own rule: letters, digits, ``_``, and between them single ``-`` and ``.``."""
REVISION = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_/-]|\.(?!\.)){0,99}")

_SPECS: dict[str, Spec] = {}
_LOCK = threading.Lock()


def is_typed(name: str) -> bool:
    """Whether a name has the form of one that is typed."""
    return name.startswith((HUB, FOLDER, ST)) or "/" in name


def known() -> list[Spec]:
    """The specs of all names that were typed in this process."""
    return list(_SPECS.values())


def spec(name: str) -> Spec:
    """The spec of a typed name, made once in a process.

    Raises:
        BadQuery: the name has another form.
        UnknownName: open_clip has no such tag, with the nearest ones.
        Damaged: the folder or the configuration is not that of a model that is read here.
        NotReady: gated, or a library is missing.
        Unreachable: the hub does not answer, or has no such repository.
        Unsupported: the repository holds no model of that kind.
    """
    if name not in _SPECS:
        made = _made(checked(name))
        with _LOCK:
            _SPECS.setdefault(name, made)
    return _SPECS[name]


def checked(name: str) -> str:
    """The name, if it can be one; nothing is asked and nothing is opened.

    Raises:
        BadQuery: it cannot.
        UnknownName: open_clip has no such tag.
    """
    if len(name) > LONGEST or not name.isprintable():
        raise BadQuery(f"a model's name has at most {LONGEST} printable characters")
    if name.startswith((HUB, ST)):
        kind, _, rest = name.partition(":")
        repo, _, revision = rest.partition("@")
        if not _is_repo(repo) or (revision or "@" in name) and not REVISION.fullmatch(revision):
            raise BadQuery(
                f"{name[:120]!r} names no repository of the hub; "
                f"write {kind}:owner/name or {kind}:owner/name@revision"
            )
    elif name.startswith(FOLDER):
        if not name.removeprefix(FOLDER).startswith(("/", "~")):
            raise BadQuery(f"{name[:120]!r} names no folder; write local-dir:/path/from/the/root")
    elif name not in _tags():
        raise suggest("OpenCLIP model", name, list(_tags()))
    return name


def _is_repo(repo: str) -> bool:
    return len(repo) <= 96 and bool(REPO.fullmatch(repo)) and not repo.endswith(".git")


@cache
def _tags() -> dict[str, str]:
    """open_clip's ``ARCHITECTURE/TAG`` -> ``owner/name`` on the hub."""
    return dict(line.split(" ") for line in TAGS.read_text("utf-8").splitlines())


def _made(name: str) -> Spec:
    if name.startswith(FOLDER):
        return _folder(name)
    if name.startswith((HUB, ST)):
        repo, _, revision = name.partition(":")[2].partition("@")
        make = _hub if name.startswith(HUB) else sbert_typed.spec
        return make(name, repo, revision)
    made = _hub(name, _tags()[name], "")
    _same(name, made)
    return made


def _folder(name: str) -> Spec:
    try:
        folder = Path(name.removeprefix(FOLDER)).expanduser()
    except RuntimeError as error:  # no such user
        raise BadQuery(f"{name!r} names no folder: {error}") from error
    if not folder.is_dir():
        raise BadQuery(f"{folder} is no folder; write local-dir:/path/to/the/model")
    config = read_config(openclip.complete(folder))
    revision = openclip.identity(folder)
    params = (("folder", str(folder)), ("local", (CONFIG, openclip.WEIGHTS, TOKENS)))
    return _spec(name, folder.name, config, str(folder), revision, params)


def _hub(name: str, repo: str, revision: str) -> Spec:
    """The spec of a repository, its configuration downloaded now."""
    picking = openclip.picking(*openclip.SAFE)
    params = (("repo", repo), ("asked", revision), *picking)
    bare = commits.asked(Spec(name, name, "", params=params))
    folder, _ = hub.download(repo, bare.revision, {CONFIG: ""})
    config, source = read_config(folder), f"https://huggingface.co/{repo}"
    made = _spec(name, repo, config, source, bare.revision, bare.params)
    return replace(made, bytes=bare.bytes)


def _spec(
    name: str,
    title: str,
    config: Config,
    source: str,
    revision: str,
    params: tuple[tuple[str, object], ...],
) -> Spec:
    return Spec(
        name=name,
        title=title,
        family="Typed",
        dim=config.dim,
        side=config.size,
        source=source,
        revision=revision,
        preprocessing=openclip.resized(config),
        note="its licence is not known here",
        params=(*params, ("typed", True)),
        **openclip.needing(*openclip.beside(config)),
    )


def _same(name: str, made: Spec) -> None:
    """Compare a repository's word with open_clip's own of that architecture.

    Raises:
        Damaged: they differ in what a vector is made of.
        NotReady: open_clip is not installed.
    """
    architecture = name.partition("/")[0]
    found = importlib.util.find_spec("open_clip")  # looks it up without importing it
    if found is None or not found.submodule_search_locations:
        raise NotReady(f"{name} needs open_clip: {openclip.SHARED['install']}")
    place = Path(found.submodule_search_locations[0], "model_configs")
    own = place / f"{architecture}.json"
    if not own.is_file():
        raise UnknownName(f"this open_clip has no architecture {architecture}; upgrade it")
    model = json.loads(own.read_text("utf-8"))
    theirs = (int(model["embed_dim"]), int(model["vision_cfg"].get("image_size", 224)))
    if (made.dim, made.side) != theirs:
        repo = made.param("repo")
        raise Damaged(
            f"{name} makes {theirs[0]} numbers of {theirs[1]} pixels in open_clip, its "
            f"repository {made.dim} of {made.side}; write hf-hub:{repo} to take the latter"
        )
