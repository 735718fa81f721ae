"""Databases in process: their folders, their archives, what they leave without an index."""

from __future__ import annotations

import gc
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval.errors import BadKnob, Damaged, LabError
from retrieval.indexes import archive, qdrant
from retrieval.types import Metric
from tests.held import LONGEST
from tests.vectors import built, drawn, made

ENGINES = ["qdrant-hnsw", "milvus-hnsw", "milvus-ivf-flat", "lancedb-ivf-pq", "lancedb-hnsw-sq"]
each = pytest.mark.parametrize("name", ENGINES)


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where engines work."""
    place = tmp_path / "work"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


@each
def test_other_vectors_in_the_archive_are_damage(name: str, tmp_path: Path) -> None:
    built(name, Metric.COSINE, drawn(Metric.COSINE, 300)).save(tmp_path)
    index = made(name, Metric.COSINE)
    with pytest.raises(Damaged, match="engine.zip holds other vectors; build"):
        index.load(tmp_path, drawn(Metric.COSINE, 300, seed=1))
    assert (index.search(drawn(Metric.COSINE, 1), 2)[0] == -1).all()


@each
def test_a_changed_byte_is_damage(name: str, tmp_path: Path) -> None:
    vectors = drawn(Metric.COSINE, 300)
    built(name, Metric.COSINE, vectors).save(tmp_path)
    file = tmp_path / archive.FILE
    whole = bytearray(file.read_bytes())
    with zipfile.ZipFile(file) as packed:
        biggest = max(packed.infolist(), key=lambda told: told.compress_size)
    whole[biggest.header_offset + biggest.compress_size // 2] ^= 1
    file.write_bytes(whole)
    with pytest.raises(Damaged, match="engine.zip is no whole archive"):
        made(name, Metric.COSINE).load(tmp_path, vectors)


@each
def test_an_archive_of_something_else_is_damage(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / archive.FILE, "w") as packed:
        packed.writestr("letter.txt", "dear all")
    with pytest.raises(Damaged, match="engine.zip .*build the index again"):
        made(name, Metric.COSINE).load(tmp_path, drawn(Metric.COSINE, 30))


@each
def test_its_folder_goes_with_it(name: str, workplace: Path, tmp_path: Path) -> None:
    vectors = drawn(Metric.COSINE, 100)
    index = built(name, Metric.COSINE, vectors)
    index.save(tmp_path)
    index.build(vectors)
    assert len(list(workplace.iterdir())) == 1
    index.close()
    assert not list(workplace.iterdir())
    index.load(tmp_path, vectors)
    with pytest.raises(Damaged):
        index.load(tmp_path, vectors[1:])
    assert not list(workplace.iterdir())
    index.load(tmp_path, vectors)
    assert len(list(workplace.iterdir())) == 1
    del index
    gc.collect()
    assert not list(workplace.iterdir())


@each
def test_what_was_saved_stays_as_it_is(name: str, tmp_path: Path) -> None:
    vectors = drawn(Metric.COSINE, 100)
    saved = tmp_path / "saved"
    saved.mkdir()
    built(name, Metric.COSINE, vectors).save(saved)
    before = {path: path.read_bytes() for path in saved.iterdir()}
    for _ in range(2):
        with made(name, Metric.COSINE) as index:
            index.load(saved, vectors)
            assert index.search(vectors[:1], 1)[0].tolist() == [[0]]
            second = made(name, Metric.COSINE)
            second.load(saved, vectors)  # two at once
            assert second.search(vectors[:1], 1)[0].tolist() == [[0]]
    assert {path: path.read_bytes() for path in saved.iterdir()} == before


@each
def test_closed_under_a_search_ends_in_nothing(name: str) -> None:
    vectors = drawn(Metric.COSINE, 500)
    index = built(name, Metric.COSINE, vectors)
    wanted = index.search(vectors[:5], 3)[0].tolist()
    wrong, began = list[object](), threading.Event()

    def searching() -> None:
        try:
            while (rows := index.search(vectors[:5], 3)[0]).tolist() == wanted:
                began.set()
            if (rows >= 0).any():
                wrong.append(rows)
        except Exception as error:  # a thread's error is lost unless it is handed over
            wrong.append(error)

    worker = threading.Thread(target=searching)
    worker.start()
    assert began.wait(LONGEST)
    index.close()
    worker.join(LONGEST)
    assert not wrong and not worker.is_alive()


@pytest.mark.parametrize("name", [*ENGINES, "usearch-f32"])
def test_closed_just_before_it_is_asked_ends_in_nothing(name: str) -> None:
    vectors = drawn(Metric.COSINE, 100)
    with built(name, Metric.COSINE, vectors) as index:
        index.count = 0  # what closing does first, while another thread holds the turn
        for queries in (vectors[:1], vectors[:3]):
            assert (index._search(queries, 3)[0] == -1).all()


def test_holes_stay_holes(tmp_path: Path) -> None:
    folder, again = tmp_path / "one", tmp_path / "again"
    (folder / "empty").mkdir(parents=True)
    again.mkdir()
    with (folder / "sparse").open("wb") as file:
        file.write(b"head")
        file.truncate(64 << 20)
        file.seek(40 << 20)
        file.write(b"middle")
    archive.pack(folder, tmp_path / archive.FILE)
    assert (tmp_path / archive.FILE).stat().st_size < 200_000
    archive.unpack(tmp_path / archive.FILE, again)
    assert (again / "sparse").read_bytes() == (folder / "sparse").read_bytes()
    assert (again / "sparse").stat().st_blocks * 512 < 1 << 20
    assert (again / "empty").is_dir()
    assert archive.used(again) == archive.used(folder) == 2 * archive.PAGE


def test_an_archive_that_leads_elsewhere_is_damage(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / archive.FILE, "w") as packed:
        packed.writestr("../outside", "x")
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(Damaged, match="no whole archive"):
        archive.unpack(tmp_path / archive.FILE, inside)
    assert not (tmp_path / "outside").exists()


def test_qdrant_without_a_graph_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    index: Any = made("qdrant-hnsw", Metric.COSINE)
    module, vectors = qdrant.library(), drawn(Metric.COSINE, 300)

    def flat() -> Any:
        params = module.EdgeVectorParams(size=64, distance=module.Distance.Dot)
        return module.EdgeConfig(vectors=params)  # its own threshold is far above 300

    monkeypatch.setattr(index, "_config", flat)
    with pytest.raises(LabError, match="has a graph of 0 of 300 vectors; take another"):
        index.build(vectors)
    assert (index.search(vectors[:1], 1)[0] == -1).all()


def test_milvus_without_an_index_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    index: Any = made("milvus-hnsw", Metric.COSINE)
    monkeypatch.setattr("milvus_lite.Collection.create_index", lambda *_: None)
    with pytest.raises(LabError, match="left 1 segments without an index"):
        index.build(drawn(Metric.COSINE, 300))


def test_milvus_indexes_every_segment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieval.indexes.milvus.PART", 700)
    index: Any = made("milvus-hnsw", Metric.COSINE)
    monkeypatch.setattr("milvus_lite.engine.collection.MEMTABLE_MEMORY_LIMIT", 200_000)
    vectors = drawn(Metric.COSINE, 3000)
    index.build(vectors)
    assert len(list(index._working.path.rglob("data/*.parquet"))) > 1
    assert (index.search(vectors[::100], 1)[0].ravel() == np.arange(0, 3000, 100)).all()


def test_lancedb_s_parts_must_divide_the_width() -> None:
    with pytest.raises(BadKnob, match="num_sub_vectors is 16; it must divide .* 30 dimensions"):
        built("lancedb-ivf-pq", Metric.COSINE, drawn(Metric.COSINE, 100, width=30))
    vectors = drawn(Metric.COSINE, 100, width=24)
    index = built("lancedb-ivf-pq", Metric.COSINE, vectors, num_sub_vectors=8)
    assert index.search(vectors[:1], 1)[0].tolist() == [[0]]
