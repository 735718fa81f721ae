"""The command line: its one sentence where it refuses."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from retrieval import cli
from tests.cli.commands import ASKED, ROOT, Run, refused

PNG = b"\x89PNG\r\n\x1a\n"


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
    (("--two\nlines",), "unrecognized arguments: --two lines;"),
]


@pytest.mark.parametrize(("wrong", "saying"), NAMES, ids=[" ".join(one) for one, _ in NAMES])
def test_what_is_mistyped_is_refused(run: Run, wrong: tuple[str, ...], saying: str) -> None:
    refused(run("search", *ASKED, "--panel", "colour@exact", *wrong, "--json"), saying)


@pytest.mark.parametrize(
    "both",
    [
        ("sweep", "--auto", "--both"),
        ("sweep", "--scale", "--both"),
        ("evaluate", "--panel", "colour@exact", "--pair", "colour@exact", "sharp@exact"),
    ],
    ids=" ".join,
)
def test_of_two_ways_to_answer_none_is_chosen(run: Run, both: tuple[str, ...]) -> None:
    refused(run(*both, "--json"), "not allowed with argument")


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
