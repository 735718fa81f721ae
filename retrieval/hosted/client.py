"""JSON over HTTPS to a provider that charges: a key, a time-out, back-off, and no more."""

from __future__ import annotations

import json
import os
import random
import threading
import time
import weakref
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from retrieval.errors import BadQuery, BadVectors, LabError, NotReady, Unreachable

if TYPE_CHECKING:
    import httpx

TRIES = 6
"""How often one request is sent, at most."""
PAUSE = 1.0
"""Seconds before the second try, doubled before each further one, each cut by up to a half."""
TIMEOUT = 60.0
"""Seconds of one try, from its first byte out to its last byte in."""
AT_ONCE = 4
"""Requests under way, at most; Jina's free keys allow five."""
MOST_BYTES = 64_000_000
"""The longest answer that is read."""
LETTERS = 200
"""Of a provider's own words in an error."""
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Provider:
    """Who is asked.

    Attributes:
        name: what people read.
        address: where it is asked, without a path.
        variable: environment variable that names another address, for a proxy or a test.
        key: environment variable that holds the user's key.
        keys: where keys are made and paid for.
    """

    name: str
    address: str
    variable: str
    key: str
    keys: str

    def base(self) -> str:
        """The address to ask, now."""
        return (os.environ.get(self.variable) or self.address).rstrip("/")


class _Again(Exception):
    """A failure that may pass.

    Args:
        why: in a few words.
        wait: seconds that the provider asks for; none where it names none.
    """

    def __init__(self, why: str, wait: float | None = None) -> None:
        super().__init__(why)
        self.wait = wait


class Client:
    """Sends requests with the key, which stands in no message and no log.

    Args:
        provider: who is asked.
        base: its address.

    Raises:
        NotReady: there is no key, the address would carry it in the open, or the proxy that the
            environment names cannot be used.
    """

    def __init__(self, provider: Provider, base: str) -> None:
        self.provider = provider
        self._base = _safe(base, provider)
        self._key = _key(provider)
        self._room = threading.BoundedSemaphore(AT_ONCE)
        self._http = _opened({"Authorization": f"Bearer {self._key}"}, provider)
        weakref.finalize(self, self._http.close)  # its connections go with whoever holds this

    def post(self, path: str, body: dict[str, Any], seconds: float) -> Any:
        """Send JSON and read JSON, again where it failed in a way that may pass.

        Args:
            path: below the address.
            body: to send.
            seconds: after which no more is tried.

        Raises:
            NotReady: the key is not accepted, or its account is empty.
            BadQuery: the provider takes the request for wrong.
            BadVectors: the answer is no JSON.
            Unreachable: it failed until the time or the tries were used up.
        """
        data = json.dumps(body).encode()
        end = time.monotonic() + seconds
        for turn in range(TRIES):
            try:
                return self._in_turn(path, data, end)
            except _Again as error:
                self._pause(error, turn, end)
        raise AssertionError("the last turn raises")

    def _pause(self, error: _Again, turn: int, end: float) -> None:
        wait = error.wait
        if wait is None:
            wait = PAUSE * 2**turn * random.uniform(0.5, 1.0)  # else all come back at once
        if turn + 1 == TRIES or time.monotonic() + wait >= end:
            asked = f" and asks to wait {error.wait:,.0f} s" if error.wait else ""
            raise Unreachable(
                f"{self.provider.name} does not answer ({error}{asked}), tried {turn + 1} times; "
                "ask again later"
            ) from error
        time.sleep(wait)

    def _in_turn(self, path: str, data: bytes, end: float) -> Any:
        if not self._room.acquire(timeout=max(0.0, end - time.monotonic())):
            raise _Again("too many requests of our own")
        try:
            return self._once(path, data, min(end, time.monotonic() + TIMEOUT))
        finally:
            self._room.release()

    def _once(self, path: str, data: bytes, until: float) -> Any:
        import httpx

        left = max(0.01, until - time.monotonic())
        kind = {"Content-Type": "application/json"}
        try:
            with self._http.stream(
                "POST", self._base + path, content=data, headers=kind, timeout=left
            ) as answer:
                got = _read(answer, until)
        except httpx.TimeoutException as error:
            raise _Again("no answer in time") from error
        except httpx.RequestError as error:
            raise _Again(f"{type(error).__name__}") from error
        return self._answer(answer.status_code, answer.headers, got)

    def _answer(self, status: int, headers: httpx.Headers, data: bytes) -> Any:
        if status in (408, 429) or status >= 500:
            raise _Again(f"status {status}", _wait(headers.get("retry-after", "")))
        if status != 200:
            raise self._refusal(status, data)
        try:
            return json.loads(data)
        except ValueError as error:
            raise BadVectors(f"{self.provider.name} answered with no JSON; ask again") from error

    def _refusal(self, status: int, data: bytes) -> LabError:
        who, key, said = self.provider, self.provider.key, self._said(data)
        if status in (401, 498):
            return NotReady(
                f"{who.name} does not accept the key in {key} ({status}); make one at {who.keys}"
            )
        if status in (402, 403):
            return NotReady(
                f"{who.name} does not let this key embed ({status}{said}); "
                f"look at its balance and rights at {who.keys}"
            )
        if status == 404:
            return NotReady(f"{who.name} does not offer this model ({status}{said})")
        return BadQuery(f"{who.name} refuses the request ({status}{said}); ask for something else")

    def _said(self, data: bytes) -> str:
        """A provider's own words, on one line, short, and without the key if they repeat it."""
        try:
            told = json.loads(data)
            words = told.get("detail") or told.get("message") or ""
        except (ValueError, AttributeError):
            return ""
        text = " ".join(str(words).replace(self._key, "[key]").split())[:LETTERS]
        return f": {text}" if text else ""


def _opened(headers: dict[str, str], provider: Provider) -> httpx.Client:
    import httpx

    try:
        return httpx.Client(headers=headers)
    except (ValueError, ImportError, httpx.InvalidURL) as error:  # of the proxy alone
        raise NotReady(
            f"{provider.name} cannot be asked through the proxy of this machine "
            f"({str(error)[:LETTERS]}); correct HTTPS_PROXY or ALL_PROXY"
        ) from error


def _read(answer: httpx.Response, until: float) -> bytes:
    """The whole body; httpx's time-out is of each byte alone."""
    parts, count = [], 0
    for part in answer.iter_bytes():
        parts.append(part)
        count += len(part)
        if count > MOST_BYTES:
            raise BadVectors(f"the answer has more than {MOST_BYTES // 1_000_000} MB")
        if time.monotonic() > until:
            raise _Again("no whole answer in time")
    return b"".join(parts)


def _wait(said: str) -> float | None:
    """Seconds of a Retry-After, which is a number or a date (RFC 9110, 10.2.3)."""
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _key(provider: Provider) -> str:
    key = os.environ.get(provider.key, "").strip()
    if not key:
        raise NotReady(f"{provider.name} needs a key: set {provider.key}, from {provider.keys}")
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise NotReady(f"{provider.key} holds no key: it has signs that no key has; set it anew")
    return key


def _safe(base: str, provider: Provider) -> str:
    import httpx

    try:
        parts = httpx.URL(base)  # as it will be read when it is asked
        parts.raw_host.decode().encode("idna")
        sound = parts.scheme == "https" and bool(parts.host)
        near = parts.scheme == "http" and parts.host in _LOOPBACK
    except (httpx.InvalidURL, UnicodeError):
        sound = near = False
    if not (sound or near):
        raise NotReady(
            f"{provider.variable} is {base[:80]!r}; it must begin with https:// "
            "(or http://127.0.0.1), for the key is sent there"
        )
    return base
