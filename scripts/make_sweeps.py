"""Make data/sweeps and data/scales: the trade-offs of the shipped galleries, measured here.

Run on a machine that does nothing else, from the project's folder:
``python -m scripts.make_sweeps --seconds 1800 --scale 600``. What was measured is kept in
data/.sweeps until all is, so that a run that was stopped, or had too few seconds, goes on where it
was; then it takes the place of what ships.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from retrieval.indexes import INDEXES
from retrieval.lab import DATA, Lab
from retrieval.measure import outlook, scale
from retrieval.measure.rounds import COUNT, Job, K, Running, sweeps
from retrieval.measure.sweep import Kind, asked, grid
from retrieval.readiness import state
from retrieval.types import Metric, Spec

BESIDE = DATA / ".sweeps"
ENGINES = {"faiss", "usearch", "hnswlib", "scann", "annoy"}
"""What the base requirements bring, and light engines beside it; no database."""
ASKED: tuple[tuple[str, Kind], ...] = (
    ("conse-lite2", "text"),
    ("conse-lite2", "picture"),
    ("efficientnet-lite2", "picture"),
)
SECONDS = 1800.0
PARTS = ("sweeps", "scales")


def main(argv: Sequence[str] | None = None, data: Path = DATA, beside: Path = BESIDE) -> int:
    """Measure what is missing; publish once nothing is.

    Args:
        argv: the flags.
        data: where it goes.
        beside: where it stands until it is whole.

    Returns:
        0 where all is measured and published, 1 where some is left.
    """
    options = _flags(argv)
    lab = Lab(cache=beside)
    lab.data = beside / "none"  # what ships already counts for nothing
    end, left = time.monotonic() + options.seconds, 0
    for job in jobs(lab, options.gallery, options.index):
        left += swept(lab, job, end)
    if options.scale:
        for base in jobs(lab, options.gallery, options.index):
            if base.kind == "picture":
                scaled(lab, base, options.scale)
    if left:
        sys.stderr.write(f"{left} settings are left; run it again, or with more --seconds\n")
        return 1
    publish(data, beside)
    return 0


def jobs(lab: Lab, galleries: Sequence[str], indexes: Sequence[str]) -> Iterator[Job]:
    """The fixed list, or a part of it."""
    for entry in lab.catalog.entries():
        if entry.kind == "parquet" and entry.name in (galleries or [entry.name]):
            for name, kind in ASKED:
                able = [each for each in engines() if not indexes or each.name in indexes]
                yield Job(lab.gallery(entry.name), lab.spec(name), able, kind)


def engines() -> list[Spec]:
    """Indexes of vectors in process that are installed."""
    return [
        each
        for each in INDEXES.specs()
        if Metric.COSINE in each.metrics
        and {*each.needs} <= ENGINES
        and state(each).kind == "ready"
    ]


def swept(lab: Lab, job: Job, end: float) -> int:
    """Measure the missing settings of a job; how many are left then."""
    todo = missing(lab, job)
    if not todo or time.monotonic() >= end:
        return len(todo)
    said = f"{job.gallery.name} {job.embedder.name} {job.kind}"
    sys.stderr.write(f"{said}: {len(todo)} settings to measure\n")
    running = Running(lab, job, asked(lab, job.gallery, job.embedder.name, job.kind, K, COUNT))
    try:
        for name, knobs in running.order():
            if (name, knobs) in todo and time.monotonic() < end:
                step = running.step(name, knobs)
                if step and step.problem:
                    sys.stderr.write(f"{said}: {step.problem}\n")
    finally:
        running.keep()
    return sum(name not in running.failed for name, _ in missing(lab, job))


def missing(lab: Lab, job: Job) -> list[tuple[str, dict[str, int]]]:
    """Index and knobs of each setting that is not measured on this machine yet."""
    left = []
    for spec in job.indexes:
        found = sweeps(lab).find(job.key(spec))
        known = [point.knobs for point in found.points] if found and found.here else []
        left += [(spec.name, knobs) for knobs in grid(spec) if knobs not in known]
    return left


def scaled(lab: Lab, base: Job, seconds: float) -> None:
    """Measure a gallery's vectors at growing sizes for some seconds, what is known not again."""
    able = [each for each in base.indexes if each.name in outlook.USUAL]
    with closing(scale.measure(lab, scale.Job(base.gallery, base.embedder, able), seconds)) as all_:
        for step in all_:
            said = step.problem if isinstance(step, scale.Left) else f"{step.count:,} vectors"
            where = f"{base.gallery.name} {base.embedder.name} {step.index}"
            sys.stderr.write(f"{where}: {said}\n")


def publish(data: Path, beside: Path) -> None:
    """Put what was measured in the place of what shipped; a part without any stays as it is."""
    for part in PARTS:
        made = beside / part
        if made.is_dir():
            for lock in made.rglob(".*.lock"):
                lock.unlink()
            shutil.rmtree(data / part, ignore_errors=True)
            made.rename(data / part)
    shutil.rmtree(beside)


def _flags(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for all sweeps, at most")
    parser.add_argument("--scale", type=float, default=0.0, help="seconds of each gallery's scale")
    parser.add_argument("--gallery", action="append", default=[], help="only this one")
    parser.add_argument("--index", action="append", default=[], help="only this one")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
