"""The README tells the truth about what there is."""

from __future__ import annotations

import re

import numpy as np
import pytest
import yaml

from retrieval.lab import DATA
from retrieval.panel import Panel
from scripts import make_readme

TEXT = make_readme.README.read_text("utf-8")


def test_its_tables_are_those_of_the_registries() -> None:
    assert make_readme.written(TEXT) == TEXT, "run python -m scripts.make_readme"


@pytest.mark.parametrize("gallery", ["stamps", pytest.param("clipart", marks=pytest.mark.slow)])
def test_its_figures_are_what_is_measured(gallery: str) -> None:
    tasks = make_readme.by_task(gallery)
    assert tasks
    for task, rows in tasks.items():
        shown = TEXT.partition(f"**{gallery}, {task}**")[2].strip().splitlines()[2:]
        for row, line in zip(rows, shown, strict=False):
            told = [cell.strip() for cell in line.strip("| ").split(" | ")]
            assert told[:2] == row[:2]
            np.testing.assert_allclose(figures(told), figures(row), atol=0.005)


def test_the_catalogue_is_that_of_the_registries() -> None:
    said = make_readme.CATALOGUE.read_text("utf-8")
    assert make_readme.catalogue() == said, "run python -m scripts.make_readme"


def figures(cells: list[str]) -> list[float]:
    return [float(each) for each in re.findall(r"\d\.\d+", " ".join(cells[2:]))]


def test_every_panel_that_it_names_can_be_written() -> None:
    panels = re.findall(r"[\"' ]([a-z0-9-]+@[a-z-]+(?:\?\w+=\d+)?)", TEXT)
    assert len(panels) >= 4
    for panel in panels:
        Panel.parse(panel)


def test_its_front_matter_is_that_of_a_space() -> None:
    front = yaml.safe_load(TEXT.split("---")[1])
    assert front["sdk"] == "gradio"
    assert (DATA.parent / front["app_file"]).is_file()
    assert len(front["short_description"]) <= 60
    assert f"gradio[mcp]=={front['sdk_version']}" in (DATA.parent / "requirements.txt").read_text()


def test_its_links_into_the_project_lead_somewhere() -> None:
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", TEXT):
        assert (DATA.parent / link).exists(), link
