"""Servers that somebody else runs, named by an address: whether they are there, how long to wait.

Every call has an end, whatever its client thinks of time-outs and of trying again.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from functools import cache
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from retrieval.errors import NotReady, Unreachable
from retrieval.types import State

Answer = TypeVar("Answer")
VARIABLE = "PARALLAX_TIMEOUT"
"""Environment variable with the seconds that a server has to answer a search."""
SECONDS = 5.0
LONGEST = 600.0
FRESH = 10.0
"""Seconds for which a look at a server is good."""
CALLS = 16
"""Calls to one server at once; those that hang hold their places until their client gives up."""


def seconds() -> float:
    """How long a server may take to answer.

    Raises:
        NotReady: the variable holds no such number.
    """
    given = os.environ.get(VARIABLE, "")
    try:
        found = float(given or SECONDS)
    except ValueError:
        found = 0.0
    if not 0 < found <= LONGEST:
        raise NotReady(f"{VARIABLE} is {given[:40]!r}; it must be seconds up to {LONGEST:.0f}")
    return found


def parts(variable: str, given: str) -> SplitResult:
    """An address taken apart.

    Raises:
        NotReady: it is none; it is not quoted, for it may hold a password.
    """
    try:
        found = urlsplit(given)
        sound = found.scheme in ("http", "https") and found.hostname and (found.port or 1)
    except ValueError:
        sound = False
    if not sound:
        raise NotReady(f"{variable} is no address; it looks like http://host:port")
    return found


def port(address: SplitResult, default: int) -> int:
    """The port of an address, or what its kind of server listens on."""
    return address.port or (443 if address.scheme == "https" else default)


def within(where: str, limit: float, call: Callable[[], Answer]) -> Answer:
    """What a call returns, if it does so in time.

    Args:
        where: the server, for people.
        limit: seconds; the call goes on behind the back of who stops waiting for it.
        call: what to do.

    Raises:
        Unreachable: it takes longer.
    """
    answer = _pool(where).submit(call)
    try:
        return answer.result(limit)
    except Late:
        if answer.done():  # the call's own
            raise
        answer.cancel()
        raise Unreachable(
            f"{where} does not answer within {limit:g} s; ask again once it does, or set {VARIABLE}"
        ) from None


@cache
def _pool(where: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(CALLS, thread_name_prefix=f"ask {where}")


class Watch:
    """Whether something listens at an address, asked in the background.

    Args:
        host: its name.
        number: its port.
    """

    def __init__(self, host: str, number: int) -> None:
        self.host, self.number = host, number
        self.known = threading.Event()
        self._lock = threading.Lock()
        self._problem = ""
        self._at = -FRESH

    def state(self) -> State:
        """What the last look found; ready until something else is known. Never waits."""
        with self._lock:
            old = time.monotonic() - self._at > FRESH
            if old:
                self._at = time.monotonic()
        if old:
            threading.Thread(target=self._look, daemon=True).start()
        return State("unreachable", self._problem) if self._problem else State("ready")

    def _look(self) -> None:
        try:
            socket.create_connection((self.host, self.number), SECONDS).close()
            self._problem = ""
        except (OSError, UnicodeError) as error:  # the latter of what is no name of a host
            why = getattr(error, "strerror", "") or str(error) or type(error).__name__
            self._problem = f"{self.host}:{self.number} does not answer ({why}); start it"
        self.known.set()


@cache
def watch(host: str, number: int) -> Watch:
    """The one watch of this process over an address."""
    return Watch(host, number)


def state(variable: str, key: str, default: int, example: str, public: bool) -> State:
    """Whether a server that is named by a variable can be used, as far as is known. Never waits.

    Args:
        variable: of the environment, with its address.
        key: of the environment, with its key; empty where none is needed.
        default: the port where the address names none.
        example: of an address.
        public: strangers use the lab, and must not spend what is the host's.
    """
    if public:
        return State("unreachable", "a public lab asks no database of its host's")
    given = os.environ.get(variable, "")
    if not given:
        return State("key", f"set {variable} to its address, such as {example}")
    if key and not os.environ.get(key):
        return State("key", f"needs a key: set {key}")
    try:
        address = parts(variable, given)
    except NotReady as error:
        return State("unreachable", str(error))
    return watch(address.hostname or "", port(address, default)).state()
