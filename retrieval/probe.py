"""Whether the hub answers: asked in the background, at most once a minute."""

from __future__ import annotations

import threading
import time

from retrieval import hub
from retrieval.types import State

PAUSE = 60.0
"""Seconds between two questions whether the hub answers."""
PATIENCE = 3.0
"""Seconds that such a question waits for an answer."""


class Probe:
    """Asks one hub in the background whether it answers, at most once a minute.

    Args:
        url: where the hub is.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.problem = ""
        self.known = threading.Event()
        self._asked = -PAUSE
        self._lock = threading.Lock()

    def state(self) -> State:
        """What is known now, at once; asks again where that is older than a minute."""
        with self._lock:
            due = time.monotonic() - self._asked >= PAUSE
            if due:
                self._asked = time.monotonic()
        if due:
            threading.Thread(target=self._ask, name="hub-probe", daemon=True).start()
        return State("unreachable", self.problem) if self.problem else State("ready")

    def _ask(self) -> None:
        from http.client import HTTPException
        from urllib.error import HTTPError
        from urllib.request import Request, urlopen

        try:
            with urlopen(Request(f"{self.url}/api/models?limit=1"), timeout=PATIENCE):
                self.problem = ""
        except HTTPError as error:  # any answer but these shows that the hub is there
            busy = error.code == 429 or error.code >= 500
            self.problem = str(hub.refusal(error.code, "a list", "model")) if busy else ""
            error.close()
        except (OSError, ValueError, HTTPException) as error:
            self.problem = hub.silence(self.url, error)
        finally:
            self.known.set()


_PROBES: dict[str, Probe] = {}


def current() -> Probe:
    """The one probe of the hub that the environment names."""
    return _PROBES.setdefault(hub.endpoint(), Probe(hub.endpoint()))


def state() -> State:
    """Whether the hub can be asked: ready until something else is known. Never waits."""
    if hub.offline():
        return State("unreachable", "HF_HUB_OFFLINE forbids asking the hub; unset it to download")
    return current().state()


def settled(seconds: float = PATIENCE + 1) -> State:
    """Like ``state``, but waits for the answer: for a command line, never for a page."""
    if state().kind == "ready" and not hub.offline():
        current().known.wait(seconds)
    return state()
