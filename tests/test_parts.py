"""Downloads that go on where another process ended; the real client against a hub on loopback."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from retrieval.parts import SUFFIX
from retrieval.telling import Bar
from tests.held import LONGEST, ending, until
from tests.hubclient import HubClient
from tests.hubserver import HubServer, Trouble
from tests.hubtold import digest
from tests.parted import (
    CHUNK,
    FETCH,
    FILE,
    HALF,
    NEXT,
    SHA,
    SIZE,
    STOPPED,
    Here,
    begin,
    content,
    killed,
    left,
    parts,
    tree,
)


@pytest.fixture(scope="module")
def running() -> Iterator[HubServer]:
    with HubServer() as made:
        made.add("models", "lab/net", SHA, {FILE: os.urandom(SIZE), "config.json": b"{}"})
        yield made


@pytest.fixture
def server(running: HubServer) -> HubServer:
    running.trouble = Trouble()
    for each in (running.log, running.sent, running.tokens):
        each.clear()
    return running


@pytest.fixture(scope="module")
def process(running: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubClient]:
    with HubClient(tmp_path_factory.mktemp("elsewhere"), running.url) as made:
        yield made


@pytest.fixture
def client(process: HubClient, tmp_path: Path) -> Here:
    return Here(process, tmp_path)


def test_a_killed_download_goes_on_in_another_process(
    server: HubServer, client: Here, tmp_path: Path
) -> None:
    kept = killed(server, tmp_path)
    folder = Path(client.fetch()["answer"])
    assert (folder / FILE).read_bytes() == content(server)
    assert server.sent[FILE] == SIZE - kept
    assert not parts(tmp_path)


def test_the_cache_is_as_the_client_makes_it(
    server: HubServer, client: Here, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    killed(server, tmp_path)
    client.fetch()
    home = tmp_path_factory.mktemp("theirs")
    code = """
from huggingface_hub import hf_hub_download
for file in files:
    hf_hub_download("lab/net", file, revision=sha)
"""
    with HubClient(home, server.url) as theirs:
        theirs.run(code, files=[FILE, "config.json"], sha=SHA)
    assert tree(tmp_path) == tree(home)
    offline = "from huggingface_hub import snapshot_download\n"
    offline += "answer = snapshot_download('lab/net', revision=sha, local_files_only=True, **given)"
    given = {"cache_dir": str(tmp_path / "hub")}
    assert client.run(offline, sha=SHA, given=given)["answer"].endswith(SHA)


def test_a_stopped_download_goes_on(server: HubServer, client: Here, tmp_path: Path) -> None:
    given: dict[str, Any] = {"fetch": FETCH, "files": {FILE: ""}, "sha": SHA}
    told = client.run(STOPPED, stop_at=3, **given)["answer"]
    assert told[-1] == [3, 6]
    (part,) = parts(tmp_path)
    kept = part.stat().st_size
    assert kept >= 3_000_000 - CHUNK
    server.sent.clear()
    told = client.run(STOPPED, stop_at=-1, **given)["answer"]
    assert told[0] == [(kept + CHUNK) // 10**6, 6] and told[-2] == [6, 6]
    assert server.sent[FILE] == SIZE - kept


def test_a_part_that_is_whole_asks_for_nothing(
    server: HubServer, client: Here, tmp_path: Path
) -> None:
    left(server, tmp_path)
    (part,) = parts(tmp_path)
    part.write_bytes(content(server))
    assert "answer" in client.fetch()
    assert FILE not in server.sent


@pytest.mark.parametrize("redirect", [False, True])
def test_a_server_that_gives_no_parts_begins_anew(
    server: HubServer, client: Here, tmp_path: Path, redirect: bool
) -> None:
    left(server, tmp_path)
    server.trouble = Trouble(whole=True, redirect=redirect)
    folder = Path(client.fetch()["answer"])
    assert (folder / FILE).read_bytes() == content(server)
    assert server.sent[FILE] == SIZE


def test_a_content_network_gives_the_rest(server: HubServer, client: Here, tmp_path: Path) -> None:
    kept = left(server, tmp_path)
    server.trouble = Trouble(redirect=True)
    answer = client.run(FETCH, {"HF_TOKEN": "hf_mine"}, sha=SHA, files={FILE: ""})
    assert "answer" in answer
    assert server.sent[FILE] == SIZE - kept
    asked = f"/lab/net/resolve/{SHA}/{FILE}"
    assert server.tokens == {asked: "Bearer hf_mine"}  # nobody but the hub is shown it


def test_a_changed_file_begins_anew(server: HubServer, client: Here, tmp_path: Path) -> None:
    left(server, tmp_path)
    server.add("models", "lab/net", NEXT, {FILE: os.urandom(SIZE), "config.json": b"{}"})
    folder = Path(client.fetch(NEXT)["answer"])
    assert (folder / FILE).read_bytes() == content(server, NEXT)
    assert server.sent[FILE] == SIZE


@pytest.mark.parametrize("longer", [0, SIZE])
def test_a_part_with_other_bytes_is_noticed(
    server: HubServer, client: Here, tmp_path: Path, longer: int
) -> None:
    left(server, tmp_path)
    (part,) = parts(tmp_path)
    part.write_bytes(b"\0" * (part.stat().st_size + longer))
    answer = client.fetch()
    if not longer:  # more than the file has is thrown away at once
        assert answer["error"] == "Damaged"
        assert f"{FILE} of lab/net arrived damaged" in answer["text"]
        assert not parts(tmp_path)
        answer = client.fetch()
    assert (Path(answer["answer"]) / FILE).read_bytes() == content(server)


def test_two_processes_download_once(server: HubServer, tmp_path: Path) -> None:
    server.trouble.stall = {FILE: HALF}
    with ending(begin(server, tmp_path)) as one, ending(begin(server, tmp_path)) as other:
        until(lambda: server.log.count(f"HEAD /lab/net/resolve/{SHA}/{FILE}") == 2)
        time.sleep(0.3)  # the second is at the lock, or would be asking for bytes
        server.trouble.go_on.set()
        assert (one.wait(LONGEST), other.wait(LONGEST)) == (0, 0)
    assert server.sent[FILE] == SIZE


@pytest.mark.parametrize(("status", "kind"), [(401, "NotReady"), (403, "NotReady")])
def test_a_refusal_keeps_what_came(
    server: HubServer, client: Here, tmp_path: Path, status: int, kind: str
) -> None:
    kept = left(server, tmp_path)
    server.trouble = Trouble(status=status, only="/resolve/")
    assert client.fetch()["error"] == kind
    server.trouble = Trouble()
    assert "answer" in client.fetch()
    assert server.sent[FILE] == SIZE - kept


@pytest.mark.parametrize("wait", [0, 7])
def test_one_who_asks_too_often_waits_and_goes_on(
    server: HubServer, client: Here, tmp_path: Path, wait: int
) -> None:
    kept = left(server, tmp_path)
    server.trouble = Trouble(status=429, only="/resolve/", refusals=3, retry_after=wait)
    _, slept = client.changed("time", "sleep", "noted.append")["answer"]
    assert slept == ([wait + 1] * 3 if wait else [1, 2, 4])
    assert server.sent[FILE] == SIZE - kept


def test_what_the_other_storage_holds_is_kept_too(
    server: HubServer, client: Here, tmp_path: Path
) -> None:
    kept = left(server, tmp_path)
    server.trouble = Trouble(xet=True)
    assert find_spec("hf_xet")
    assert "answer" in client.changed("huggingface_hub.constants", "HF_HUB_DISABLE_XET", "False")
    assert server.sent[FILE] == SIZE - kept
    assert not any("/api/xet" in line for line in server.log)


def test_a_full_disk_is_said_and_keeps_what_came(
    server: HubServer, client: Here, tmp_path: Path
) -> None:
    kept = left(server, tmp_path)
    full = "lambda path: __import__('types').SimpleNamespace(free=1_000_000)"
    refused = client.changed("shutil", "disk_usage", full)
    assert refused["error"] == "NotReady"
    assert "has room for 1 MB, wanted are 3; free some space or set HF_HOME" in refused["text"]
    assert "answer" in client.fetch()
    assert server.sent[FILE] == SIZE - kept


def test_a_disk_that_fills_meanwhile_is_said(
    server: HubServer, client: Here, tmp_path: Path
) -> None:
    blobs = tmp_path / "hub" / "models--lab--net" / "blobs"
    blobs.mkdir(parents=True)
    part = blobs / f"{digest(content(server))}{SUFFIX}"
    part.symlink_to("/dev/full")
    refused = client.fetch()
    assert refused["error"] == "NotReady" and "No space left on device" in refused["text"]


def test_the_bar_is_what_the_other_storage_takes() -> None:
    from huggingface_hub.utils._xet_progress_reporting import XetDownloadProgressReporter

    class Report:
        total_bytes_completed = total_transfer_bytes_completed = total_bytes = 3
        total_bytes_completion_rate = total_transfer_bytes_completion_rate = 1.0

    reporter = XetDownloadProgressReporter(
        reconstruction_desc="x", total=3, log_level=30, tqdm_class=Bar
    )
    with reporter:
        reporter.update_progress(Report())
    assert reporter.reconstruction_bar.n == 3
