"""What ``sweep --auto`` picks against what autofaiss builds from the same vectors.

The peer lives in an environment of its own, that of ``clip_retrieval``; see
``benchmarks/peers/``. It builds and tunes in a process of its own. Its index is then read here
with the parameters that it chose, and asked in turn with ours, by the same FAISS on one thread.
Ours has to reach the recall that the peer's has.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.index import turned
from benchmarks.report import Figure, Target, scaled, table
from retrieval.commands.pick import ready
from retrieval.indexes.faiss_base import library
from retrieval.lab import Lab
from retrieval.measure.pick import pick
from retrieval.measure.recall import recalls
from retrieval.measure.rounds import COUNT, Job, K
from retrieval.measure.sweep import Asked, asked
from retrieval.panel import Panel
from retrieval.runtime import threads
from retrieval.types import Metric

NOT_SLOWER = Target("<=", 1)
MEMORY = "2GB"
IN_PROCESS = {"faiss", "usearch", "hnswlib", "scann"}
"""What the indexes that are picked from may need: no database, as the peer has none."""
BUILD = """
import sys, time, numpy, autofaiss
vectors, index, infos, milliseconds, memory, cores = sys.argv[1:]
stored = numpy.load(vectors)
start = time.perf_counter()
autofaiss.build_index(stored, index, infos, metric_type="ip", verbose=40, nb_cores=int(cores),
    max_index_query_time_ms=float(milliseconds), max_index_memory_usage=memory)
print("\\nseconds", time.perf_counter() - start)
"""


def main(argv: list[str]) -> int:
    """Print time of one query at equal recall, and time until there is an index."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks autofaiss", description=__doc__)
    parser.add_argument("--peer", type=Path, help="the peer's environment")
    parser.add_argument("--gallery", default="clipart")
    parser.add_argument("--embedder", default="conse-lite2")
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument(
        "--milliseconds",
        type=float,
        nargs="+",
        default=[10, 0.1],
        help="a query may take, for the peer; its own default is 10",
    )
    options = parser.parse_args(argv)
    if options.peer is None or not (options.peer / "bin" / "autofaiss").is_file():
        print("--peer names no environment with autofaiss; benchmarks/peers/ has its packages")
        return 2
    gallery = Lab().gallery(options.gallery)
    facts = {"gallery": f"{gallery.name} {gallery.revision[:12]}", "k": K, "memory": MEMORY}
    return table("sweep --auto against autofaiss", figures(options), **facts)


def figures(options: argparse.Namespace) -> Iterator[Figure]:
    """Two lines for each time that the peer is allowed."""
    for limit in options.milliseconds:
        with tempfile.TemporaryDirectory() as name:
            yield from limited(Path(name), limit, options)


def limited(folder: Path, limit: float, options: argparse.Namespace) -> Iterator[Figure]:
    """The peer's index within a limit, and ours at its recall."""
    lab = Lab(cache=folder / "cache")  # nothing is built yet, on both sides
    gallery, spec = lab.gallery(options.gallery), lab.spec(options.embedder)
    queries = asked(lab, gallery, spec.name, "picture", K, COUNT)
    theirs, known, spent = built(folder, np.asarray(queries.stored, np.float32), limit, options)
    share = recall(queries, theirs)
    able = [each for each in ready(spec) if {*each.needs} <= IN_PROCESS]
    start = time.perf_counter()
    picked = pick(lab, Job(gallery, spec, able, "picture"), share, None)
    took = time.perf_counter() - start
    ours = lab.index(gallery, Panel(spec.name, picked.best.index)).index
    ours.tune(**picked.best.knobs)
    sides: dict[str, Callable[[NDArray[Any]], object]] = {
        "ours": lambda query: ours.search(query, K),
        "theirs": lambda query: theirs.search(query, K),
    }
    with threads.single():
        times = turned(sides, queries.vectors, options.runs)
    what = f"{spec.name}, peer's limit {limit:g} ms"
    note = f"ours: {picked.best.index} {picked.best.knobs}, recall {picked.best.recall:.3f}; "
    note += f"theirs: {known['index_key']} {known['index_param']}, recall {share:.3f}"
    mine, other = (scaled(times[side], 1e6) for side in sides)
    yield Figure(f"{what}: one query", "us", mine, other, NOT_SLOWER, note)
    note = f"ours builds and looks at {len(able)} indexes, theirs builds one"
    yield Figure(f"{what}: until there is one", "s", [took], [spent], None, note)


def built(
    folder: Path, stored: NDArray[np.float32], limit: float, options: argparse.Namespace
) -> tuple[Any, dict[str, Any], float]:
    """The peer's index with its parameters set, what it says of it, and its seconds."""
    vectors, index, infos = (folder / name for name in ("vectors.npy", "knn.index", "infos.json"))
    np.save(vectors, stored)
    words = [str(options.peer / "bin" / "python"), "-c", BUILD, str(vectors), str(index)]
    words += [str(infos), str(limit), MEMORY, str(threads.cores())]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"autofaiss failed: {done.stderr[-2000:]}")
    known = json.loads(infos.read_text())
    faiss = library()
    engine = faiss.read_index(str(index))
    faiss.ParameterSpace().set_index_parameters(engine, known["index_param"])
    return engine, known, float(done.stdout.split()[-1])


def recall(queries: Asked, engine: Any) -> float:
    """Mean recall@10 of the peer's index against exact search."""
    rows = engine.search(np.asarray(queries.vectors, np.float32), K)[1]
    shares = recalls(queries.vectors, queries.stored, rows, queries.truth, Metric.COSINE)
    return float(shares.mean())
