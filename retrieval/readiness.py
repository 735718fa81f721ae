"""Whether a plug-in can be used now, said before it is picked."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import replace
from functools import cache

from retrieval import commits, hub, probe
from retrieval.errors import LabError
from retrieval.runtime.paths import expanded
from retrieval.types import Spec, State

READY = State("ready")


def state(spec: Spec, public: bool = False) -> State:
    """What a plug-in lacks, the first thing that would stop it; nothing heavy is imported.

    What comes from the hub is looked for in the client's cache; the hub itself is asked in
    the background, at most once a minute, so that this returns at once.

    Args:
        spec: of an embedder or an index. Its parameters ``repo`` and ``files`` say what it
            reads from the hub, ``beside`` what of other repositories, ``variable`` and
            ``local`` what from a folder of the user's, ``address`` and ``port`` which
            server it asks, ``parent`` on what it was trained.
        public: strangers use the lab.
    """
    if spec.param("address"):
        return _library(spec) or _server(spec, public)
    found = _library(spec) or _key(spec, public)
    if found is None and (spec.param("variable") or spec.param("folder")):
        found = _folder(spec, public)
    if found is None and spec.param("repo"):
        found = _hub(spec)
    if found is None and spec.param("parent"):
        found = _parent(spec, public)
    return found or _beside(spec) or READY


def _parent(spec: Spec, public: bool) -> State | None:
    """What the embedder lacks that another was trained on."""
    from retrieval.embedders import EMBEDDERS

    try:
        parent = EMBEDDERS.spec(str(spec.param("parent")))
    except LabError as error:
        return State("unreachable", str(error))
    found = state(parent, public)
    if found.kind != "ready":
        return State(found.kind, f"{parent.name} {found.reason}")
    if parent.revision != spec.param("parent_revision"):
        return State("unreachable", f"it was fitted on another {parent.name}; train it again")
    return None


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


def _server(spec: Spec, public: bool) -> State:
    from retrieval.runtime import servers

    variable, default = str(spec.param("address")), int(spec.param("port"))
    example = f"http://host:{default}" if default != 443 else "https://name.svc.example.io"
    return servers.state(variable, spec.key, default, example, public)


def _folder(spec: Spec, public: bool) -> State | None:
    variable = str(spec.param("variable", ""))
    if public or os.environ.get("SPACE_ID"):
        return State("unreachable", "reads a folder of the host's, which a public lab does not")
    if variable and not os.environ.get(variable):
        return State("key", f"set {variable} to a folder with {', '.join(spec.param('local'))}")
    named = os.environ[variable] if variable else str(spec.param("folder"))
    folder = expanded(named)
    missing = [name for name in spec.param("local") if not (folder / name).is_file()]
    if missing:
        by = f", named by {variable}," if variable else ""
        return State("unreachable", f"{folder}{by} has no {', '.join(missing)}")
    return None


def _hub(spec: Spec) -> State | None:
    try:
        spec = commits.settled(spec)
    except LabError as error:  # what was kept of the hub's word is no use
        return State("unreachable", str(error))
    repo, files = str(spec.param("repo")), [name for name, _ in spec.param("files", ())]
    if files and hub.cached(repo, spec.revision, files) is not None:
        return None
    size = download(spec)
    if spec.gated and not hub.token():
        return State("gated", f"ask for access at {spec.gated} and set HF_TOKEN ({size})")
    reached = probe.state()
    if reached.kind == "unreachable":
        return State("unreachable", f"{reached.reason} (download: {size})")
    return State("download", f"downloads {size} when it is first used")


def download(spec: Spec) -> str:
    """The size of a download; until somebody has said it, what its parameters take as float32.

    >>> download(Spec("a", "a", "a", bytes=605_143_316, parameters=151_277_313))
    '605 MB'
    >>> download(Spec("a", "a", "a", parameters=151_277_313))
    'at most about 605 MB'
    """
    if spec.bytes or not spec.parameters:
        return hub.sized(spec.bytes)
    return f"at most about {hub.sized(4 * spec.parameters)}"


def parameters(count: int) -> str:
    """A number of parameters for people.

    >>> parameters(151_277_313), parameters(1_858_783_745), parameters(0)
    ('151 M', '1.9 B', '')
    """
    if not count:
        return ""
    return f"{count / 10**9:.1f} B" if count >= 10**9 else f"{max(1, round(count / 10**6))} M"
