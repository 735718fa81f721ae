"""The command line: what it builds and verifies, and a build that is stopped."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from retrieval import cli
from retrieval.commands import verify
from retrieval.embedders import EMBEDDERS
from retrieval.indexes import INDEXES
from retrieval.lab import Lab
from retrieval.types import Spec
from tests.cli.commands import Run, Stopping, process, refused
from tests.fakes import COLOUR
from tests.held import ending


def test_build_says_what_it_built_and_then_that_it_was_there(run: Run) -> None:
    wanted = ("--gallery", "folder", "--index", "colour@faiss-hnsw?M=16")
    code, out, _ = run("build", *wanted, "--json")
    (built,) = json.loads(out)["built"]
    (row,) = built["embedders"]
    assert code == 0
    assert (built["gallery"], built["rows"], row["embedder"]) == ("folder", 15, "colour")
    assert row["indexes"].keys() == {"faiss-hnsw?M=16"}
    assert row["indexes"]["faiss-hnsw?M=16"].startswith("built in")
    assert row["overlap"] is None
    _, out, err = run("build", *wanted)
    assert "faiss-hnsw?M=16 was there" in out
    assert err == ""


def test_build_of_all_indexes_lists_those_that_fit(run: Run) -> None:
    code, out, _ = run("build", "--gallery", "folder", "--embedder", "colour", "--json")
    indexes = json.loads(out)["built"][0]["embedders"][0]["indexes"]
    assert code == 0
    assert "exact" in indexes and "faiss-hnsw" in indexes
    assert "faiss-binary-flat" not in indexes


def test_a_server_that_is_down_keeps_no_other_index_from_being_built(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARALLAX_QDRANT", "http://127.0.0.1:1")
    specs = [INDEXES.spec(name) for name in ("qdrant-server", "exact")]
    monkeypatch.setattr(INDEXES, "specs", lambda: specs)
    code, out, _ = run("build", "--gallery", "folder", "--embedder", "colour", "--json")
    indexes = json.loads(out)["built"][0]["embedders"][0]["indexes"]
    assert code == 0
    assert "at 127.0.0.1:1 does not answer" in indexes["qdrant-server"]
    assert indexes["exact"].startswith("built in")


def test_bfloat16_prints_its_overlap_with_float32(run: Run) -> None:
    wanted = ("build", "--gallery", "folder", "--index", "sharp@exact")
    _, out, _ = run(*wanted, "--precision", "bfloat16")
    assert "no float32 vectors here to compare with" in out
    run(*wanted)
    _, out, _ = run(*wanted, "--precision", "bfloat16", "--json")
    told = json.loads(out)["built"][0]["embedders"][0]["overlap"]
    assert (told["precision"], told["queries"], told["k"]) == ("bfloat16", 15, 10)
    assert 0 < told["share"] < 1


def test_the_precision_of_the_environment_holds(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARALLAX_PRECISION", "bfloat16")
    _, out, _ = run("build", "--gallery", "folder", "--index", "sharp@exact", "--json")
    assert json.loads(out)["built"][0]["embedders"][0]["overlap"]["precision"] == "bfloat16"


def test_verify_passes_and_then_names_what_is_damaged(run: Run, tmp_path: Path) -> None:
    run("build", "--gallery", "folder", "--index", "colour@faiss-hnsw")
    code, out, _ = run("verify", "--quick", "--json")
    assert code == 0
    assert json.loads(out)["embedded_again"] is False
    shard = next((tmp_path / "cache").rglob("vectors-*.npy"))
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    refused(run("verify", "--quick", "--json"), "differs from its manifest")


def test_what_is_not_here_today_is_not_wrong(
    run: Run, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    assert run("build", "--gallery", "folder", "--index", "colour@exact")[0] == 0
    (folder,) = (cache / "artefacts" / "folder" / "colour").glob("vectors-*/")

    def problem(of: Path) -> str:
        return verify._problem(Lab(cache=cache, folder=of), folder, quick=False)

    assert problem(pictures) == ""
    assert problem(tmp_path / "moved") == ""
    monkeypatch.setitem(EMBEDDERS._specs, "colour", replace(COLOUR, needs=("no_such_library",)))
    assert problem(pictures) == ""


BUILDS = [
    (("--gallery", "nowhere"), "no gallery is called 'nowhere'"),
    (("--embedder", "nobody"), "no embedder is called 'nobody'"),
    (("--index", "nothing"), "no index is called 'nothing'"),
    (("--index", "colour@faiss-hnsw?M=1"), "M is 1; it must be"),
    (("--limit", "0"), "--limit is 0; it must be 1 or more"),
]


@pytest.mark.parametrize(("wrong", "saying"), BUILDS, ids=[" ".join(one) for one, _ in BUILDS])
def test_a_build_refuses_before_it_begins(
    run: Run, tmp_path: Path, wrong: tuple[str, str], saying: str
) -> None:
    refused(run("build", "--embedder", "colour", *wrong, "--json"), saying)
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_cannot_be_written_is_one_sentence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    wanted = ("build", "--gallery", "folder", "--embedder", "colour", "--json")
    refused(run(*wanted, cache=tmp_path / "file"), "set PARALLAX_CACHE to a folder that can be")


def test_a_cache_that_becomes_unwritable_is_no_success(run: Run, tmp_path: Path) -> None:
    """The vectors are there, the index cannot be kept: that is not told as built."""
    wanted = ("build", "--gallery", "folder", "--index", "colour@faiss-hnsw")
    assert run("build", "--gallery", "folder", "--index", "colour@exact")[0] == 0
    assert run(*wanted, cache=tmp_path / "other")[0] == 0
    lock = next((tmp_path / "other").rglob(".faiss-hnsw-*.lock"))
    (tmp_path / "cache" / lock.relative_to(tmp_path / "other")).mkdir()
    refused(run(*wanted, "--json"), "cannot write")


def test_a_stopped_build_goes_on_where_it_was(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = tmp_path / "many"
    many.mkdir()
    for number in range(600):
        Image.new("RGB", (2, 2), (number % 255 + 1, 9, 9)).save(many / f"{number}.png")
    stopping = Spec("stopping", "Stops", f"{__name__}:Stopping", dim=3, revision="1")
    monkeypatch.setitem(EMBEDDERS._specs, "stopping", stopping)
    wanted = ("build", "--folder", str(many), "--gallery", "folder", "--index", "stopping@exact")
    Stopping.left = 512
    code, out, err = run(*wanted)
    assert (code, out) == (cli.STOPPED, "")
    assert err.endswith("parallax: stopped; the same command goes on from here\n")
    Stopping.left = 600 - 512
    assert run(*wanted)[0] == 0
    assert Stopping.left == 0


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Where the tests run in the background, who starts them may have told all to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


HELD = """
import runpy, time
from retrieval.commands import build
bar = build.progress
def progress():
    told = bar()
    def held(what, done, total):
        told(what, done, total)
        while done >= 560:
            time.sleep(0.01)  # a signal just before one long sleep would wait for its end
    return held
build.progress = progress
runpy.run_module("retrieval", run_name="__main__")
"""


def done(line: str) -> int:
    """Of a line of the bar; how many it tells of at once is the decoder's affair."""
    told = re.search(r"([\d,]+)/1,600", line)
    return int(told[1].replace(",", "")) if told else 0


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_a_build_with_130_and_the_next_goes_on(tmp_path: Path) -> None:
    many = tmp_path / "many"
    many.mkdir()
    for number in range(1600):
        Image.new("L", (9, 9), number % 256).save(many / f"{number}.png")
    cache = tmp_path / "cache"
    wanted = ("build", "--folder", str(many), "--gallery", "folder", "--index", "whash@exact")
    with ending(process(*wanted, "--json", cache=cache, python=("-c", HELD))) as build:
        assert build.stderr is not None
        assert any(done(line) >= 560 for line in build.stderr)  # beyond the first chunk
        build.send_signal(signal.SIGINT)
        out, err = build.communicate()
    assert (build.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "parallax: stopped; the same command goes on from here"
    assert list(cache.rglob("chunk.npy"))
    with ending(process(*wanted, "--json", cache=cache)) as again:
        out, err = again.communicate()
    assert again.returncode == 0, err
    assert json.loads(out)["built"][0]["rows"] == 1600
