"""What the figures were measured on."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

from retrieval.runtime.threads import cores


@cache
def processor() -> str:
    """The processor's own name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def machine() -> str:
    """Processor, cores that this process may use, and system, in one line."""
    return f"{processor()}, {cores()} cores, {platform.system()}"
