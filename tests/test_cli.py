"""The command line: its answers, its exit codes, its one sentence where it refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from retrieval import cli
from retrieval.commands.build import progress
from retrieval.embedders import EMBEDDERS
from retrieval.indexes import INDEXES
from retrieval.types import Spec, Vectors
from tests.fakes import BLIND, COLOUR, COLOURS, Colour

ROOT = Path(__file__).parents[1]
SHARP = Spec("sharp", "By precision", f"{__name__}:Sharp", dim=3, revision="1")
PNG = b"\x89PNG\r\n\x1a\n"
Run = Callable[..., tuple[int, str, str]]


class Sharp(Colour):
    """Mean colours; in bfloat16 the gallery is turned round, so that neighbours change."""

    def _images(self, batch: Sequence[Image.Image]) -> Vectors:
        exact = super()._images(batch)
        if self.spec.precision == "float32":
            return exact
        return np.random.default_rng(len(batch)).random(exact.shape, np.float32)


class Stopping(Colour):
    """Stops like Ctrl-C after so many pictures."""

    left = 0

    def _images(self, batch: Sequence[Image.Image]) -> Vectors:
        if Stopping.left < len(batch):
            raise KeyboardInterrupt
        Stopping.left -= len(batch)
        return super()._images(batch)


@pytest.fixture(autouse=True)
def plain_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PARALLAX_PRECISION", "PARALLAX_FOLDER"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for name, colour in COLOURS.items():
        (folder / name).mkdir()
        for shade in range(3):
            darker = (colour[0] - shade, colour[1] - shade, colour[2] - shade)
            Image.new("RGB", (8, 8), darker).save(folder / name / f"{shade}.png")
    lines = [f"{name}/{shade}.png,a {name} field" for name in COLOURS for shade in range(3)]
    (folder / "captions.csv").write_text("\n".join(["file,caption", *lines]), "utf-8")
    return folder


@pytest.fixture
def run(
    tmp_path: Path,
    pictures: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Run the command line in this process: code, stdout, stderr."""
    for spec in (COLOUR, BLIND, SHARP):
        monkeypatch.setitem(EMBEDDERS._specs, spec.name, spec)

    def go(command: str, *arguments: str, cache: Path = tmp_path / "cache") -> tuple[int, str, str]:
        places = ("--folder", str(pictures), "--cache", str(cache))
        try:
            code = cli.main([command, *places, *arguments])
        except SystemExit as end:  # how argparse refuses
            code = int(end.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return go


def refused(answer: tuple[int, str, str], saying: str) -> None:
    """One sentence on stderr, nothing on stdout, and 2."""
    code, out, err = answer
    assert (code, out) == (2, "")
    assert err.startswith("parallax: ") and err.count("\n") == 1 and err.endswith("\n")
    assert saying in err
    assert len(err) < 600


def process(*arguments: str, cache: Path, **more: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "retrieval", *arguments, "--cache", str(cache)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


ASKED = ("--gallery", "folder", "--text", "red", "-k", "4")


def test_compare_prints_the_documented_json(run: Run) -> None:
    panels = ("--panel", "colour@exact", "--panel", "colour@faiss-hnsw?efSearch=16")
    code, out, err = run("compare", *ASKED, *panels, "--json")
    assert (code, err) == (0, "")
    first, second = json.loads(out)["panels"]
    assert [each["index"] for each in (first, second)] == ["exact", "faiss-hnsw"]
    for panel in (first, second):
        assert {"embedder", "index", "hits", "timings", "recall", "problem"} <= set(panel)
        assert panel["embedder"] == "colour"
        assert panel["problem"] is None
        assert [hit["rank"] for hit in panel["hits"]] == [1, 2, 3, 4]
        assert set(panel["hits"][0]) == {"row", "rank", "score", "caption", "label"}
        assert {hit["label"] for hit in panel["hits"][:3]} == {"red"}
        assert panel["hits"][0]["caption"] == "a red field"
        stages = [panel["timings"][name] for name in cli_stages()]
        assert panel["timings"]["total"] == pytest.approx(sum(stages))
    assert first["recall"] == 1.0


def cli_stages() -> tuple[str, ...]:
    return ("decode", "embed", "search", "rescore", "fetch")


@pytest.mark.parametrize("by", [("--text", "red"), ("--row", "0"), ("--image", "IMAGE")])
def test_search_answers_every_kind_of_query(run: Run, pictures: Path, by: tuple[str, str]) -> None:
    what, value = by
    value = value.replace("IMAGE", str(pictures / "red" / "1.png"))
    panel = ("--panel", "colour@exact", "--gallery", "folder")
    code, out, _ = run("search", what, value, "-k", "3", *panel, "--json")
    (answer,) = json.loads(out)["panels"]
    assert code == 0
    assert len(answer["hits"]) == 3


def test_people_read_captions_and_times(run: Run) -> None:
    code, out, _ = run("search", *ASKED, "--panel", "colour@exact")
    assert code == 0
    assert "a red field" in out and "recall 1.00" in out and "search" in out


def test_a_panel_that_cannot_answer_costs_itself_alone(run: Run) -> None:
    panels = ("--panel", "blind@exact", "--panel", "colour@exact")
    code, out, _ = run("compare", *ASKED, *panels, "--json")
    blind, colour = json.loads(out)["panels"]
    assert code == 0
    assert "reads pictures only" in blind["problem"] and blind["hits"] == []
    assert colour["problem"] is None and len(colour["hits"]) == 4


def test_no_panel_that_can_answer_is_a_refusal(run: Run) -> None:
    panels = ("--panel", "blind@exact", "--panel", "blind@faiss-flat")
    refused(run("compare", *ASKED, *panels, "--json"), "reads pictures only; give it a picture")


@pytest.mark.parametrize("kind", [(), ("galleries",), ("embedders",), ("indexes",)])
def test_list_is_json_by_kind(run: Run, kind: tuple[str, ...]) -> None:
    code, out, err = run("list", *kind, "--json")
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert set(answer) == set(kind or ("galleries", "embedders", "indexes"))
    for rows in answer.values():
        assert all(row["name"] and row["state"] for row in rows)


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


def test_every_command_is_found_alone_and_among_all(capsys: pytest.CaptureFixture[str]) -> None:
    for name in cli.COMMANDS:
        with pytest.raises(SystemExit, match="0"):
            cli.main([name, "--help"])
        assert f"python -m retrieval {name}" in capsys.readouterr().out
    refused((cli_code("frob"), *capsys.readouterr()), "choose from")
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--help"])
    out = capsys.readouterr().out
    assert all(name in out for name in cli.COMMANDS)
    modules = {path.stem for path in (ROOT / "retrieval" / "commands").glob("*.py")}
    added = {name for name in modules if "def add(" in command_text(name)}
    assert added == set(cli.COMMANDS.values())


def cli_code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    return int(ended.value.code or 0)


def command_text(name: str) -> str:
    return (ROOT / "retrieval" / "commands" / f"{name}.py").read_text("utf-8")


NAMES = [
    (("--gallery", "stamp"), "no gallery is called 'stamp'; perhaps: stamps"),
    (("--panel", "color@exact"), "no embedder is called 'color'; perhaps: colour"),
    (("--panel", "colour@exat"), "no index is called 'exat'; perhaps: exact"),
    (("--panel", "colour@exact?deep=1"), "exact has no knob 'deep'"),
    (("--panel", "colour@faiss-hnsw?efSearch=0"), "efSearch is 0; it must be"),
    (("--panel", "colour@faiss-hnsw?efSearch=x"), "efSearch is 'x'; it must be a whole number"),
    (("--panel", "colour"), "a panel is written EMBEDDER@INDEX"),
    (("-k", "0"), "k is 0; it must be between 1 and 1,000"),
    (("-k", "1000000000"), "k is 1000000000"),
    (("-k", "ten"), "invalid int value: 'ten'"),
    (("--precision", "half"), "the precision is 'half'; it must be float32 or bfloat16"),
    (("--row", "3"), "not allowed with"),
    (("--colour",), "unrecognized arguments"),
]


@pytest.mark.parametrize(("wrong", "saying"), NAMES, ids=[" ".join(one) for one, _ in NAMES])
def test_what_is_mistyped_is_refused(run: Run, wrong: tuple[str, ...], saying: str) -> None:
    refused(run("search", *ASKED, "--panel", "colour@exact", *wrong, "--json"), saying)


def test_one_mistyped_panel_is_refused_beside_a_sound_one(run: Run) -> None:
    panels = ("--panel", "colour@exact", "--panel", "nope@exact")
    refused(run("compare", *ASKED, *panels, "--json"), "no embedder is called 'nope'")


TEXTS = [("", "the text is empty"), ("x" * 1_000_000, "1,000,000 characters"), ("\ud800", "half")]


@pytest.mark.parametrize(("text", "saying"), TEXTS, ids=["empty", "megabyte", "surrogate"])
def test_a_text_that_is_none_is_refused(run: Run, text: str, saying: str) -> None:
    asked = ("--gallery", "folder", "--text", text, "--panel", "colour@exact", "--json")
    refused(run("search", *asked), saying)


def bomb() -> bytes:
    """A PNG of 100 megapixels in 12 KB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(kind + data).to_bytes(4)
        return len(data).to_bytes(4) + kind + data + crc

    side = (10_000).to_bytes(4)
    pixels = zlib.compress(bytes(1251 * 10_000), 9)
    head = side + side + bytes((1, 0, 0, 0, 0))
    return PNG + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


IMAGES = [
    (None, "there is no file"),
    (b"", "the picture is empty (0 bytes)"),
    (b"I am a text", "this is no picture that can be read"),
    (bomb(), "100 megapixels; at most 25"),
    (PNG + b"cut", "this PNG is broken or cut off"),
]


@pytest.mark.parametrize(
    ("data", "saying"), IMAGES, ids=["missing", "empty", "text", "bomb", "cut off"]
)
def test_a_picture_that_is_none_is_refused(
    run: Run, tmp_path: Path, data: bytes | None, saying: str
) -> None:
    path = tmp_path / "given.png"
    if data is not None:
        path.write_bytes(data)
    asked = ("--gallery", "folder", "--image", str(path), "--panel", "colour@exact", "--json")
    refused(run("search", *asked), saying)


def test_a_folder_that_is_missing_is_refused(run: Run, tmp_path: Path) -> None:
    missing = ("--folder", str(tmp_path / "nowhere"))
    refused(run("search", *ASKED, "--panel", "colour@exact", *missing), "there is no folder")


def test_a_bad_precision_in_the_environment_is_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARALLAX_PRECISION", "int8")
    refused(run("search", *ASKED, "--panel", "colour@exact"), "the precision is 'int8'")


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


def test_what_was_there_before_is_no_speed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    bar = progress()
    said = []
    for what, done, later in (("loading", 500, 10), ("loading", 600, 90), ("indexing", 0, 1)):
        bar(what, done, 1000)
        said.append(capsys.readouterr().err.split("]")[1].split())
        now += later
    bar("indexing", 300, 1000)
    assert said == [["500/1,000"], "600/1,000 10/s 40 s left".split(), ["0/1,000"]]
    assert "300/1,000  300/s  2 s left" in capsys.readouterr().err


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Where the tests run in the background, who starts them may have told all to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_a_build_with_130_and_the_next_goes_on(tmp_path: Path) -> None:
    many = tmp_path / "many"
    many.mkdir()
    for number in range(1600):
        Image.new("L", (9, 9), number % 256).save(many / f"{number}.png")
    cache = tmp_path / "cache"
    wanted = ("build", "--folder", str(many), "--gallery", "folder", "--index", "whash@exact")
    build = process(*wanted, "--json", cache=cache)
    assert build.stderr is not None
    assert any("560/1,600" in line for line in build.stderr)  # beyond the first chunk
    build.send_signal(signal.SIGINT)
    out, err = build.communicate()
    assert (build.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "parallax: stopped; the same command goes on from here"
    assert list(cache.rglob("chunk.npy"))
    again = process(*wanted, "--json", cache=cache)
    out, err = again.communicate()
    assert again.returncode == 0, err
    assert json.loads(out)["built"][0]["rows"] == 1600


def test_a_reader_that_leaves_is_no_complaint(tmp_path: Path) -> None:
    listing = process("list", cache=tmp_path)
    assert listing.stdout is not None and listing.stderr is not None
    listing.stdout.close()
    with listing.stderr:
        assert listing.stderr.read() == ""
    assert listing.wait() == cli.PIPE


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_an_answer_that_cannot_be_written_is_one_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "retrieval", "list", "--json"],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 2
    assert done.stderr == "parallax: the answer: No space left on device\n"


def test_a_terminal_without_the_signs_still_shows_the_answer(
    tmp_path: Path, pictures: Path
) -> None:
    owl = tmp_path / "own"
    owl.mkdir()
    (owl / "\N{OWL}.png").write_bytes((pictures / "red" / "0.png").read_bytes())
    (owl / "captions.csv").write_text("file,caption\n\N{OWL}.png,an \N{OWL}", "utf-8")
    asked = ("search", "--folder", str(owl), "--gallery", "folder", "--row", "0")
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    shown = process(*asked, "--panel", "phash@exact", cache=tmp_path / "cache", env=ascii_only)
    out, err = shown.communicate()
    assert shown.returncode == 0, err
    assert r"an \U0001f989" in out


def test_the_command_of_the_readme_answers() -> None:
    """Both ways to the same stamps, from what ships, in a process of its own."""
    panels = ("--panel", "conse-lite2@exact", "--panel", "conse-lite2@faiss-hnsw?efSearch=16")
    asked = ("--gallery", "stamps", *panels, "--text", "a bird", "-k", "10", "--json")
    done = subprocess.run(
        [sys.executable, "-m", "retrieval", "compare", *asked],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    first, second = json.loads(done.stdout)["panels"]
    assert len(first["hits"]) == len(second["hits"]) == 10
    assert sum("birds" in hit["label"] for hit in first["hits"]) >= 5
    assert first["shared"] is False and second["shared"] is True
