"""A folder is there wholly or not at all."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from retrieval import manifest
from retrieval.errors import Damaged, LabError
from retrieval.runtime.disk import exchange
from tests.held import LONGEST, ending

KEY = {"kind": "test", "name": "naïve"}


def made(folder: Path) -> Path:
    with manifest.publish(folder / "thing", KEY) as beside:
        (beside / "data.bin").write_bytes(bytes(range(256)))
    return folder / "thing"


def test_a_published_folder_is_sound(tmp_path: Path) -> None:
    assert manifest.check(made(tmp_path))["key"] == KEY
    assert [path.name for path in tmp_path.iterdir()] == ["thing"]


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = made(tmp_path) / "data.bin"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    with pytest.raises(Damaged, match=r"data\.bin differs from its manifest; delete"):
        manifest.check(tmp_path / "thing")


def test_a_truncated_file_is_noticed(tmp_path: Path) -> None:
    path = made(tmp_path) / "data.bin"
    os.truncate(path, 100)
    with pytest.raises(Damaged, match="missing or truncated"):
        manifest.check(tmp_path / "thing")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 0}', "null", "\xff"])
def test_another_format_is_refused(tmp_path: Path, text: str) -> None:
    folder = made(tmp_path)
    (folder / manifest.NAME).write_text(text, "latin-1")
    with pytest.raises(Damaged, match="delete"):
        manifest.read(folder)


def test_a_block_that_fails_leaves_the_old(tmp_path: Path) -> None:
    folder = made(tmp_path)
    with pytest.raises(RuntimeError), manifest.publish(folder, KEY) as beside:
        (beside / "data.bin").write_bytes(b"half")
        raise RuntimeError
    assert manifest.check(folder)["key"] == KEY
    assert [path.name for path in tmp_path.iterdir()] == ["thing"]


def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(LabError, match="No space left on device; free some space"),
        manifest.publish(tmp_path / "thing", KEY) as beside,
        (beside / "data.bin").open("wb"),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"x")
    assert list(tmp_path.iterdir()) == []


KILLED = """
import sys, time
from pathlib import Path
from retrieval import manifest
with manifest.publish(Path(sys.argv[1]), {"kind": "test"}) as beside:
    (beside / "data.bin").write_bytes(b"new")
    print("writing", flush=True)
    time.sleep(600)
"""


def test_kill_9_leaves_the_old(tmp_path: Path) -> None:
    folder = made(tmp_path)
    command = [sys.executable, "-c", KILLED, str(folder)]
    with ending(subprocess.Popen(command, stdout=subprocess.PIPE, text=True)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
    assert manifest.check(folder)["key"] == KEY
    assert len(list(tmp_path.iterdir())) == 2
    with manifest.publish(folder, KEY) as beside:
        (beside / "data.bin").write_bytes(b"newer")
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    assert (folder / "data.bin").read_bytes() == b"newer"


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.pop("key"),
        lambda m: m.pop("files"),
        lambda m: m.pop("recorded"),
        lambda m: m["recorded"].pop("seconds"),
        lambda m: m.update(files=[1]),
        lambda m: m.update(key=3),
        lambda m: m["files"]["data.bin"].pop("bytes"),
        lambda m: m["files"]["data.bin"].update(sha256=None, bytes="many"),
    ],
)
def test_another_shape_is_damage(tmp_path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    folder = made(tmp_path)
    body = json.loads((folder / manifest.NAME).read_text())
    change(body)
    (folder / manifest.NAME).write_text(json.dumps(body))
    with pytest.raises(Damaged, match="cannot be read"):
        manifest.check(folder)


SWAPS = """
import itertools, sys
from pathlib import Path
from retrieval import manifest
for number in itertools.count():
    with manifest.publish(Path(sys.argv[1]), {"kind": "test"}) as beside:
        for name in ("one", "two"):
            (beside / name).write_text(str(number))
"""


def pair(folder: Path) -> tuple[str, str]:
    manifest.check(folder)
    return (folder / "one").read_text(), (folder / "two").read_text()


def test_a_reader_sees_one_whole_folder_while_it_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "thing"
    seen: set[str] = set()
    with manifest.publish(folder, KEY) as beside:
        for name in ("one", "two"):
            (beside / name).write_text("first")
    for _ in range(4):
        with ending(subprocess.Popen([sys.executable, "-c", SWAPS, str(folder)])) as process:
            end, wanted = time.monotonic() + LONGEST, len(seen) + 20
            while len(seen) < wanted and time.monotonic() < end:
                assert (folder / manifest.NAME).exists()
                one, two = manifest.steady(folder, pair)
                assert one == two
                seen.add(f"{process.pid} {one}")
        one, two = pair(folder)
        assert one == two
        assert len(seen) >= wanted


def test_a_reader_reads_again_what_was_replaced_meanwhile(tmp_path: Path) -> None:
    folder = made(tmp_path)
    reads: list[bytes] = []

    def read(folder: Path) -> bytes:
        reads.append((folder / "data.bin").read_bytes())
        if len(reads) == 1:
            with manifest.publish(folder, KEY) as beside:
                (beside / "data.bin").write_bytes(b"new")
            raise ValueError("half of the old, half of the new")
        return reads[-1]

    assert manifest.steady(folder, read) == b"new"
    with pytest.raises(ZeroDivisionError):
        manifest.steady(folder, lambda _: 1 / 0)


def test_where_folders_cannot_be_exchanged_a_kill_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest, "exchange", lambda one, other: False)
    folder = made(tmp_path)
    with manifest.publish(folder, KEY) as beside:
        (beside / "data.bin").write_bytes(b"new")
    assert (folder / "data.bin").read_bytes() == b"new"
    folder.rename(tmp_path / ".thing.1.2.old")  # killed before the second of two steps
    with pytest.raises(RuntimeError), manifest.publish(folder, KEY):
        raise RuntimeError
    assert manifest.check(folder)["key"] == KEY
    assert [path.name for path in tmp_path.iterdir()] == ["thing"]


def test_this_system_exchanges_folders(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    assert exchange(tmp_path / "one", tmp_path / "two")
    assert (tmp_path / "one" / "two").exists() and (tmp_path / "two" / "one").exists()
    assert not exchange(tmp_path / "one", tmp_path / "none")
