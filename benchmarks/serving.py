"""Processes and servers that a benchmark starts and ends."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def served(*arguments: str) -> Iterator[str]:
    """A server in a process of its own, from its start to the first page that it gives.

    Args:
        arguments: of Python; ``PORT`` in them is a free port.

    Yields:
        Its address, without a slash at the end.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    server = subprocess.Popen(
        [sys.executable, *(each.replace("PORT", port) for each in arguments)],
        stdout=subprocess.DEVNULL,
    )
    try:
        wait(server, f"http://127.0.0.1:{port}/")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def wait(server: subprocess.Popen[bytes], url: str, seconds: float = 120) -> None:
    """Until the address answers."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if server.poll() is not None:
            raise RuntimeError(f"the server ended with {server.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=5) as page:
                page.read()
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.01)
    raise TimeoutError(f"{url} did not answer within {seconds} s")
