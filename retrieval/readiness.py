"""Whether a plug-in can be used now, said before it is picked."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import replace
from functools import cache
from pathlib import Path

from retrieval import hub
from retrieval.types import Spec, State

READY = State("ready")


def state(spec: Spec, public: bool = False) -> State:
    """What a plug-in lacks, the first thing that would stop it; nothing heavy is imported.

    What comes from the hub is looked for in the client's cache; the hub itself is asked in
    the background, at most once a minute, so that this returns at once.

    Args:
        spec: of an embedder or an index. Its parameters ``repo`` and ``files`` say what it
            reads from the hub, ``beside`` what of other repositories, ``variable`` and
            ``local`` what from a folder of the user's.
        public: strangers use the lab.
    """
    found = _library(spec) or _key(spec, public)
    if found is None and spec.param("variable"):
        found = _folder(spec, public)
    if found is None and spec.param("repo"):
        found = _hub(spec)
    return found or _beside(spec) or READY


def _beside(spec: Spec) -> State | None:
    """The same of other repositories that it reads from."""
    for repo, revision, files in spec.param("beside", ()):
        other = replace(spec, revision=revision, params=(("repo", repo), ("files", files)))
        found = _hub(other)
        if found is not None:
            return found
    return None


def _library(spec: Spec) -> State | None:
    missing = [need for need in spec.needs if not _installed(need)]
    if missing:
        return State("not-installed", f"{', '.join(missing)} is not installed: {spec.install}")
    return None


@cache
def _installed(name: str) -> bool:
    """Whether a module can be imported; what is installed later needs a new start anyway."""
    return importlib.util.find_spec(name) is not None


def _key(spec: Spec, public: bool) -> State | None:
    if spec.key and (public or os.environ.get("SPACE_ID")):
        return State("key", "is paid by use, and a public lab spends no key of its host's")
    if spec.key and not os.environ.get(spec.key):
        return State("key", f"needs a key: set {spec.key}")
    return None


def _folder(spec: Spec, public: bool) -> State | None:
    variable = str(spec.param("variable"))
    if public or os.environ.get("SPACE_ID"):
        return State("unreachable", "reads a folder of the host's, which a public lab does not")
    if not os.environ.get(variable):
        return State("key", f"set {variable} to a folder with {', '.join(spec.param('local'))}")
    folder = Path(os.path.expanduser(os.environ[variable]))  # noqa: PTH111 - leaves ~nobody as it is
    missing = [name for name in spec.param("local") if not (folder / name).is_file()]
    if missing:
        return State("unreachable", f"{folder}, named by {variable}, has no {', '.join(missing)}")
    return None


def _hub(spec: Spec) -> State | None:
    repo, files = str(spec.param("repo")), [name for name, _ in spec.param("files")]
    if hub.cached(repo, spec.revision, files) is not None:
        return None
    size = hub.sized(spec.bytes)
    if spec.gated and not hub.token():
        return State("gated", f"ask for access at {spec.gated} and set HF_TOKEN ({size})")
    reached = hub.reach()
    if reached.kind == "unreachable":
        return State("unreachable", f"{reached.reason} (download: {size})")
    return State("download", f"downloads {size} when it is first used")
