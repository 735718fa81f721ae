"""A client whose downloads are killed, stopped and gone on with."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

from retrieval.parts import SUFFIX
from tests.held import ending, until
from tests.hubclient import HubClient, environ
from tests.hubserver import HubServer, Trouble
from tests.hubtold import digest

SHA, NEXT = "4" * 40, "5" * 40
SIZE, CHUNK, HALF = 6_000_000, 100_000, 3_050_000
FILE = "deep/weights.bin"
FETCH = """
from huggingface_hub import constants
constants.DOWNLOAD_CHUNK_SIZE = 100_000
from retrieval import hub
folder, fresh = hub.download("lab/net", sha, dict(files))
answer = str(folder)
"""
STOPPED = """
from retrieval.errors import Stopped
from retrieval.telling import telling
def tell(said, done, total, unit=""):
    told.append([done, total])
    if done == stop_at:
        raise Stopped("stopped")
told = []
try:
    with telling(tell):
        exec(fetch)
except Stopped:
    pass
answer = told
"""
CHANGED = """
from importlib import import_module
thing, noted = import_module(module), []
before = getattr(thing, name)
setattr(thing, name, eval(value))
try:
    exec(fetch)
finally:
    setattr(thing, name, before)
answer = [answer, noted]
"""


class Here:
    """The process, told of a cache."""

    def __init__(self, process: HubClient, home: Path) -> None:
        self.process, self.home = process, home

    def run(self, code: str, environ: dict[str, str] | None = None, **given: Any) -> dict[str, Any]:
        return self.process.run(code, {"HF_HOME": str(self.home), **(environ or {})}, **given)

    def fetch(self, sha: str = SHA, code: str = FETCH, **given: Any) -> dict[str, Any]:
        return self.run(code, sha=sha, files={FILE: "", "config.json": ""}, **given)

    def changed(self, module: str, name: str, value: str) -> dict[str, Any]:
        """Fetch while something of a module is something else."""
        return self.fetch(code=CHANGED, fetch=FETCH, module=module, name=name, value=value)


def content(server: HubServer, sha: str = SHA) -> bytes:
    return server.repos["models", "lab/net"].commits[sha][FILE]


def parts(home: Path) -> list[Path]:
    return list(home.rglob("*.incomplete"))


def begin(server: HubServer, home: Path) -> subprocess.Popen[bytes]:
    code = f"sha, files = {SHA!r}, {{{FILE!r}: ''}}\n{FETCH}"
    return subprocess.Popen([sys.executable, "-c", code], env=environ(home, server.url))


def killed(server: HubServer, home: Path) -> int:
    """Kill a process in the middle of a download; the bytes of it that are on the disk."""
    server.trouble.stall = {FILE: HALF}
    with ending(begin(server, home)):
        until(lambda: sum(each.stat().st_size for each in parts(home)) >= HALF - CHUNK)
    server.trouble.go_on.set()
    server.trouble = Trouble()
    server.sent.clear()
    (part,) = parts(home)
    assert part.stat().st_size < SIZE
    return part.stat().st_size


def left(server: HubServer, home: Path) -> int:
    """A part as a killed process leaves it; its bytes."""
    blobs = home / "hub" / "models--lab--net" / "blobs"
    blobs.mkdir(parents=True)
    whole = content(server)
    (blobs / f"{digest(whole)}{SUFFIX}").write_bytes(whole[: HALF - CHUNK])
    return HALF - CHUNK


def tree(home: Path) -> dict[str, tuple[int, str]]:
    """Every path of a cache: its mode, and what it holds or links to."""
    found = {}
    for path in sorted((home / "hub").rglob("*")):
        mode = path.lstat().st_mode
        held = str(path.readlink()) if path.is_symlink() else ""
        if stat.S_ISREG(mode):
            held = digest(path.read_bytes())
        found[str(path.relative_to(home))] = mode, held
    return found
