"""Hub galleries, by the real client against a hub on loopback."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from PIL import Image

from retrieval import probe
from retrieval.errors import Damaged, NotReady
from retrieval.galleries import hub as galleries
from retrieval.galleries.catalog import Catalog, Entry
from retrieval.types import Licence
from tests.hubclient import HubClient, environ
from tests.hubserver import HubServer, Trouble

DATA = Path(__file__).parent.parent / "data"
SHA, OTHER = "1" * 40, "2" * 40
LICENCE = Licence("CC0-1.0", "yes", "https://creativecommons.org/publicdomain/zero/1.0/")
ENTRY = Entry(
    "tiny", "Tiny", "hub", 30, 0, LICENCE, "https://example.org", SHA,
    repo="lab/tiny", config="default", split="test",
    image="image", caption="caption", label="label",
)  # fmt: skip
BUILD = """
from pathlib import Path
from retrieval.galleries import hub as galleries
from retrieval.galleries.catalog import Entry
from retrieval.types import Licence
entry = Entry(**{**entry, "licence": Licence(**entry["licence"]), "files": ()})
galleries.SHARD_ROWS = 8
seen = []
galleries.build(entry, Path(cache), limit, lambda *step: seen.append(step))
answer = seen
"""
README = b"""---
configs:
- config_name: default
  data_files:
  - split: test
    path: data/test-*
---
"""


def picture(number: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (400, 200), (number * 8, 0, 255 - number * 8)).save(out, "PNG")
    return out.getvalue()


def shard(first: int, last: int, broken: int = -1) -> bytes:
    """Rows of a split as ``datasets`` writes them: class labels are numbers."""
    rows = [
        {
            "image": {
                "bytes": b"no picture" if row == broken else picture(row),
                "path": f"{row}.png",
            },
            "caption": [f"picture  {row}", f"number {row}"],
            "label": row % 3 - 1,
        }
        for row in range(first, last)
    ]
    features = {
        "image": {"_type": "Image"},
        "caption": {"feature": {"dtype": "string", "_type": "Value"}, "_type": "List"},
        "label": {"names": ["cat", "dog"], "_type": "ClassLabel"},
    }
    schema = pa.schema(
        {
            "image": pa.struct({"bytes": pa.binary(), "path": pa.string()}),
            "caption": pa.list_(pa.string()),
            "label": pa.int64(),
        },
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema), out, row_group_size=5)
    return out.getvalue()


@pytest.fixture(scope="module")
def server() -> Iterator[HubServer]:
    files = {
        "README.md": README,
        "data/test-00000-of-00002.parquet": shard(0, 20, broken=3),
        "data/test-00001-of-00002.parquet": shard(20, 30),
    }
    with HubServer() as made:
        made.add("datasets", "lab/tiny", SHA, files)
        yield made


@pytest.fixture(scope="module")
def client(server: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubClient]:
    with HubClient(tmp_path_factory.mktemp("home"), server.url) as made:
        made.run("import datasets; datasets.config.STREAMING_READ_RETRY_INTERVAL = 0.1")
        yield made


@pytest.fixture(autouse=True)
def calm(server: HubServer) -> None:
    server.trouble = Trouble()
    server.log.clear()


def build(
    client: HubClient, cache: Path, entry: Entry = ENTRY, limit: int | None = None, **given: Any
) -> dict[str, Any]:
    return client.run(BUILD, entry=asdict(entry), cache=str(cache), limit=limit, **given)


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
    slow = BUILD.replace("seen.append(step)", "(seen.append(step), time.sleep(0.05))")
    given = {"entry": asdict(ENTRY), "cache": str(tmp_path / "cache"), "limit": None}
    code = f"import time\nglobals().update({given!r})\n{slow}"
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=environ(tmp_path / "home", server.url)
    )
    first = galleries.place(ENTRY, tmp_path / "cache") / "journal.json"
    end = time.monotonic() + 60
    while not first.exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
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
    assert probe.current().known.wait(10)
    states += [galleries.state(ENTRY, tmp_path) for _ in range(50)]
    assert states[0].kind == "download" and states[0].reason.startswith("4.4 GB: python -m")
    assert states[-1].kind == "unreachable" and "(503)" in states[-1].reason
    assert "size unknown" in states[-1].reason
    assert len(server.log) == 1


def test_a_dead_hub_costs_no_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(probe, "_PROBES", {})
    start = time.perf_counter()
    galleries.state(ENTRY, tmp_path)
    assert time.perf_counter() - start < 0.5
    assert probe.current().known.wait(10)
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
    assert probe.settled().kind == "unreachable"
    assert len(server.log) == 1


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


def test_the_catalogue_pins_what_it_names() -> None:
    shipped = [each for each in Catalog(DATA, DATA).entries() if each.kind == "hub"]
    assert len(shipped) >= 8
    for each in shipped:
        assert re.fullmatch("[0-9a-f]{40}", each.revision), each.name
        assert each.source == f"https://huggingface.co/datasets/{each.repo}"
        assert each.licence.link.startswith("https://") and each.note
    assert sum(bool(each.caption) for each in shipped) >= 2
    assert sum(bool(each.label) for each in shipped) >= 5
