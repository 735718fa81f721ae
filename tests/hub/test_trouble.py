"""Hub galleries where something goes wrong: killed, cut, refused, changed."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from retrieval.errors import Damaged, NotReady
from retrieval.galleries import hub as galleries
from tests.held import ending, until
from tests.hub.split import BUILD, ENTRY, OTHER, SHA, build
from tests.hubclient import HubClient, environ
from tests.hubserver import HubServer, Trouble


def test_a_damaged_file_is_built_again(client: HubClient, tmp_path: Path) -> None:
    build(client, tmp_path)
    path = galleries.place(ENTRY, tmp_path) / "part-00002.parquet"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    steps = build(client, tmp_path)["answer"]
    assert steps[0][1] == 17  # two files of eight were whole
    galleries.open_gallery(ENTRY, tmp_path).verify()


def test_killed_in_the_middle_it_goes_on(
    server: HubServer, client: HubClient, tmp_path: Path
) -> None:
    held = BUILD.replace("seen.append(step)", "time.sleep(600 if step[1] > 11 else 0)")
    given = {"entry": asdict(ENTRY), "cache": str(tmp_path / "cache"), "limit": None}
    code = f"import time\nglobals().update({given!r})\n{held}"
    first = galleries.place(ENTRY, tmp_path / "cache") / "journal.json"
    command = [sys.executable, "-c", code]
    with ending(subprocess.Popen(command, env=environ(tmp_path / "home", server.url))) as process:
        until(lambda: first.exists() or process.poll() is not None)
    assert first.exists() and not (first.parent / "manifest.json").exists()
    with pytest.raises(NotReady, match="tiny is not built yet"):
        galleries.open_gallery(ENTRY, tmp_path / "cache")
    steps = build(client, tmp_path / "cache")["answer"]
    assert steps[0][1] >= 8
    build(client, tmp_path / "whole")
    mine, theirs = (galleries.open_gallery(ENTRY, tmp_path / each) for each in ("cache", "whole"))
    assert mine.revision == theirs.revision


def test_two_builds_do_not_mix(client: HubClient, tmp_path: Path) -> None:
    folder = galleries.place(ENTRY, tmp_path)
    with galleries._alone(folder, ENTRY):
        refused = build(client, tmp_path)
    assert refused["error"] == "NotReady"
    assert "another process is building tiny" in refused["text"]


def test_a_cut_stream_goes_on(server: HubServer, client: HubClient, tmp_path: Path) -> None:
    server.trouble.cut = {"data/test-00001-of-00002.parquet": 700}
    assert "error" not in build(client, tmp_path)
    assert not server.trouble.cut  # it was cut
    assert len(galleries.open_gallery(ENTRY, tmp_path)) == 29


REFUSALS = {
    401: ("NotReady", "set HF_TOKEN"),
    403: ("NotReady", "lab/tiny is gated .403.: ask for access at http"),
    404: ("Unreachable", "correct the entry"),
    429: ("Unreachable", "asked too often .429.: try again in 7 s"),
    500: ("Unreachable", "the hub failed at lab/tiny .500.: try again later"),
}


@pytest.mark.parametrize("status", REFUSALS)
def test_a_refusal_is_one_sentence(
    server: HubServer, client: HubClient, tmp_path: Path, status: int
) -> None:
    server.trouble = Trouble(status=status, retry_after=7 if status == 429 else 0)
    refused = build(client, tmp_path)
    kind, sentence = REFUSALS[status]
    assert refused["error"] == kind
    assert "\n" not in refused["text"]
    assert re.search(sentence, refused["text"])


def test_corrupt_bytes_are_refused(server: HubServer, client: HubClient, tmp_path: Path) -> None:
    server.trouble.corrupt = {"data/test-00000-of-00002.parquet"}
    refused = build(client, tmp_path)
    assert refused["error"] == "Damaged" and "lab/tiny" in refused["text"]


def test_another_commit_is_refused(server: HubServer, client: HubClient, tmp_path: Path) -> None:
    refused = build(client, tmp_path, replace(ENTRY, revision=OTHER))
    assert refused["error"] == "Unreachable" and "404" in refused["text"]
    branch = build(client, tmp_path, replace(ENTRY, revision="main"))
    assert branch["error"] == "Damaged" and f"gave commit {SHA}" in branch["text"]


def test_a_missing_column_names_those_there(client: HubClient, tmp_path: Path) -> None:
    refused = build(client, tmp_path, replace(ENTRY, label="breed"))
    assert refused["error"] == "Damaged"
    assert "no column 'breed', it has: image, caption, label" in refused["text"]


def test_offline_is_said(server: HubServer, client: HubClient, tmp_path: Path) -> None:
    refused = build(client, tmp_path, environ={"HF_HUB_OFFLINE": "1"})
    assert refused["error"] == "Unreachable" and "HF_HUB_OFFLINE" in refused["text"]
    assert server.log == []


def test_nobody_there_is_said(client: HubClient, tmp_path: Path) -> None:
    refused = build(client, tmp_path, environ={"HF_ENDPOINT": "http://127.0.0.1:9"})
    assert refused["error"] == "Unreachable"
    assert "http://127.0.0.1:9 does not answer" in refused["text"]


def test_an_unknown_count_is_never_full_before_the_end(client: HubClient, tmp_path: Path) -> None:
    *during, last = build(client, tmp_path, replace(ENTRY, rows=0))["answer"]
    assert all(done < total for _, done, total in during)
    assert last[1:] == [29, 29]


def test_a_cache_that_cannot_be_written_is_said(client: HubClient, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = build(client, tmp_path / "file")
    assert refused["error"] == "NotReady" and "set PARALLAX_CACHE" in refused["text"]


def test_a_cut_manifest_says_what_to_do(client: HubClient, tmp_path: Path) -> None:
    build(client, tmp_path, limit=4)
    manifest = galleries.place(ENTRY, tmp_path) / "manifest.json"
    manifest.write_text(manifest.read_text()[:50])
    with pytest.raises(Damaged, match="run python -m retrieval build --gallery tiny"):
        galleries.open_gallery(ENTRY, tmp_path)
