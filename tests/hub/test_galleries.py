"""Hub galleries, by the real client against a hub on loopback."""

from __future__ import annotations

import json
import re
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from retrieval import probe
from retrieval.galleries import hub as galleries
from retrieval.galleries.catalog import Catalog
from tests.files import DATA
from tests.held import LONGEST
from tests.hub.split import ENTRY, build
from tests.hubclient import HubClient
from tests.hubserver import HubServer, Trouble


def test_a_split_becomes_a_gallery(client: HubClient, tmp_path: Path) -> None:
    steps = build(client, tmp_path)["answer"]
    gallery = galleries.open_gallery(ENTRY, tmp_path)
    assert len(gallery) == 29  # row 3 holds no picture
    assert steps[-1] == ["tiny, 1 unreadable", 29, 29]
    assert gallery.image(3).size == (320, 160)
    assert gallery.captions([0, 3]) == ["picture 0", "picture 4"]
    assert gallery.labels([0, 1, 2, 3]) == ["", "cat", "dog", "cat"]
    assert gallery.sources([3]) == ["test 4 4.png"]
    assert galleries.state(ENTRY, tmp_path).kind == "ready"
    manifest = json.loads((galleries.place(ENTRY, tmp_path) / "manifest.json").read_text())
    assert (manifest["rows"], manifest["unreadable"], len(manifest["files"])) == (29, 1, 4)
    gallery.verify()


def test_pictures_are_those_of_the_split(client: HubClient, tmp_path: Path) -> None:
    build(client, tmp_path)
    gallery = galleries.open_gallery(ENTRY, tmp_path)
    for row, number in ((0, 0), (28, 29)):
        red, _, blue = gallery.image(row).resize((1, 1)).tobytes()
        assert abs(red - number * 8) < 6 and abs(blue - 255 + number * 8) < 6


def test_datasets_reads_what_is_built(client: HubClient, tmp_path: Path) -> None:
    build(client, tmp_path)
    folder = str(galleries.place(ENTRY, tmp_path))
    code = """
from datasets import load_dataset
rows = load_dataset("parquet", data_files=folder + "/part-*.parquet", split="train")
answer = [len(rows), rows[0]["image"].size, rows[0]["captions"], sorted(rows.features)]
"""
    count, size, captions, columns = client.run(code, folder=folder)["answer"]
    assert (count, size) == (29, [320, 160])
    assert captions == [
        {"language": "en", "caption": "picture 0"},
        {"language": "en", "caption": "number 0"},
    ]
    assert columns == ["caption", "captions", "image", "label", "labels", "licence", "source"]


def test_a_limit_can_be_raised(client: HubClient, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    build(client, whole)
    build(client, tmp_path, limit=10)
    assert len(galleries.open_gallery(ENTRY, tmp_path)) == 10
    steps = build(client, tmp_path)["answer"]
    assert steps[0][1] == 11  # the ten are kept
    mine, theirs = (galleries.open_gallery(ENTRY, each) for each in (tmp_path, whole))
    rows = range(len(theirs))
    assert [mine.encoded(row) for row in rows] == [theirs.encoded(row) for row in rows]
    assert mine.sources(rows) == theirs.sources(rows)


def test_what_is_built_asks_nobody(server: HubServer, client: HubClient, tmp_path: Path) -> None:
    build(client, tmp_path)
    server.log.clear()
    assert build(client, tmp_path)["answer"] == [["tiny, 1 unreadable", 29, 29]]
    assert build(client, tmp_path, limit=5)["answer"] == [["tiny, 1 unreadable", 29, 29]]
    assert server.log == []


def test_the_hub_is_asked_once_and_not_waited_for(
    server: HubServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setattr(probe, "_PROBES", {})
    go_on = threading.Event()
    server.trouble = Trouble(status=503, until=go_on)
    states = [galleries.state(replace(ENTRY, bytes=4_409_506_758), tmp_path)]
    go_on.set()
    assert probe.current().known.wait(LONGEST)
    states += [galleries.state(ENTRY, tmp_path) for _ in range(50)]
    assert states[0].kind == "download" and states[0].reason.startswith("4.4 GB: python -m")
    assert states[-1].kind == "unreachable" and "(503)" in states[-1].reason
    assert "size unknown" in states[-1].reason
    assert len(server.log) == 1


def test_a_progress_that_nobody_reads_is_no_trouble_with_the_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def gone(*_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(galleries.Build, "run", lambda build: build._progress("tiny", 1, 29))
    with pytest.raises(BrokenPipeError):
        galleries.build(ENTRY, tmp_path, None, gone)


def test_a_dead_hub_costs_no_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(probe, "_PROBES", {})
    go_on, ask = threading.Event(), probe.Probe._ask
    monkeypatch.setattr(probe.Probe, "_ask", lambda asked: go_on.wait(LONGEST) and ask(asked))
    galleries.state(ENTRY, tmp_path)  # at once, whatever is not known yet
    go_on.set()
    assert probe.current().known.wait(LONGEST)
    found = galleries.state(ENTRY, tmp_path)
    assert found.kind == "unreachable" and "does not answer" in found.reason
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE" in galleries.state(ENTRY, tmp_path).reason


def test_a_command_line_waits_for_the_answer(
    server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setattr(probe, "_PROBES", {})
    server.trouble = Trouble(status=500)
    assert probe.settled(LONGEST).kind == "unreachable"
    assert len(server.log) == 1


def test_the_catalogue_pins_what_it_names() -> None:
    shipped = [each for each in Catalog(DATA, DATA).entries() if each.kind == "hub"]
    assert len(shipped) >= 8
    for each in shipped:
        assert re.fullmatch("[0-9a-f]{40}", each.revision), each.name
        assert each.source == f"https://huggingface.co/datasets/{each.repo}"
        assert each.licence.link.startswith("https://") and each.note
    assert sum(bool(each.caption) for each in shipped) >= 2
    assert sum(bool(each.label) for each in shipped) >= 5
