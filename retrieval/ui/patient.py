"""Gradio's server, which on a busy machine has longer than five seconds to start."""

from __future__ import annotations

import time

from gradio import http_server
from gradio.exceptions import ServerFailedToStartError

LONGEST = 120.0
"""Seconds after Gradio's own."""


class Patient(http_server.Server):
    """Is waited for while it starts: on the next port its app, which can start once, would fail."""

    def run_in_thread(self) -> None:
        """Start, and return once it answers.

        Raises:
            ServerFailedToStartError: it has ended, or takes longer still.
        """
        try:
            super().run_in_thread()  # type: ignore[no-untyped-call]
        except ServerFailedToStartError:
            end = time.monotonic() + LONGEST
            while not self.started:
                if not self.thread.is_alive() or time.monotonic() > end:
                    raise
                time.sleep(0.01)


def install() -> None:
    """Have Gradio start this one from now on."""
    setattr(http_server, "Server", Patient)  # noqa: B010 - a class is no variable to mypy
