"""What stands over every table, and how two sides are measured."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

PACKAGES = ("numpy", "faiss-cpu", "openvino", "torch", "gradio", "pyarrow", "pillow")


def header(title: str, **facts: object) -> str:
    """Machine, versions and whatever else the figures depend on."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    told = "".join(f"\n  {name}: {value}" for name, value in facts.items())
    machine = f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return f"{title}\n  machine: {machine}\n  versions: {versions}{told}"


def processor() -> str:
    """The processor's own name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def interleaved(sides: Mapping[str, Callable[[], object]], runs: int) -> dict[str, list[float]]:
    """Seconds of each side, measured in turn after one warm-up each."""
    for side in sides.values():
        side()
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(runs):
        for name, side in sides.items():
            start = time.perf_counter()
            side()
            times[name].append(time.perf_counter() - start)
    return times


def summary(times: Sequence[float], unit: float = 1e3) -> str:
    """Median with the middle half, in milliseconds by default."""
    low, middle, high = statistics.quantiles(times, n=4)
    return f"{middle * unit:.3f} [{low * unit:.3f} to {high * unit:.3f}]"


def ratio(one: Sequence[float], other: Sequence[float]) -> float:
    """Median of the one over the median of the other."""
    return statistics.median(one) / statistics.median(other)
