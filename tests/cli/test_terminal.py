"""The command line: what the shell and the terminal do to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from retrieval import cli
from tests.cli.commands import ROOT, process

AT_THE_IMPORT = """
import runpy, sys
class Stopped:
    def find_spec(self, name, path=None, target=None):
        if name == "retrieval.cli":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Stopped())
runpy.run_module("retrieval", run_name="__main__")
"""


@pytest.mark.skipif(os.name == "nt", reason="no shell that closes streams")
@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-"])
def test_streams_that_are_closed_are_missed_by_nobody(closed: str, tmp_path: Path) -> None:
    listing = (sys.executable, "-m", "retrieval", "list", "galleries", "--json")
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *listing, "--cache", str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 0
    assert json.loads(done.stdout)["galleries"]


def test_a_refusal_that_nobody_reads_is_a_refusal(tmp_path: Path) -> None:
    with process("search", "--gallery", "nowhere", "--row", "0", cache=tmp_path) as refused:
        assert refused.stdout is not None and refused.stderr is not None
        refused.stderr.close()
        assert refused.stdout.read() == ""
    assert refused.returncode == 2


def test_ctrl_c_before_anything_has_begun_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "parser", stopped)  # which imports the command's module
    assert cli.main(["list"]) == cli.STOPPED
    assert capsys.readouterr().err.startswith("parallax: stopped")


def test_ctrl_c_at_the_first_import_says_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", AT_THE_IMPORT], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (cli.STOPPED, "", "")


def test_a_home_that_the_shell_left_is_found_by_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No shell reads the ``~`` of ``--cache=~/x``: vectors would stand apart from networks."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PARALLAX_FOLDER", "~/pictures")
    made = cli.lab(cli.parser("list").parse_args(["list", "--cache=~/kept"]))
    assert made.cache == tmp_path / "kept"
    assert made.catalog.folder == tmp_path / "pictures"
    made = cli.lab(cli.parser("list").parse_args(["list", "--folder=~/others"]))
    assert made.catalog.folder == tmp_path / "others"
