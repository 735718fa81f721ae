"""What a plug-in lacks is said before it is picked, at once and without anything heavy."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from retrieval import hub, probe
from retrieval.readiness import state
from retrieval.types import Spec, State
from tests.held import LONGEST
from tests.hubserver import HubServer, Trouble

SHA = "d" * 40
HUB = Spec(
    "remote", "Remote", "x:Y", bytes=605_143_316, revision=SHA,
    params=(("repo", "lab/model"), ("files", (("config.json", ""), ("model.safetensors", "")))),
)  # fmt: skip
LOCAL = Spec(
    "own", "Own", "x:Y", params=(("variable", "PARALLAX_TEST_DIR"), ("local", ("a.json",)))
)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    for name in [name for name in os.environ if name.startswith(("HF_", "HUGGING", "TRANSFO"))]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("SPACE_ID", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(probe, "_PROBES", {})
    with HubServer() as made:
        monkeypatch.setenv("HF_ENDPOINT", made.url)
        yield made


def known(spec: Spec) -> State:
    """The state after the hub has been asked."""
    state(spec)
    assert probe.current().known.wait(LONGEST)
    return state(spec)


def cache(folder: Path, *files: str) -> None:
    """Put files where the client keeps a snapshot."""
    place = folder / "models--lab--model" / "snapshots" / SHA
    place.mkdir(parents=True, exist_ok=True)
    for file in files:
        (place / file).touch()


def test_what_needs_nothing_is_ready(server: HubServer) -> None:
    assert state(Spec("exact", "Exact", "x:Y", needs=("numpy",))) == State("ready")
    assert server.log == []


def test_a_missing_library_is_named_with_its_line() -> None:
    found = state(Spec("x", "X", "x:Y", needs=("numpy", "nosuchlib"), install="pip install no"))
    assert found == State("not-installed", "nosuchlib is not installed: pip install no")


def test_a_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = Spec("x", "X", "x:Y", key="LAB_KEY")
    monkeypatch.delenv("LAB_KEY", raising=False)
    assert state(spec) == State("key", "needs a key: set LAB_KEY")
    monkeypatch.setenv("LAB_KEY", "1")
    assert state(spec).kind == "ready"


def test_a_download_says_its_size(server: HubServer) -> None:
    assert known(HUB) == State("download", "downloads 605 MB when it is first used")
    assert "size unknown" in state(replace(HUB, bytes=0)).reason


def test_a_download_that_is_here_asks_nobody(
    server: HubServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cache(tmp_path / "home" / "hub", "config.json")
    assert known(HUB).kind == "download"  # half of it is not it
    cache(tmp_path / "home" / "hub", "config.json", "model.safetensors")
    monkeypatch.setattr(probe, "_PROBES", {})
    server.log.clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert state(HUB).kind == "ready"
    assert state(replace(HUB, revision="e" * 40)).kind == "unreachable"
    assert server.log == []


def test_the_clients_variables_are_honoured(
    server: HubServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cache(tmp_path / "elsewhere", "config.json", "model.safetensors")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "elsewhere"))
    assert state(HUB).kind == "ready"


def test_the_cache_is_where_the_client_has_it(tmp_path: Path) -> None:
    asked = "from huggingface_hub import constants as c; print(c.HF_HUB_CACHE, c.ENDPOINT)"
    ours = "from retrieval import hub; hub.token(); print(hub.folder(), hub.endpoint())"
    cases: list[dict[str, str]] = [
        {},
        {"XDG_CACHE_HOME": str(tmp_path / "x")},
        {"HF_HOME": str(tmp_path / "h"), "HF_ENDPOINT": "http://127.0.0.1:9/"},
        {"HF_HOME": str(tmp_path / "h"), "HF_HUB_CACHE": str(tmp_path / "c")},
        {"HF_HOME": "~nobody-of-this-name/h"},
    ]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    for case in cases:
        found = {
            subprocess.run(
                [sys.executable, "-c", code],
                env={**plain, **case},
                capture_output=True,
                text=True,
                check=True,
                cwd=Path(__file__).parent.parent,
            ).stdout
            for code in (asked, ours)
        }
        assert len(found) == 1, found


def test_nobody_s_home_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's user may have none; the cache is where the client would have it."""

    def nobody(_: object) -> None:
        raise KeyError

    monkeypatch.setattr("pwd.getpwuid", nobody)
    for name in ("HOME", "XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    assert hub.folder() == Path("~/.cache/huggingface/hub")
    assert hub.token() is False


def test_gated_names_the_link_until_there_is_a_token(
    server: HubServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec = replace(HUB, gated="https://example.org/ask")
    assert state(spec) == State(
        "gated", "ask for access at https://example.org/ask and set HF_TOKEN (605 MB)"
    )
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    assert state(spec).kind == "download"
    monkeypatch.delenv("HF_TOKEN")
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home" / "token").write_text("hf_x")
    assert state(spec).kind == "download"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_hub_that_fails_is_unreachable(server: HubServer, status: int) -> None:
    server.trouble = Trouble(status=status)
    found = known(HUB)
    assert found.kind == "unreachable"
    assert f"({status})" in found.reason and "download: 605 MB" in found.reason


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_hub_that_answers_is_there(server: HubServer, status: int) -> None:
    server.trouble = Trouble(status=status)
    assert known(HUB).kind == "download"


def test_a_thousand_pages_ask_once(server: HubServer) -> None:
    known(HUB)
    start = time.thread_time()  # whatever else this machine does
    for _ in range(1000):
        state(HUB)
    assert time.thread_time() - start < 1.0
    assert len(server.log) == 1


def test_it_asks_again_after_a_minute(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.trouble = Trouble(status=503)
    assert known(HUB).kind == "unreachable"
    server.trouble = Trouble()
    asked = probe.current()
    asked.known.clear()
    monkeypatch.setattr(asked, "_asked", asked._asked - probe.PAUSE)
    state(HUB)
    assert asked.known.wait(LONGEST)
    assert state(HUB).kind == "download"
    assert len(server.log) == 2


def test_offline_is_said(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    found = state(HUB)
    assert found.kind == "unreachable" and "HF_HUB_OFFLINE" in found.reason
    assert server.log == []


def test_a_folder_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SPACE_ID", raising=False)
    monkeypatch.delenv("PARALLAX_TEST_DIR", raising=False)
    assert state(LOCAL) == State("key", "set PARALLAX_TEST_DIR to a folder with a.json")
    monkeypatch.setenv("PARALLAX_TEST_DIR", str(tmp_path))
    assert state(LOCAL).kind == "unreachable" and "has no a.json" in state(LOCAL).reason
    (tmp_path / "a.json").touch()
    assert state(LOCAL).kind == "ready"
    assert state(LOCAL, public=True).kind == "unreachable"
    monkeypatch.setenv("SPACE_ID", "someone/space")
    assert state(LOCAL).kind == "unreachable"


def test_asking_imports_nothing_heavy() -> None:
    code = """
import sys
from pathlib import Path
from retrieval.embedders import openclip
from retrieval.galleries import hub
from retrieval.readiness import state
[state(spec) for spec in openclip.SPECS]
heavy = {"torch", "faiss", "open_clip", "huggingface_hub", "datasets", "openvino", "pyarrow"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent.parent,
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
