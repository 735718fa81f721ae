"""The command line: what it answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from retrieval import cli
from tests.cli.commands import ASKED, ROOT, Run, process, refused
from tests.held import ending


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


def test_a_reader_that_leaves_is_no_complaint(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)  # before it says anything
    with ending(process("list", cache=tmp_path, stdout=writer)) as listing:
        os.close(writer)
        assert listing.stderr is not None and listing.stderr.read() == ""
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
    given = (*asked, "--panel", "phash@exact")
    with ending(process(*given, cache=tmp_path / "cache", env=ascii_only)) as shown:
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
