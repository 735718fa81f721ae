"""The contract of what an index keeps: loaded again, closed, damaged, counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from retrieval.errors import Damaged
from retrieval.indexes import INDEXES
from retrieval.types import Metric
from tests.contract import EACH, SAVING, TABLES, every, run
from tests.vectors import built, drawn, made


@every
def test_loaded_answers_the_same(name: str, metric: Metric, tmp_path: Path) -> None:
    vectors, queries = drawn(metric, 900), drawn(metric, 50, seed=2)
    index, again = built(name, metric, vectors), made(name, metric)
    index.save(tmp_path)
    again.load(tmp_path, vectors)
    (rows, scores), (others, same) = index.search(queries, 10), again.search(queries, 10)
    assert np.array_equal(rows, others) and np.array_equal(scores, same)
    assert again.nbytes() == index.nbytes()
    most = 125 * max(4, EACH.get(name, 4))
    size = sum(file.stat().st_size for file in tmp_path.iterdir())
    assert size < most * 900 + TABLES.get(name, 0)


ELSEWHERE = """
import sys, numpy as np
from pathlib import Path
from retrieval.types import Metric
from tests.vectors import made
folder = Path(sys.argv[3])
index = made(sys.argv[1], Metric(sys.argv[2]))
index.load(folder, np.load(folder.parent / "vectors.npy"))
np.save(folder.parent / "rows.npy", index.search(np.load(folder.parent / "queries.npy"), 10)[0])
"""


@every
def test_loaded_by_another_process_answers_the_same(
    name: str, metric: Metric, tmp_path: Path
) -> None:
    vectors, queries = drawn(metric, 900), drawn(metric, 50, seed=2)
    folder = tmp_path / "index"
    folder.mkdir()
    index = built(name, metric, vectors)
    index.save(folder)
    np.save(tmp_path / "vectors.npy", vectors)
    np.save(tmp_path / "queries.npy", queries)
    run([ELSEWHERE, name, metric, str(folder)])
    assert np.array_equal(np.load(tmp_path / "rows.npy"), index.search(queries, 10)[0])


@pytest.mark.parametrize("name", SAVING)
def test_files_of_other_vectors_are_damaged(name: str, tmp_path: Path) -> None:
    metric = INDEXES.spec(name).metric
    built(name, metric, drawn(metric, 300)).save(tmp_path)
    index = made(name, metric)
    for other in (drawn(metric, 299), drawn(metric, 300, width=256)):
        with pytest.raises(Damaged, match="build"):
            index.load(tmp_path, other)
        assert (index.search(other[:1], 2)[0] == -1).all()


@pytest.mark.parametrize("name", SAVING)
def test_missing_and_cut_files_are_damaged(name: str, tmp_path: Path) -> None:
    metric = INDEXES.spec(name).metric
    vectors = drawn(metric, 300)
    built(name, metric, vectors).save(tmp_path)
    files = sorted(tmp_path.iterdir())
    assert files
    for file in files:
        whole = file.read_bytes()
        for kept in (0, 3, len(whole) // 2, len(whole) - 1):
            file.write_bytes(whole[:kept])
            with pytest.raises(Damaged, match=file.name):
                made(name, metric).load(tmp_path, vectors)
        file.unlink()
        with pytest.raises(Damaged, match=file.name):
            made(name, metric).load(tmp_path, vectors)
        file.write_bytes(whole)


def test_a_link_outside_the_graph_is_damaged(tmp_path: Path) -> None:
    vectors = drawn(Metric.COSINE, 300)
    index = built("faiss-hnsw", Metric.COSINE, vectors)
    index.save(tmp_path)
    (file,) = tmp_path.iterdir()
    links = np.frombuffer(file.read_bytes(), dtype=np.uint8).copy()
    links[len(links) // 2 :][: len(links) // 4] = 0x7F
    links.tofile(file)
    with pytest.raises(Damaged, match="build"):
        made("faiss-hnsw", Metric.COSINE).load(tmp_path, vectors)


def test_another_index_s_file_is_damaged(tmp_path: Path) -> None:
    vectors = drawn(Metric.COSINE, 300)
    built("faiss-hnsw", Metric.COSINE, vectors).save(tmp_path)
    with pytest.raises(Damaged, match="no graph of faiss-hnsw-sq8"):
        made("faiss-hnsw-sq8", Metric.COSINE).load(tmp_path, vectors)


@every
def test_closed_twice_finds_nothing(name: str, metric: Metric) -> None:
    vectors = drawn(metric, 100)
    with built(name, metric, vectors) as index:
        index.close()
        index.close()
    assert (index.search(vectors[:1], 2)[0] == -1).all()
    assert index.nbytes() == 0


@every
def test_its_size_counts_vectors_and_structure(name: str, metric: Metric) -> None:
    vectors = drawn(metric, 4000)
    index = built(name, metric, vectors)
    least = vectors.size * EACH.get(name, vectors.itemsize)
    assert least <= index.nbytes() <= least + 400 * len(vectors) + TABLES.get(name, 0)
