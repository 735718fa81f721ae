"""A gallery's vectors by many machines: Ray Data."""

from __future__ import annotations

import importlib.util
import logging
import os
import pickle
import socket
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.embedders import EMBEDDERS
from retrieval.embedders.base import Embedder
from retrieval.embedders.gallery import embed
from retrieval.errors import BadQuery, Damaged, LabError, NotReady, Refused, Unreachable
from retrieval.galleries.base import Gallery
from retrieval.galleries.catalog import Catalog
from retrieval.lab import Lab
from retrieval.partial import Ahead
from retrieval.types import Metric, Spec, Vectors

INSTALL = 'pip install "ray[data]==2.60.0"'
AUTO = "auto"
"""The cluster of this machine, or of ``RAY_ADDRESS``; where there is none, one is started."""
TOLD = ("PARALLAX_CACHE", "PARALLAX_OPENCLIP_DIR", "HF_HUB_OFFLINE", "HF_HOME", "HF_ENDPOINT")
"""Environment variables that workers are given; none that holds a secret."""
_REACH = 3.0  # seconds; Ray itself would end the process after a minute


@dataclass(frozen=True)
class Job:
    """What a worker needs, small enough to be sent.

    Attributes:
        data: the shipped galleries, at the same path on every machine.
        cache: galleries of the hub, at the same path on every machine.
        folder: the user's pictures, if that is the gallery.
        gallery: its name.
        revision: which a worker must find, too.
        spec: of the embedder.
    """

    data: Path
    cache: Path
    folder: Path | None
    gallery: str
    revision: str
    spec: Spec


class Worker:
    """Opens the gallery and loads the embedder once, then embeds pieces of rows.

    Args:
        job: what to embed.
    """

    def __init__(self, job: Job) -> None:
        self._job = job

    @cached_property
    def _gallery(self) -> Gallery:
        job = self._job
        gallery = Catalog(job.data, job.cache, job.folder).open(job.gallery)
        if gallery.revision != job.revision:
            raise Damaged(
                f"{job.gallery} is another one on {socket.gethostname()}; "
                "all machines must see the same files at the same paths"
            )
        return gallery

    @cached_property
    def _embedder(self) -> Embedder:
        return EMBEDDERS.load(self._job.spec)(self._job.spec)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Embed one piece; what is refused goes back as data, with its own type."""
        rows = np.frombuffer(batch["rows"][0], np.int64).tolist()
        made = refused = b""
        try:
            made = embed(self._gallery, self._embedder, rows).tobytes()
        except LabError as error:
            refused = pickle.dumps(error)
        except Exception as error:  # a fault of the embedder's own, which would come back the same
            refused = pickle.dumps(_failed(f"{type(error).__name__}: {error}"))
        return {"piece": batch["piece"], "made": [made], "refused": [refused]}


def ahead(lab: Lab, gallery: Gallery, name: str, address: str) -> Ahead:
    """What embeds a gallery's rows by Ray, for ``Lab.vectors``; nothing is started yet.

    Args:
        lab: whose gallery and embedder.
        gallery: whose rows.
        name: of the embedder.
        address: ``host:port`` of a cluster, or ``auto``.

    Raises:
        Refused: in public mode.
        BadQuery: the embedder is hosted, or the address is none.
        NotReady: Ray is not installed.
    """
    spec = lab.spec(name)
    if lab.public:
        raise Refused("a public lab starts no workers; run Parallax on your own machine for that")
    if spec.key:
        raise BadQuery(f"{name} is hosted, so workers would speed nothing; leave out --ray")
    if importlib.util.find_spec("ray") is None:
        raise NotReady(f"--ray needs Ray: {INSTALL}")
    where = _checked(address)
    folder = lab.catalog.folder
    job = Job(  # a worker stands in another folder: no path may be relative
        *(lab.data.resolve(), lab.cache.resolve(), folder.resolve() if folder else None),
        *(gallery.name, gallery.revision, spec),
    )
    return lambda pieces: _embedded(job, where, pieces)


def _checked(address: str) -> str:
    host, _, port = address.rpartition(":")
    sound = port.isascii() and port.isdigit() and 0 < int(port) < 65536
    if address != AUTO and not (host and sound):
        raise BadQuery(f"the address is {address[:80]!r}; it must be auto, or HOST:PORT")
    return address


def _embedded(
    job: Job, address: str, pieces: Sequence[Sequence[int]]
) -> Generator[tuple[int, Vectors]]:
    """Vectors of pieces of rows, each with the piece's number, as they are done."""
    items = [
        {"piece": at, "rows": np.array(rows, np.int64).tobytes()} for at, rows in enumerate(pieces)
    ]
    with _cluster(address) as ray:
        cpus, count = _workers(ray.nodes())
        given = ray.data.from_items(items, override_num_blocks=len(items))
        done = given.map_batches(
            Worker,
            batch_size=1,
            batch_format="numpy",
            fn_constructor_args=(job,),
            concurrency=min(count, len(items)),
            num_cpus=cpus,
        )  # by Ray Data's defaults a worker that is killed comes back, and its piece is done again
        with _sentences(ray):
            for row in done.iter_rows():
                yield int(row["piece"]), _vectors(job.spec, row)


def _vectors(spec: Spec, row: dict[str, Any]) -> Vectors:
    if row["refused"]:
        error: LabError = pickle.loads(row["refused"])  # of our own workers
        raise error
    if spec.metric is Metric.HAMMING:
        return np.frombuffer(row["made"], np.uint8).reshape(-1, spec.dim // 8)
    return np.frombuffer(row["made"], np.float32).reshape(-1, spec.dim)


def _workers(nodes: Sequence[dict[str, Any]]) -> tuple[int, int]:
    """Cores of a worker, and how many workers: one for each machine, several on a larger one."""
    cores = [int(each["Resources"].get("CPU", 0)) for each in nodes if each["Alive"]]
    able = [each for each in cores if each]
    if not able:
        raise Unreachable("the Ray cluster has no machine with a core to spare; add one")
    return min(able), sum(each // min(able) for each in able)


@contextmanager
def _cluster(address: str) -> Iterator[Any]:
    """Ray, connected; a connection that was there stays."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # as its next release has it
    import ray
    import ray.data

    if address != AUTO:
        _reach(address)
    was = ray.is_initialized()
    if not was:
        _connect(ray, address)
    quiet = logging.getLogger("ray.data")
    before = quiet.level
    quiet.setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        yield ray
    finally:
        quiet.setLevel(before)
        if not was:
            ray.shutdown()


def _connect(ray: Any, address: str) -> None:
    env = {name: os.environ[name] for name in TOLD if name in os.environ}
    root = str(Path(__file__).parents[1])
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    told = {
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "runtime_env": {"env_vars": {**env, "PYTHONPATH": path, "RAY_USAGE_STATS_ENABLED": "0"}},
    }
    try:
        _joined(ray, address, told)
    except (RuntimeError, ValueError, OSError) as error:  # such as another version of Ray there
        said = " ".join(str(error).split())[:300]
        raise Unreachable(f"the Ray cluster {address} cannot be used: {said}") from error


def _joined(ray: Any, address: str, told: dict[str, Any]) -> None:
    try:
        ray.init(address=address, **told)
    except ConnectionError as error:
        if address != AUTO:
            raise Unreachable(f"no Ray cluster answers at {address}: {error}") from error
        ray.init(address="local", include_dashboard=False, _node_ip_address="127.0.0.1", **told)


def _reach(address: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _REACH).close()
    except (OSError, UnicodeError) as error:  # the latter of what is no name of a host
        why = getattr(error, "strerror", "") or error
        raise Unreachable(
            f"no Ray cluster answers at {address} ({why}); start one there: "
            f"ray start --head --port {port}"
        ) from error


@contextmanager
def _sentences(ray: Any) -> Iterator[None]:
    """Ray's own failures as one sentence."""
    try:
        yield
    except ray.exceptions.RayError as error:
        raise _failed(str(error)) from error


def _failed(why: str) -> LabError:
    said = " ".join(why.split())[-300:]
    return LabError(f"the Ray workers failed: {said}; what was done is kept")
