"""How far something is, on stderr."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from retrieval.cli import main
from retrieval.commands.bar import CLEAR, Course, line, progress
from retrieval.telling import Bar, telling
from retrieval.work import Work


def test_what_was_there_is_no_work_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build that goes on at row 512 has made none of those 512 in its first second."""
    clock = SimpleNamespace(monotonic=lambda: 108.0)
    monkeypatch.setattr("retrieval.commands.bar.time", clock)
    course = Course(512, start=100.0)
    assert "/s" not in course.line("embedding stamps", 512, 785)
    line = course.line("embedding stamps", 528, 785)
    assert "528/785  2/s" in line and "left" in line
    assert line.split("/s")[1].split()[0] == "128"  # 257 rows at two a second


def test_what_was_there_before_is_no_speed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 100.0
    clock = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr("retrieval.commands.bar.time", clock)
    bar = progress()
    said = []
    for what, done, later in (("loading", 500, 10), ("loading", 600, 90), ("indexing", 0, 1)):
        bar(what, done, 1000)
        said.append(capsys.readouterr().err.split("]")[1].split())
        now += later
    bar("indexing", 300, 1000)
    assert said == [["500/1,000"], "600/1,000 10/s 40 s left".split(), ["0/1,000"]]
    assert "300/1,000  300/s  2 s left" in capsys.readouterr().err


def test_a_log_gets_some_lines_and_no_more(capsys: pytest.CaptureFixture[str]) -> None:
    bar = progress()
    for done in range(1001):
        bar("embedding", done, 1000)
    assert len(capsys.readouterr().err.splitlines()) == 21


def test_nobody_waits_for_a_download_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    work = Work()
    work.heard = progress()
    with work.doing("dinov2-s", "loading DINOv2") as told, telling(told):
        Bar(desc="config.json", total=500).update(500)  # less than is counted
        Bar(desc="model.safetensors", total=88_000_000).update(44_000_000)
    said = capsys.readouterr().err
    assert "downloading model.safetensors, MB  [###############" in said and "44/88" in said
    assert "config.json" not in said


def test_who_is_told_already_is_told_once() -> None:
    heard: list[str] = []
    told: list[str] = []
    work = Work()
    work.heard = lambda what, done, total: heard.append(what)
    with work.doing("a", "reading", lambda what, done, total: told.append(what)) as tell:
        tell("reading", 1, 2)
    assert (heard, told) == ([], ["reading"])


def test_every_command_says_on_a_terminal_what_it_waits_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search embeds a gallery whose vectors are nowhere, and says so; a pipe gets the answer."""
    from PIL import Image

    (tmp_path / "mine").mkdir()
    for shade in range(3):
        Image.new("RGB", (8, 8), (80 * shade, 0, 0)).save(tmp_path / "mine" / f"{shade}.png")
    given = ["--folder", str(tmp_path / "mine"), "--cache", str(tmp_path / "cache")]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    asked = ["--image", str(tmp_path / "mine" / "0.png"), "--panel", "colours@exact"]
    assert main(["search", "--gallery", "folder", *given, *asked]) == 0
    assert "embedding folder with colours" in capsys.readouterr().err


def test_a_line_is_written_over_on_a_terminal_and_a_log_has_its_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for terminal, wanted in ((False, "b: 2\n"), (True, f"\rb: 1 {CLEAR}\rb: 2 {CLEAR}\n")):
        monkeypatch.setattr(sys.stderr, "isatty", lambda here=terminal: here)
        with line():
            pass
        with pytest.raises(KeyError), line() as say:
            say("b: 1")
            say("b: 2")
            raise KeyError
        assert capsys.readouterr().err == wanted
