"""Working folders: those of the living stay, those of the dead go."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from retrieval import cli
from retrieval.errors import NotReady
from retrieval.lab import Lab
from retrieval.runtime import working
from retrieval.runtime.working import PREFIX, Working
from retrieval.types import Metric
from retrieval.ui import launch
from tests.vectors import built, drawn

OTHER = """
import sys, tempfile
tempfile.tempdir = sys.argv[1]
from retrieval.types import Metric
from retrieval.ui import launch
from tests.vectors import built, drawn
index = built(sys.argv[2], Metric.COSINE, drawn(Metric.COSINE, 100))
print("built", flush=True)
sys.stdin.read()
"""


STOPPED = """
import runpy, sys, tempfile
tempfile.tempdir = sys.argv.pop()
from retrieval import cli
from retrieval.runtime.working import Working
used = Working()
cli.main = lambda argv: cli.STOPPED
runpy.run_module("retrieval", run_name="__main__")
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary folder."""
    made = tmp_path / "temporary"
    made.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(made))
    return made


@contextmanager
def another(place: Path, name: str) -> Iterator[subprocess.Popen[str]]:
    """A process that uses an index, killed at the end."""
    command = [sys.executable, "-c", OTHER, str(place), name]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "built\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("name", ["qdrant-hnsw", "annoy"])
def test_what_a_killed_process_left_goes_when_the_next_one_works(name: str, place: Path) -> None:
    vectors = drawn(Metric.COSINE, 100)
    with another(place, name):
        (theirs,) = place.iterdir()
        kept = sorted(theirs.rglob("*"))
        built(name, Metric.COSINE, vectors).close()
        assert list(place.iterdir()) == [theirs]
        assert sorted(theirs.rglob("*")) == kept
    assert list(place.iterdir()) == [theirs]  # nobody was left to remove it
    index = built(name, Metric.COSINE, vectors)
    assert not theirs.exists()
    index.close()
    assert not list(place.iterdir())


def test_folders_of_one_process_stay_beside_each_other() -> None:
    first, second = Working(), Working()
    assert first.path.is_dir() and second.path.is_dir()
    first.remove()
    first.remove()
    assert not first.path.exists() and second.path.is_dir()


def test_the_end_of_the_page_leaves_none(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program ends at once, without the interpreter's own end."""

    class Page:
        def block_thread(self) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(launch, "start", lambda *_: Page())
    monkeypatch.setattr(launch, "warm", lambda _: None)
    used = Working()
    with pytest.raises(KeyboardInterrupt):
        launch.serve(lab, "127.0.0.1", None)
    assert not used.path.exists()


def test_a_command_that_is_stopped_leaves_none(place: Path) -> None:
    """It ends at once, too."""
    done = subprocess.run([sys.executable, "-c", STOPPED, str(place)], check=False)
    assert done.returncode == cli.STOPPED
    assert not list(place.iterdir())


def test_another_user_s_folder_is_left_alone(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = place / f"{PREFIX}theirs"
    theirs.mkdir()
    (theirs / "data").write_text("kept")
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    working.sweep()
    assert (theirs / "data").read_text() == "kept"
    monkeypatch.undo()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    working.sweep()
    assert not theirs.exists()


def test_a_link_or_a_file_of_such_a_name_leads_nowhere(place: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (place / f"{PREFIX}link").symlink_to(tmp_path / "mine")
    (place / f"{PREFIX}file").write_text("mine")
    working.sweep()
    assert (tmp_path / "mine").is_dir()
    assert len(list(place.iterdir())) == 2


def test_one_that_is_swept_before_it_is_locked_is_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lock, swept = working._lock, list[Path]()

    def late(held: int, wait: bool = True) -> None:
        if wait and not swept:  # another process comes between
            swept.append(Path(f"/proc/self/fd/{held}").readlink())
            swept[0].rmdir()
        lock(held, wait)

    monkeypatch.setattr(working, "_lock", late)
    with Working() as made:
        assert made.path.is_dir() and made.path != swept[0]


def test_no_room_for_one_is_said(place: Path) -> None:
    place.rmdir()
    with pytest.raises(NotReady, match=r"cannot write .*temporary: No such file .* set TMPDIR"):
        Working()
