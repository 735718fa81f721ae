"""Runs one server for as long as any process wants it: a script, started by its path.

``keeper.py LOCK LOG FOLDER COMMAND...``: whoever wants the server holds ``LOCK`` shared. The kernel
lets go of it for a process that ends, however it ends. Once nobody holds it the server is told to
stop, ``FOLDER`` is removed, and this ends. Nobody gets the lock while the server stops.
"""

from __future__ import annotations

import fcntl
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path


def main(lock: str, log: str, folder: str, *command: str) -> int:
    """Start the command, wait until it ends or nobody wants it; its exit code."""
    with Path(lock).open("rb") as wanted, Path(log).open("ab") as lines:
        server = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=lines, stderr=lines, close_fds=True
        )

        def watch() -> None:
            fcntl.flock(wanted, fcntl.LOCK_EX)
            server.send_signal(signal.SIGINT)

        threading.Thread(target=watch, daemon=True).start()
        code = server.wait()
        shutil.rmtree(folder, ignore_errors=True)
        return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
