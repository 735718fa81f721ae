"""How two sides are measured, and what is printed of them."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

PACKAGES = ("numpy", "faiss-cpu", "openvino", "torch", "gradio", "pyarrow", "pillow")
COLUMNS = ("ours", "theirs", "ratio", "spread", "target", "met")
WIDE = 54
"""Signs of a figure's name before its numbers begin."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure is held to: a multiple of the peer's median, plus a constant.

    Attributes:
        sign: whether a low or a high figure is good.
        times: the multiple; 0 where there is no peer.
        plus: the constant, in the figure's unit.
    """

    sign: Literal["<=", ">="]
    times: float
    plus: float = 0.0

    def met(self, ours: float, theirs: float) -> bool:
        """Whether a figure keeps it beside its peer's."""
        limit = self.times * theirs + self.plus
        return ours <= limit if self.sign == "<=" else ours >= limit

    def said(self, unit: str) -> str:
        """The target as the table has it."""
        parts = [f"{self.times:g}x"] if self.times else []
        parts += [f"{self.plus:g} {unit}"] if self.plus else []
        return f"{self.sign} {' + '.join(parts)}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of a table.

    Attributes:
        what: is measured.
        unit: of both sides.
        ours: one measurement a run; empty where it was left out.
        theirs: the peer's of the same runs, in turn with ours; empty where there is no peer.
        target: what it is held to; none where it only informs.
        note: printed under the line.
    """

    what: str
    unit: str
    ours: Sequence[float]
    theirs: Sequence[float] = ()
    target: Target | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Median of ours over the median of theirs."""
        if not self.theirs:
            return None
        return statistics.median(self.ours) / statistics.median(self.theirs)

    @property
    def spread(self) -> tuple[float, float]:
        """10th and 90th percentile of the runs' ratios, or of ours where there is no peer."""
        runs = self.ours
        if self.theirs:
            runs = [one / other for one, other in zip(self.ours, self.theirs, strict=True)]
        if len(runs) < 2:
            return runs[0], runs[0]
        cuts = statistics.quantiles(runs, n=10, method="inclusive")
        return cuts[0], cuts[-1]

    @property
    def met(self) -> bool | None:
        """Whether the target is kept; none where there is no target."""
        if self.target is None:
            return None
        theirs = statistics.median(self.theirs) if self.theirs else 0.0
        return self.target.met(statistics.median(self.ours), theirs)

    def cells(self) -> list[str]:
        """The numbers, one for each of ``COLUMNS``."""
        if not self.ours:
            return ["left out", *[""] * (len(COLUMNS) - 1)]
        low, high = self.spread
        kept = {True: "yes", False: "NO", None: ""}[self.met]
        return [
            f"{digits(statistics.median(self.ours))} {self.unit}",
            f"{digits(statistics.median(self.theirs))} {self.unit}" if self.theirs else "none",
            "" if self.ratio is None else f"{self.ratio:.3f}x",
            f"{digits(low)} to {digits(high)}",
            self.target.said(self.unit) if self.target else "",
            kept,
        ]


def digits(value: float) -> str:
    """Three significant digits, no exponent."""
    places = max(0, 2 - len(f"{abs(value):.0f}") + (abs(value) < 1) * 2)
    return f"{value:,.{places}f}" if abs(value) < 100 else f"{value:,.0f}"


def table(title: str, figures: Iterable[Figure], **facts: object) -> int:
    """Print figures as they come under what they depend on.

    Returns:
        0 where every target is kept, 1 where one is missed.
    """
    print(header(title, **facts))
    print(f"  {'':<{WIDE}}" + "".join(f"{name:>18}" for name in COLUMNS))
    missed = 0
    for figure in figures:
        missed += figure.met is False
        print(f"  {figure.what:<{WIDE}}" + "".join(f"{cell:>18}" for cell in figure.cells()))
        if figure.note:
            print(f"    {figure.note}")
        print(end="", flush=True)
    print("  spread: 10th to 90th percentile of the runs' ratios, or of ours without a peer\n")
    return int(missed > 0)


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
    """Seconds of each side, measured in turn after one warm-up each; every run turns the order."""
    for side in sides.values():
        side()
    times: dict[str, list[float]] = {name: [] for name in sides}
    order = list(sides)
    for _ in range(runs):
        for name in order:
            start = time.perf_counter()
            sides[name]()
            times[name].append(time.perf_counter() - start)
        order.reverse()
    return times


def scaled(seconds: Iterable[float], unit: float) -> list[float]:
    """Seconds in another unit, such as 1e3 for milliseconds."""
    return [unit * each for each in seconds]


def rates(seconds: Iterable[float], count: int) -> list[float]:
    """So many a second."""
    return [count / each for each in seconds]
