"""A process whose Hugging Face client talks to our own hub.

The client reads its environment when it is imported, and other tests have imported it long
before: so it runs in a process of its own, which executes what it is sent.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.held import LONGEST

ROOT = Path(__file__).parent.parent
WORKER = """
import json, os, sys
wire, sys.stdout = sys.stdout, sys.stderr
for line in sys.stdin:
    job = json.loads(line)
    before = dict(os.environ)
    os.environ.update(job["environ"])
    scope = dict(job["given"])
    try:
        exec(job["code"], scope)
        answer = {"answer": scope.get("answer")}
    except Exception as error:
        answer = {"error": type(error).__name__, "text": str(error)}
    finally:
        os.environ.clear()
        os.environ.update(before)
    print(json.dumps(answer), file=wire, flush=True)
"""


def environ(home: Path, endpoint: str, cache: Path | None = None) -> dict[str, str]:
    """The environment of such a process; nothing of the user's own hub is in it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return {
        **kept,
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home),
        "HF_HUB_DOWNLOAD_TIMEOUT": f"{LONGEST:.0f}",  # a busy machine is no hub that hangs
        "HF_HUB_ETAG_TIMEOUT": f"{LONGEST:.0f}",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "PARALLAX_CACHE": str(cache or home / "parallax"),
        "PYTHONPATH": str(ROOT),
    }


class HubClient:
    """Runs code in the process; what it raises comes back as ``error`` and ``text``."""

    def __init__(self, home: Path, endpoint: str, cache: Path | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER],
            env=environ(home, endpoint, cache),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, code: str, environ: dict[str, str] | None = None, **given: Any) -> dict[str, Any]:
        """Execute code with the given names; its ``answer`` comes back."""
        assert self._process.stdin and self._process.stdout
        job = {"code": code, "given": given, "environ": environ or {}}
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate(timeout=LONGEST)
