"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

from retrieval.runtime.threads import cores

_LIMIT = Path("/sys/fs/cgroup/memory.max")
_COUNTS = hasattr(os, "sysconf")  # Windows has none
_GUESS = 8_000_000_000


@cache
def processor() -> str:
    """The processor's own name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


@cache
def memory() -> int:
    """Bytes of memory that this process may use: the machine's, cut to its container's limit."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if _COUNTS else _GUESS
    try:
        return min(whole, int(_LIMIT.read_text()))
    except (OSError, ValueError):  # no container, or one without a limit
        return whole


def machine() -> str:
    """Processor, cores that this process may use, and system, in one line."""
    return f"{processor()}, {cores()} cores, {platform.system()}"
