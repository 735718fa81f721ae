"""A folder is there wholly or not at all."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from retrieval import manifest
from retrieval.errors import Damaged, LabError

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
    time.sleep(60)
"""


def test_kill_9_leaves_the_old(tmp_path: Path) -> None:
    folder = made(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
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
