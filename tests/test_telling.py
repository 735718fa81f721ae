"""How far a download is, and stopping it; the real client against a hub on loopback."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from retrieval.errors import BadQuery, Refused, Stopped
from retrieval.lab import Lab
from retrieval.telling import Bar, telling
from retrieval.ui.answers import Answers
from retrieval.ui.tabs import stopped
from retrieval.ui.waiting import Waiting
from retrieval.work import Work
from tests.hubclient import HubClient
from tests.hubserver import HubServer

SHA = "3" * 40
FETCH = """
from huggingface_hub import constants, file_download
constants.DOWNLOAD_CHUNK_SIZE = 1_000_000
from retrieval import hub
from retrieval.errors import Stopped
from retrieval.telling import telling
from retrieval.work import Work
work = Work()
seen = []
def look(said, done, total, unit=""):
    tell(said, done, total, unit)
    doing = work.on("net")
    seen.append([doing.what, doing.done, doing.total, doing.unit])
    if done == stop_at:
        work.stop("net")
try:
    with work.doing("net", "loading Net") as tell, telling(look):
        answer = [str(hub.download("lab/net", sha, {"weights.bin": ""})[0]), seen]
except Stopped as stopped:
    answer = [str(stopped), seen]
"""


@pytest.fixture
def server() -> Iterator[HubServer]:
    with HubServer() as running:
        running.add("models", "lab/net", SHA, {"weights.bin": os.urandom(6_000_000)})
        yield running


def test_a_download_says_how_far_it_is(server: HubServer, tmp_path: Path) -> None:
    with HubClient(tmp_path, server.url) as client:
        answer = client.run(FETCH, sha=SHA, stop_at=-1)
    _, seen = answer["answer"]
    assert seen[-2] == ["downloading weights.bin", 6, 6, "MB"]
    assert [done for _, done, _, _ in seen[:-1]] == [1, 2, 3, 4, 5, 6]
    assert seen[-1] == ["loading lab/net", 0, 0, ""]  # which may take longer than the download


def test_a_download_that_is_stopped_leaves_nothing_to_use(
    server: HubServer, tmp_path: Path
) -> None:
    with HubClient(tmp_path, server.url) as client:
        said, seen = client.run(FETCH, sha=SHA, stop_at=3)["answer"]
        assert said == "loading Net was stopped; ask again when you want it"
        assert [done for _, done, _, _ in seen] == [1, 2, 3]
        assert not list(tmp_path.rglob("weights.bin*"))
        folder, _ = client.run(FETCH, sha=SHA, stop_at=-1)["answer"]
    assert (Path(folder) / "weights.bin").stat().st_size == 6_000_000


def test_nobody_need_listen() -> None:
    with Bar(desc="x", total=3) as bar:
        bar.update(3)
    assert bar.n == 3


def test_who_listens_is_forgotten_after_the_block() -> None:
    seen: list[int] = []
    with telling(lambda said, done, total, unit="": seen.append(done)):
        inside = Bar(desc="x", total=2_000_000)
    inside.update(1_000_000)
    Bar(desc="y", total=2_000_000).update(1_000_000)
    assert seen == [1]


def test_stopping_ends_all_that_an_embedder_waits_for() -> None:
    work = Work()
    with work.doing("a", "reading") as outer, work.doing("a", "loading") as inner:
        assert (work.stop("a"), work.stop("b")) == (2, 0)
        for tell in (outer, inner):
            with pytest.raises(Stopped, match="ask again when you want it"):
                tell("reading", 1, 2)
    with work.doing("a", "reading") as again:
        again("reading", 1, 2)


def test_the_page_stops_what_a_panel_waits_for(tmp_path: Path) -> None:
    lab = Lab(cache=tmp_path)
    with lab.work.doing("conse-lite2", "reading") as tell:
        tell("downloading net", 210, 605, "MB")
        doing = lab.work.on("conse-lite2")
        assert doing
        html = str(Waiting.of(doing, "conse-lite2"))
        assert "Downloading net, 210 of 605 MB" in html and 'data-stop="conse-lite2"' in html
        assert "data-stop" not in str(Waiting.of(doing))
        said = stopped(Answers(lab), {"embedder": "conse-lite2"})
        assert said == {"say": "Stopping conse-lite2"}
        with pytest.raises(Stopped):
            tell("downloading net", 211, 605, "MB")
    assert stopped(Answers(lab), {"embedder": "<b>"})["say"] == "nothing is being made for <b>"


def test_strangers_stop_nothing(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="a public lab lets nobody stop"):
        stopped(Answers(Lab(cache=tmp_path, public=True)), {"embedder": "conse-lite2"})
    with pytest.raises(BadQuery):
        stopped(Answers(Lab(cache=tmp_path)), {"embedder": 3})
