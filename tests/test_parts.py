"""Downloads that go on where another process ended; the real client against a hub on loopback."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from retrieval.telling import Bar
from tests.hubclient import HubClient, environ
from tests.hubserver import HubServer, Trouble
from tests.hubtold import digest

SHA, NEXT = "4" * 40, "5" * 40
SIZE, CHUNK, HALF = 6_000_000, 100_000, 3_050_000
FILE = "deep/weights.bin"
FETCH = """
from huggingface_hub import constants
constants.DOWNLOAD_CHUNK_SIZE = 100_000
from retrieval import hub
folder, fresh = hub.download("lab/net", sha, dict(files))
answer = str(folder)
"""
STOPPED = """
from retrieval.errors import Stopped
from retrieval.telling import telling
def tell(said, done, total, unit=""):
    told.append([done, total])
    if done == stop_at:
        raise Stopped("stopped")
told = []
try:
    with telling(tell):
        exec(fetch)
except Stopped:
    pass
answer = told
"""


@pytest.fixture
def server() -> Iterator[HubServer]:
    with HubServer() as running:
        running.add("models", "lab/net", SHA, {FILE: os.urandom(SIZE), "config.json": b"{}"})
        yield running


@pytest.fixture
def client(server: HubServer, tmp_path: Path) -> Iterator[HubClient]:
    with HubClient(tmp_path, server.url) as made:
        yield made


def fetch(client: HubClient, sha: str = SHA, **given: Any) -> dict[str, Any]:
    given = {"files": {FILE: "", "config.json": ""}, **given}
    return client.run(FETCH, sha=sha, **given)


def content(server: HubServer, sha: str = SHA) -> bytes:
    return server.repos["models", "lab/net"].commits[sha][FILE]


def parts(home: Path) -> list[Path]:
    return list(home.rglob("*.incomplete"))


def begin(server: HubServer, home: Path) -> subprocess.Popen[bytes]:
    code = f"sha, files = {SHA!r}, {{{FILE!r}: ''}}\n{FETCH}"
    return subprocess.Popen([sys.executable, "-c", code], env=environ(home, server.url))


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def killed(server: HubServer, home: Path) -> int:
    """Kill a process in the middle of a download; the bytes of it that are on the disk."""
    server.trouble.stall = {FILE: HALF}
    process = begin(server, home)
    until(lambda: sum(each.stat().st_size for each in parts(home)) >= HALF - CHUNK)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    server.trouble.go_on.set()
    server.trouble = Trouble()
    server.sent.clear()
    (part,) = parts(home)
    assert part.stat().st_size < SIZE
    return part.stat().st_size


def tree(home: Path) -> dict[str, tuple[int, str]]:
    """Every path of a cache: its mode, and what it holds or links to."""
    found = {}
    for path in sorted((home / "hub").rglob("*")):
        mode = path.lstat().st_mode
        held = str(path.readlink()) if path.is_symlink() else ""
        if stat.S_ISREG(mode):
            held = digest(path.read_bytes())
        found[str(path.relative_to(home))] = mode, held
    return found


def test_a_killed_download_goes_on_in_another_process(
    server: HubServer, client: HubClient, tmp_path: Path
) -> None:
    kept = killed(server, tmp_path)
    folder = Path(fetch(client)["answer"])
    assert (folder / FILE).read_bytes() == content(server)
    assert server.sent[FILE] == SIZE - kept
    assert not parts(tmp_path)


def test_the_cache_is_as_the_client_makes_it(
    server: HubServer, client: HubClient, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    killed(server, tmp_path)
    fetch(client)
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
    offline += "answer = snapshot_download('lab/net', revision=sha, local_files_only=True)"
    assert client.run(offline, sha=SHA)["answer"].endswith(SHA)


def test_a_stopped_download_goes_on(server: HubServer, client: HubClient, tmp_path: Path) -> None:
    given = {"fetch": FETCH, "files": {FILE: ""}, "sha": SHA}
    told = client.run(STOPPED, stop_at=3, **given)["answer"]
    assert told[-1] == [3, 6]
    (part,) = parts(tmp_path)
    kept = part.stat().st_size
    assert kept >= 3_000_000 - CHUNK
    server.sent.clear()
    told = client.run(STOPPED, stop_at=-1, **given)["answer"]
    assert told[0] == [(kept + CHUNK) // 10**6, 6] and told[-1] == [6, 6]
    assert server.sent[FILE] == SIZE - kept


def test_a_part_that_is_whole_asks_for_nothing(
    server: HubServer, client: HubClient, tmp_path: Path
) -> None:
    killed(server, tmp_path)
    (part,) = parts(tmp_path)
    part.write_bytes(content(server))
    assert "answer" in fetch(client)
    assert FILE not in server.sent


@pytest.mark.parametrize("redirect", [False, True])
def test_a_server_that_gives_no_parts_begins_anew(
    server: HubServer, client: HubClient, tmp_path: Path, redirect: bool
) -> None:
    killed(server, tmp_path)
    server.trouble = Trouble(whole=True, redirect=redirect)
    folder = Path(fetch(client)["answer"])
    assert (folder / FILE).read_bytes() == content(server)
    assert server.sent[FILE] == SIZE


def test_a_content_network_gives_the_rest(
    server: HubServer, client: HubClient, tmp_path: Path
) -> None:
    kept = killed(server, tmp_path)
    server.trouble = Trouble(redirect=True)
    answer = client.run(FETCH, {"HF_TOKEN": "hf_mine"}, sha=SHA, files={FILE: ""})
    assert "answer" in answer
    assert server.sent[FILE] == SIZE - kept
    asked = f"/lab/net/resolve/{SHA}/{FILE}"
    assert server.tokens == {asked: "Bearer hf_mine"}  # nobody but the hub is shown it


def test_a_changed_file_begins_anew(server: HubServer, client: HubClient, tmp_path: Path) -> None:
    killed(server, tmp_path)
    server.add("models", "lab/net", NEXT, {FILE: os.urandom(SIZE), "config.json": b"{}"})
    folder = Path(fetch(client, NEXT)["answer"])
    assert (folder / FILE).read_bytes() == content(server, NEXT)
    assert server.sent[FILE] == SIZE


@pytest.mark.parametrize("longer", [0, SIZE])
def test_a_part_with_other_bytes_is_noticed(
    server: HubServer, client: HubClient, tmp_path: Path, longer: int
) -> None:
    killed(server, tmp_path)
    (part,) = parts(tmp_path)
    part.write_bytes(b"\0" * (part.stat().st_size + longer))
    answer = fetch(client)
    if not longer:  # more than the file has is thrown away at once
        assert answer["error"] == "Damaged"
        assert f"{FILE} of lab/net arrived damaged" in answer["text"]
        assert not parts(tmp_path)
        answer = fetch(client)
    assert (Path(answer["answer"]) / FILE).read_bytes() == content(server)


def test_two_processes_download_once(server: HubServer, tmp_path: Path) -> None:
    server.trouble.stall = {FILE: HALF}
    both = [begin(server, tmp_path) for _ in range(2)]
    until(lambda: server.log.count(f"HEAD /lab/net/resolve/{SHA}/{FILE}") == 2)
    time.sleep(0.3)  # the second is at the lock, or would be asking for bytes
    server.trouble.go_on.set()
    assert [each.wait(30) for each in both] == [0, 0]
    assert server.sent[FILE] == SIZE


@pytest.mark.parametrize(("status", "kind"), [(401, "NotReady"), (403, "NotReady")])
def test_a_refusal_keeps_what_came(
    server: HubServer, client: HubClient, tmp_path: Path, status: int, kind: str
) -> None:
    kept = killed(server, tmp_path)
    server.trouble = Trouble(status=status, only="/resolve/")
    assert fetch(client)["error"] == kind
    server.trouble = Trouble()
    assert "answer" in fetch(client)
    assert server.sent[FILE] == SIZE - kept


def test_what_the_other_storage_holds_is_kept_too(
    server: HubServer, client: HubClient, tmp_path: Path
) -> None:
    kept = killed(server, tmp_path)
    server.trouble = Trouble(xet=True)
    on = "from huggingface_hub import constants\nconstants.HF_HUB_DISABLE_XET = False\n"
    on += "from huggingface_hub.utils._runtime import is_xet_available\nanswer = is_xet_available()"
    assert client.run(on)["answer"] is True
    assert "answer" in fetch(client)
    assert server.sent[FILE] == SIZE - kept
    assert not any("/api/xet" in line for line in server.log)


def test_a_full_disk_is_said_and_keeps_what_came(
    server: HubServer, client: HubClient, tmp_path: Path
) -> None:
    full = "import shutil\nfrom collections import namedtuple\n"
    full += "shutil.disk_usage = lambda path: namedtuple('Usage', 'total used free')(9, 9, 1)"
    kept = killed(server, tmp_path)
    client.run(full)
    refused = fetch(client)
    assert refused["error"] == "NotReady" and "free some space or set HF_HOME" in refused["text"]
    with HubClient(tmp_path, server.url) as other:
        assert "answer" in fetch(other)
    assert server.sent[FILE] == SIZE - kept


def test_a_disk_that_fills_meanwhile_is_said(
    server: HubServer, client: HubClient, tmp_path: Path
) -> None:
    blobs = tmp_path / "hub" / "models--lab--net" / "blobs"
    blobs.mkdir(parents=True)
    part = blobs / f"{digest(content(server))}.parallax.incomplete"
    part.symlink_to("/dev/full")
    refused = fetch(client)
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
