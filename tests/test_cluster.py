"""Embedding by Ray: the same vectors, whoever is killed."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from retrieval import cli, cluster, store
from retrieval.embedders import EMBEDDERS
from retrieval.errors import BadQuery, BadVectors, Damaged, LabError, NotReady, Refused, Unreachable
from retrieval.lab import Lab
from retrieval.store import Store, vectors_key
from retrieval.types import Spec, Vectors
from tests.fakes import COLOUR, Colour, Colours
from tests.held import until
from tests.slow import slow

pytestmark = [
    pytest.mark.server,
    # Ray's own: settings that it makes itself, sockets and processes that it leaves to its end
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Two nodes' worth of processes, each with a core."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # Ray's word for: on loopback alone
    from ray.cluster_utils import Cluster

    given: dict[str, Any] = {
        "num_cpus": 1,
        "object_store_memory": 80_000_000,
        "node_ip_address": "127.0.0.1",
    }
    made: Any = Cluster(initialize_head=True, head_node_args={**given, "include_dashboard": False})
    try:
        made.add_node(**given)
        with cluster._cluster(made.address):  # once, as each connection costs seconds
            yield made.address
    finally:
        made.shutdown()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four hundred small pictures."""
    made = tmp_path_factory.mktemp("pictures")
    noise = np.random.default_rng(0).integers(0, 255, (400, 8, 8, 3), dtype=np.uint8)
    for number, pixels in enumerate(noise):
        Image.fromarray(pixels).save(made / f"{number:03}.png")
    return made


@pytest.fixture
def chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many pieces: thirteen of 32 rows."""
    monkeypatch.setattr(store, "CHUNK", 32)


def lab(cache: Path, folder: Path) -> Lab:
    return Lab(cache=cache, folder=folder)


def by_ray(made: Lab, name: str, address: str) -> Vectors:
    gallery = made.gallery("folder")
    return made.vectors(gallery, name, ahead=cluster.ahead(made, gallery, name, address))


def use(monkeypatch: pytest.MonkeyPatch, spec: Spec) -> None:
    monkeypatch.setitem(EMBEDDERS._specs, spec.name, spec)


# --- two nodes -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("chunks")
@pytest.mark.parametrize("name", ["ahash", "efficientnet-lite0"])
def test_ray_gives_the_very_bits_of_the_local_run(
    address: str, folder: Path, warm: Path, tmp_path: Path, name: str, monkeypatch: Any
) -> None:
    monkeypatch.setenv("PARALLAX_CACHE", str(warm))
    far = by_ray(lab(tmp_path / "far", folder), name, address)
    near = lab(tmp_path / "near", folder)
    np.testing.assert_array_equal(far, near.vectors(near.gallery("folder"), name))
    kept = Store(tmp_path / "none", tmp_path / "far" / "artefacts")
    gallery = near.gallery("folder")
    assert kept.find(vectors_key(gallery, near.spec(name)))  # by our store, whole and checked


@pytest.mark.usefixtures("chunks")
def test_a_worker_that_is_killed_costs_nothing_but_time(
    address: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, slow(tmp_path, 0.0, "held"))
    seen, killed = tmp_path / "pids", list[int]()

    def kill() -> None:
        until(lambda: seen.exists() and seen.read_text().endswith("\n"))
        killed.append(int(seen.read_text().split()[-1]))
        os.kill(killed[0], signal.SIGKILL)  # it is in the middle of something, and held there
        (tmp_path / "go").touch()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    far = by_ray(lab(tmp_path / "far", folder), "slow", address)
    killer.join()
    pids = {int(each) for each in seen.read_text().split()}
    assert killed and os.getpid() not in pids and len(pids) >= 2
    near = lab(tmp_path / "near", folder)
    np.testing.assert_array_equal(far, near.vectors(near.gallery("folder"), "slow"))


@pytest.mark.usefixtures("chunks")
def test_what_a_stopped_run_has_done_is_not_done_again(
    address: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, slow(tmp_path, 0.0))
    made = lab(tmp_path / "cache", folder)
    gallery = made.gallery("folder")
    asked: list[int] = []

    def stop(what: str, done: int, total: int) -> None:
        if done >= 320:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made.vectors(gallery, "slow", stop, ahead=cluster.ahead(made, gallery, "slow", address))
    elsewhere = cluster.ahead(made, gallery, "slow", address)

    def noted(pieces: Any) -> Any:
        asked.extend(row for piece in pieces for row in piece)
        return elsewhere(pieces)

    assert made.vectors(gallery, "slow", ahead=noted).shape == (400, 192)
    assert 0 < len(asked) <= 400 - 320


@pytest.mark.usefixtures("chunks")
@pytest.mark.parametrize(
    ("kind", "error", "why"),
    [
        ("refuses", BadVectors, "these are no pictures for me"),
        ("breaks", LabError, "the Ray workers failed: .*a fault of its own"),
    ],
)
def test_what_fails_there_is_said_here(
    address: str,
    folder: Path,
    tmp_path: Path,
    kind: str,
    error: type[LabError],
    why: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use(monkeypatch, slow(tmp_path, 0.0, kind))
    with pytest.raises(error, match=why):
        by_ray(lab(tmp_path / "cache", folder), "slow", address)


def test_workers_that_see_other_files_are_noticed(
    address: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, slow(tmp_path))
    made = lab(tmp_path / "cache", folder)
    gallery = made.gallery("folder")
    monkeypatch.setattr(gallery, "revision", "another")
    with pytest.raises(Damaged, match="folder is another one on .* same files at the same paths"):
        made.vectors(gallery, "slow", ahead=cluster.ahead(made, gallery, "slow", address))


def test_the_command_by_itself(
    address: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["build", "--gallery", "folder", "--embedder", "dhash", "--index", "exact"]
    asked += ["--folder", str(folder), "--cache", str(tmp_path)]
    assert cli.main([*asked, "--ray", address]) == 0
    said = capsys.readouterr()
    assert "dhash" in said.out and "elsewhere" in said.err and "400/400" in said.err


# --- what is refused -----------------------------------------------------------------------------


def test_a_public_lab_starts_no_workers(tmp_path: Path) -> None:
    made = Lab(cache=tmp_path, public=True)
    with pytest.raises(Refused, match="a public lab starts no workers"):
        cluster.ahead(made, made.gallery("stamps"), "ahash", "auto")


def test_workers_are_told_whole_paths(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[cluster.Job] = []
    monkeypatch.setattr(cluster, "_embedded", lambda job, *_: told.append(job))
    monkeypatch.chdir(folder.parent)
    made = lab(Path("cache"), Path(folder.name))
    cluster.ahead(made, made.gallery("folder"), "ahash", "auto")([])
    (job,) = told
    assert (job.cache, job.folder) == (folder.parent.resolve() / "cache", folder.resolve())


def test_a_hosted_embedder_needs_none(tmp_path: Path) -> None:
    made = Lab(cache=tmp_path)
    with pytest.raises(BadQuery, match="workers would speed nothing"):
        cluster.ahead(made, made.gallery("stamps"), "jina-clip-v2-api", "auto")


@pytest.mark.parametrize(
    "given", ["", "here", "host:", ":6379", "host:99999", "host:²", "ray://host:1x"]
)
def test_an_address_that_is_none_is_refused(tmp_path: Path, given: str) -> None:
    made = Lab(cache=tmp_path)
    with pytest.raises(BadQuery, match="it must be auto, or HOST:PORT"):
        cluster.ahead(made, made.gallery("stamps"), "ahash", given)


def test_without_ray_the_line_that_installs_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    made = Lab(cache=tmp_path)
    with pytest.raises(NotReady, match=r'--ray needs Ray: pip install "ray\[data\]=='):
        cluster.ahead(made, made.gallery("stamps"), "ahash", "auto")


def test_a_cluster_that_is_not_there_is_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        gone = f"127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(Unreachable, match=f"no Ray cluster answers at {gone}"):
            by_ray(lab(tmp_path, folder), "ahash", gone)


def test_a_cluster_that_cannot_be_started_here_is_said() -> None:
    class Ray:
        def init(self, address: str, **_: object) -> None:
            raise ConnectionError if address == "auto" else RuntimeError("no\nport is free")

    with pytest.raises(Unreachable, match="the Ray cluster auto cannot be used: no port is free"):
        cluster._connect(Ray(), "auto")


def test_a_host_of_no_name_is_said() -> None:
    with pytest.raises(Unreachable, match=r"no Ray cluster answers at a\.\.b:5 "):
        cluster._reach("a..b:5")


def test_workers_are_as_many_as_the_machines_hold() -> None:
    def node(cores: float, alive: bool = True) -> dict[str, Any]:
        return {"Alive": alive, "Resources": {"CPU": cores} if cores else {}}

    assert cluster._workers([node(1), node(1)]) == (1, 2)
    assert cluster._workers([node(8), node(32), node(0), node(4, False)]) == (8, 5)
    with pytest.raises(Unreachable, match="no machine with a core"):
        cluster._workers([node(0)])


# --- the store's side, without Ray ---------------------------------------------------------------


@pytest.mark.usefixtures("chunks")
def test_what_comes_from_elsewhere_in_any_order_is_kept_in_the_rows_order(tmp_path: Path) -> None:
    gallery, embedder = Colours(100), Colour(COLOUR)
    shop = Store(tmp_path / "shipped", tmp_path / "cache")
    local = Store(tmp_path / "shipped", tmp_path / "local").vectors(
        gallery, COLOUR, lambda: embedder
    )

    def backwards(pieces: Any) -> Generator[tuple[int, Vectors]]:
        for at in reversed(range(1, len(pieces))):  # and the first is left to be done here
            yield at, embedder.images([gallery.image(row) for row in pieces[at]])

    far = shop.vectors(gallery, COLOUR, lambda: embedder, ahead=backwards)
    np.testing.assert_array_equal(far, local)
