"""A full disk: said in a sentence, nothing half-written is served, and it works with room again."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from retrieval.commands.compare import keep
from retrieval.duplicates import kept as detected
from retrieval.duplicates.detection import Measured
from retrieval.duplicates.distortions import settings
from retrieval.duplicates.kept import Detection, Detections
from retrieval.errors import LabError, NotReady
from retrieval.lab import Lab
from retrieval.measure.notes import Notes
from retrieval.measure.rounds import sweeps
from retrieval.panel import Panel
from retrieval.query import Query
from retrieval.store import vectors_key
from retrieval.types import Metric
from tests.bare import unmeasured
from tests.full import SAID, full
from tests.page.test_plots import point, stored
from tests.vectors import built, drawn, made

CACHE = f"cannot write .*{SAID}; free some space or set PARALLAX_CACHE"
Call = Callable[[], Any]


# --- vectors and indexes --------------------------------------------------------------------------


def test_vectors(lab: Lab) -> None:
    gallery = lab.gallery("colours")
    key = vectors_key(gallery, lab.spec("colour"))
    with full(), pytest.raises(LabError, match=CACHE):
        lab.vectors(gallery, "colour")
    assert lab.store.find(key) is None
    with full(350), pytest.raises(LabError, match=CACHE):  # pieces fit, the whole does not
        lab.vectors(gallery, "colour")
    assert lab.store.find(key) is None
    assert lab.vectors(gallery, "colour").shape == (40, 3)
    assert lab.store.find(key) is not None


def test_an_index_in_the_place_of_a_damaged_one(lab: Lab) -> None:
    gallery, panel = lab.gallery("colours"), Panel("colour", "faiss-hnsw")
    wanted = lab.index(gallery, panel)
    (folder,) = [each for each in lab.store.folders() if each.name.startswith("faiss-hnsw")]
    file = max(folder.iterdir(), key=lambda each: each.stat().st_size)
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2] ^= 1
    file.write_bytes(whole)
    again = Lab(data=lab.data, cache=lab.cache)
    again.catalog.open = lab.catalog.open  # type: ignore[method-assign]
    with full():
        (answer,) = again.compare("colours", [panel], Query(row=0), 3)
    assert SAID in answer.problem or "requested and" in answer.problem  # numpy's words
    assert "free some space or set PARALLAX_CACHE" in answer.problem and not answer.hits
    (answer,) = again.compare("colours", [panel], Query(row=0), 3)
    assert answer.problem == "" and answer.hits[0].row == 0
    assert file.stat().st_size == len(whole) and wanted.fresh


# --- measurements ---------------------------------------------------------------------------------


def a_sweep(tmp_path: Path) -> tuple[Call, Call]:
    lab = unmeasured(tmp_path)
    _, old = stored(lab)
    new = replace(old, points=(point(0.99, 0.2, efSearch=256),))
    return partial(sweeps(lab).save, new), lambda: len(sweeps(lab).find(old.key).points)  # type: ignore[union-attr]


def a_note(tmp_path: Path) -> tuple[Call, Call]:
    notes, key = Notes(tmp_path), {"kind": "test"}
    notes.save(key, {"points": 2})
    return partial(notes.save, key, {"points": 3}), lambda: notes.find(key).body["points"]  # type: ignore[union-attr]


def a_detection(tmp_path: Path) -> tuple[Call, Call]:
    lab = unmeasured(tmp_path)
    key = detected.key(lab.gallery("stamps"), lab.spec("phash")) | {"seed": 1}  # none ships
    some = [Measured(*np.zeros((2, count, len(settings())), np.float32)) for count in (2, 3)]
    kept = Detections(lab)
    kept.save(Detection(key).more(some[0]))
    new = Detection(key).more(some[1])
    return partial(kept.save, new), lambda: len(kept.find(key).measured)


@pytest.mark.parametrize("one", [a_sweep, a_note, a_detection])
def test_a_measurement_in_the_place_of_an_older_one(
    one: Callable[[Path], tuple[Call, Call]], tmp_path: Path
) -> None:
    save, found = one(tmp_path)
    with full(), pytest.raises(LabError, match=CACHE):
        save()
    assert found() == 2
    save()
    assert found() == 3


# --- receipts -------------------------------------------------------------------------------------


def test_a_receipt_in_the_place_of_an_older_one(tmp_path: Path) -> None:
    file = tmp_path / "receipt.json"
    keep(file, {"k": 1})
    with full(), pytest.raises(LabError, match=f"cannot write {file}: {SAID}; name another file"):
        keep(file, {"k": 2, "rows": list(range(100))})
    assert json.loads(file.read_text()) == {"k": 1}
    assert list(tmp_path.iterdir()) == [file]
    keep(file, {"k": 2})
    assert json.loads(file.read_text()) == {"k": 2}


def test_a_receipt_for_a_device_leaves_it_where_it_is(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="cannot write /dev/full: No space left on device"):
        keep(Path("/dev/full"), {"k": 1})
    assert Path("/dev/full").is_char_device()
    with pytest.raises(LabError, match="name another file"):
        keep(tmp_path / "none" / "receipt.json", {"k": 1})


# --- databases ------------------------------------------------------------------------------------


ENGINES = ["qdrant-hnsw", "milvus-hnsw", "lancedb-hnsw-sq", "annoy", "scann"]
FILES = [name for name in ENGINES if name not in ("annoy", "scann")]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The temporary folder."""
    made = tmp_path / "temporary"
    made.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(made))
    yield made
    assert not list(made.iterdir())


@pytest.mark.parametrize("name", FILES)
def test_a_database_is_not_begun_without_room(
    name: str, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Qdrant maps its files: without room for a page of one the process is killed."""
    vectors = drawn(Metric.COSINE, 100)
    with built(name, Metric.COSINE, vectors) as index:
        index.save(tmp_path)
    with made(name, Metric.COSINE) as index:
        with monkeypatch.context() as patch:
            patch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=30_000_000))
            said = "temporary has room for 30 MB, wanted are 34; free some space or set TMPDIR"
            with pytest.raises(NotReady, match=said):
                index.build(vectors)
            with pytest.raises(NotReady, match=said):
                index.load(tmp_path, vectors)
        index.load(tmp_path, vectors)
        assert index.search(vectors[:1], 1)[0].tolist() == [[0]]


@pytest.mark.parametrize("name", ["annoy", "milvus-hnsw"])
def test_a_disk_that_fills_while_a_database_is_built(name: str, place: Path) -> None:
    vectors = drawn(Metric.COSINE, 300)
    with made(name, Metric.COSINE) as index:
        with full(), pytest.raises(NotReady, match=f"{SAID}.*free some space or set TMPDIR"):
            index.build(vectors)
        assert index.search(vectors[:1], 1)[0].tolist() == [[-1]]
        index.build(vectors)
        assert index.search(vectors[:1], 1)[0].tolist() == [[0]]


@pytest.mark.parametrize("name", ["qdrant-hnsw", "scann"])
def test_a_disk_that_fills_while_one_is_loaded(name: str, place: Path, tmp_path: Path) -> None:
    vectors = drawn(Metric.COSINE, 300)
    with built(name, Metric.COSINE, vectors) as index:
        index.save(tmp_path)
    with made(name, Metric.COSINE) as index:
        with full(), pytest.raises(NotReady, match=f"{SAID}.*free some space or set TMPDIR"):
            index.load(tmp_path, vectors)
        index.load(tmp_path, vectors)
        assert index.search(vectors[:1], 1)[0].tolist() == [[0]]
