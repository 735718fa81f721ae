"""Processes that build the same thing at once, and those that are killed while they build."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retrieval.lab import Lab
from retrieval.panel import Panel
from retrieval.query import Query
from tests.held import LONGEST, ending
from tests.served import QUIET, ROOT

pytestmark = QUIET

BUILD = """
import sys
from pathlib import Path
from retrieval import manifest, store
from retrieval.lab import Lab
from retrieval.panel import Panel

lab = Lab(cache=Path(sys.argv[1]), folder=Path(sys.argv[2]))
stop = sys.argv[3]

def wait(*given):
    print("here", flush=True)
    sys.stdin.readline()

if stop == "start":
    wait()
elif stop == "index":
    from retrieval.indexes.faiss_binary import BinaryHnsw
    saved = BinaryHnsw._save
    BinaryHnsw._save = lambda index, folder: (saved(index, folder), wait())
elif stop == "manifest":
    described = manifest._describe
    manifest._describe = lambda folder, *rest: (described(folder, *rest), wait())
elif stop == "swap":
    swapped = manifest._swap
    manifest._swap = lambda beside, target: (swapped(beside, target), wait())
progress = wait if stop == "rows" else None
built = lab.index(lab.gallery("folder"), Panel("ahash", "faiss-binary-hnsw"), progress)
print("fresh" if built.fresh else "loaded", flush=True)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six hundred small pictures: more than are embedded between two looks at the disk."""
    made = tmp_path_factory.mktemp("pictures")
    noise = np.random.default_rng(0).integers(0, 255, (600, 8, 8), dtype=np.uint8)
    for number, pixels in enumerate(noise):
        Image.fromarray(pixels).resize((32, 32)).save(made / f"{number:03}.png")
    return made


def building(cache: Path, folder: Path, stop: str) -> subprocess.Popen[str]:
    """A process that builds, and waits at a place after it has said "here"."""
    command = [sys.executable, "-c", BUILD, str(cache), str(folder), stop]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, text=True, stdin=pipe, stdout=pipe)


def right(cache: Path, folder: Path) -> None:
    """A start on what was left answers, and tidies up."""
    lab = Lab(cache=cache, folder=folder)
    asked = [Panel.parse("ahash@exact"), Panel.parse("ahash@faiss-binary-hnsw")]
    for row in (0, 333, 599):
        results = list(lab.compare("folder", asked, Query(row=row), 5))
        assert [each.problem for each in results] == ["", ""]
        assert all(each.hits[0].row == row and each.hits[0].score == 1.0 for each in results)
        assert [each.recall for each in results] == [1.0, 1.0]
    left = [each for each in (cache / "artefacts" / "folder" / "ahash").iterdir() if each.is_dir()]
    assert {each.name.partition("-")[0] for each in left} - {"exact"} == {"faiss", "vectors"}
    for each in left:
        assert not each.name.startswith(".") and not each.name.endswith(".partial")


def test_two_processes_build_one_index(tmp_path: Path, folder: Path) -> None:
    with ExitStack() as ends:
        starts = (building(tmp_path, folder, "start") for _ in range(2))
        pair = [ends.enter_context(ending(each)) for each in starts]
        for each in pair:
            assert each.stdout is not None and each.stdout.readline() == "here\n"
        for each in pair:  # both are loaded now, and go
            assert each.stdin is not None
            each.stdin.write("\n")
            each.stdin.flush()
        said = [each.communicate(timeout=LONGEST)[0].strip() for each in pair]
    assert sorted(said) == ["fresh", "loaded"]
    assert [each.returncode for each in pair] == [0, 0]
    right(tmp_path, folder)


@pytest.mark.parametrize("stop", ["rows", "manifest", "swap", "index"])
def test_a_build_that_is_killed_is_made_up_for(tmp_path: Path, folder: Path, stop: str) -> None:
    with ending(building(tmp_path, folder, stop)) as victim:
        assert victim.stdout is not None
        assert victim.stdout.readline() == "here\n"
        os.kill(victim.pid, signal.SIGKILL)
        assert victim.wait(LONGEST) == -signal.SIGKILL
    assert list((tmp_path / "artefacts").rglob("*"))  # it had begun
    right(tmp_path, folder)
