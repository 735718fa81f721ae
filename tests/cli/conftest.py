"""What the tests of the command line share: a folder of pictures, and a run over it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from retrieval import cli
from retrieval.embedders import EMBEDDERS
from tests.cli.commands import SHARP, Run
from tests.fakes import BLIND, COLOUR, COLOURS


@pytest.fixture(autouse=True)
def plain_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PARALLAX_PRECISION", "PARALLAX_FOLDER"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="package")
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
