"""The contract: what holds for every registered index, with every metric that it declares."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from retrieval.errors import BadKnob, BadQuery, BadVectors, Damaged
from retrieval.indexes import INDEXES
from retrieval.measure.knobs import effects
from retrieval.types import Knob, Metric
from tests.vectors import DIM, built, drawn, made, recall, scored

CASES = [(spec.name, metric) for spec in INDEXES.specs() for metric in spec.metrics]
KNOBS = [(spec.name, spec.metric, knob) for spec in INDEXES.specs() for knob in spec.knobs]
QUERY_KNOBS = [case for case in KNOBS if case[2].when == "query"]
SCORED_AGAIN = {
    ("pgvector-bit", "ef_search"),
    ("qdrant-binary", "hnsw_ef"),
    ("qdrant-pq", "hnsw_ef"),
    ("qdrant-sq8", "hnsw_ef"),
}
"""Knobs that change little but the work: how many are scored again widens the beam as well."""
BUILD_KNOBS = [case for case in KNOBS if case[2].when == "build"]
FEWEST = {
    "faiss-ivfpq": 16,
    "faiss-opq-ivfpq": 16,
    "faiss-hnsw-pq": 16,
    "faiss-nsg": 10,
    "scann": 16,
    "lancedb-ivf-pq": 16,
}
LOSSY = {
    "faiss-hnsw-sq8": 0.95,
    "faiss-sq8": 0.95,
    "milvus-ivf-sq8": 0.95,
    "qdrant-binary": 0.85,  # 64 dimensions are 64 bits
    "usearch-i8": 0.85,
    "usearch-bf16": 0.98,
}
"""Fewer bytes a dimension lose neighbours whatever is compared."""
EACH = {
    "faiss-hnsw-sq8": 1,
    "faiss-sq8": 1,
    "faiss-sqbf16": 2,
    "lancedb-hnsw-sq": 5,
    "milvus-hnsw": 8,  # the rows hold them and the index again
    "milvus-flat": 8,
    "milvus-ivf-flat": 8,
    "milvus-ivf-sq8": 5,
    "pgvector-bit": 4,
    "pgvector-halfvec": 6,
    "pgvector-hnsw": 8,
    "pgvector-ivfflat": 8,
    "usearch-i8": 1,
    "usearch-bf16": 2,
}
"""Bytes of a dimension where it is not the vectors' own four (or an eighth, for bits)."""
TABLES = {
    "faiss-hnsw-pq": 4 * 64 * 256 * 256,
    "pgvector-bit": 1 << 20,
    "pgvector-halfvec": 1 << 20,
    "pgvector-hnsw": 1 << 20,
    "pgvector-ivfflat": 1 << 20,
    "qdrant-pq": 1 << 19,
}
"""Bytes beside rows: distances between all centroids of each part; pages taken ahead;
Qdrant's centroids."""
every = pytest.mark.parametrize(("name", "metric"), CASES)


def exactest(name: str) -> dict[str, int]:
    """Every query knob at its highest."""
    return {knob.name: knob.high for knob in INDEXES.spec(name).knobs if knob.when == "query"}


@every
def test_finds_itself_with_unique_rows_best_first(name: str, metric: Metric) -> None:
    vectors = drawn(metric, 1500)
    rows, scores = built(name, metric, vectors, **exactest(name)).search(vectors[:200], 10)
    assert rows.shape == scores.shape == (200, 10)
    assert rows.dtype == np.int64 and scores.dtype == np.float32
    true = scored(metric, vectors, vectors[:200], rows)
    assert (true[:, 0] > 1 - 1e-5).mean() >= 0.99  # a graph may miss a row, the others may not
    assert all(len(set(row)) == 10 for row in rows.tolist())
    assert (np.diff(scores, axis=1) <= 0).all()
    assert np.abs(scores - true).max() < 0.05


@every
def test_pads_where_k_exceeds_the_rows(name: str, metric: Metric) -> None:
    vectors = drawn(metric, 20)
    for k in (30, 1000):
        rows, scores = built(name, metric, vectors, **exactest(name)).search(vectors[:3], k)
        assert rows.shape == scores.shape == (3, k)
        assert (np.sort(rows[:, :20], axis=1) == np.arange(20)).all()
        assert (rows[:, 20:] == -1).all()
        assert (scores[:, 20:] == -np.inf).all() and np.isfinite(scores[:, :20]).all()


@every
def test_answers_a_thousand(name: str, metric: Metric) -> None:
    vectors = drawn(metric, 2000)
    rows, _ = built(name, metric, vectors, **exactest(name)).search(vectors[:2], 1000)
    assert all(len(set(row) - {-1}) == 1000 for row in rows.tolist())
    assert recall(metric, vectors, vectors[:2], rows) >= 0.8  # a walk finds the far ones last


@every
def test_of_no_rows_finds_nothing(name: str, metric: Metric, tmp_path: Path) -> None:
    none = drawn(metric, 5)[:0]
    index = built(name, metric, none)
    index.save(tmp_path)
    again = made(name, metric)
    again.load(tmp_path, none)
    for each in (index, again):
        rows, scores = each.search(drawn(metric, 2), 3)
        assert (rows == -1).all() and (scores == -np.inf).all() and rows.shape == (2, 3)
        assert each.nbytes() == 0


@every
def test_of_the_fewest_rows_finds_them(name: str, metric: Metric) -> None:
    fewest = FEWEST.get(name, 1)
    vectors = drawn(metric, fewest)
    rows, _ = built(name, metric, vectors).search(vectors[:1], 1)
    assert rows.tolist() == [[0]]


@pytest.mark.parametrize("name", FEWEST)
def test_too_few_rows_to_train_says_what_to_take(name: str) -> None:
    index = built(name, Metric.COSINE, drawn(Metric.COSINE, 400))
    with pytest.raises(
        BadVectors, match=f"needs {FEWEST[name]} vectors.*got {FEWEST[name] - 1}; take"
    ):
        index.build(drawn(Metric.COSINE, FEWEST[name] - 1))
    assert (index.search(drawn(Metric.COSINE, 1), 2)[0] == -1).all()  # the old rows are gone


@every
def test_no_queries_are_no_answers(name: str, metric: Metric) -> None:
    vectors = drawn(metric, 50)
    rows, scores = built(name, metric, vectors).search(vectors[:0], 4)
    assert rows.shape == scores.shape == (0, 4)


@every
def test_leaves_its_arguments_unchanged(name: str, metric: Metric, tmp_path: Path) -> None:
    vectors, queries = drawn(metric, 300), drawn(metric, 20, seed=1)
    before = vectors.copy(), queries.copy()
    vectors.flags.writeable = queries.flags.writeable = False
    index = built(name, metric, vectors)
    index.search(queries, 5)
    index.save(tmp_path)
    index.load(tmp_path, vectors)
    assert np.array_equal(vectors, before[0]) and np.array_equal(queries, before[1])


@every
def test_takes_vectors_in_any_memory_order(name: str, metric: Metric) -> None:
    vectors = drawn(metric, 300)
    rows = built(name, metric, np.asfortranarray(vectors), **exactest(name)).search(
        np.repeat(vectors, 2, axis=0)[::2][:9], 1
    )[0]
    assert (scored(metric, vectors, vectors[:9], rows) > 1 - 1e-5).all()


@every
def test_finds_duplicates_once_each(name: str, metric: Metric) -> None:
    vectors = np.repeat(drawn(metric, 100), 4, axis=0)
    index = built(name, metric, vectors, **exactest(name))
    rows, _ = index.search(vectors[::4], 4)
    assert all(len(set(row) - {-1}) == 4 for row in rows.tolist())
    assert recall(metric, vectors, vectors[::4], rows) >= 0.95


@every
def test_of_one_vector_many_times_answers(name: str, metric: Metric) -> None:
    vectors = np.repeat(drawn(metric, 1), 500, axis=0)
    rows, scores = built(name, metric, vectors).search(vectors[:20], 10)
    assert all(len(set(row)) == 10 for row in rows.tolist()) and (rows >= 0).all()
    assert np.allclose(scores, 1, atol=0.02)


@every
def test_refuses_another_width_or_type(name: str, metric: Metric) -> None:
    vectors = drawn(metric, 100)
    index = built(name, metric, vectors)
    with pytest.raises(BadVectors, match=f"of width {vectors.shape[1]}.*shape"):
        index.search(vectors[:1, :-1], 3)
    with pytest.raises(BadVectors, match="float64"):
        index.search(cast(Any, vectors[:1].astype(np.float64)), 3)
    with pytest.raises(BadVectors, match="of shape"):
        index.search(vectors[0], 3)
    with pytest.raises(BadVectors, match="int16"):
        index.build(cast(Any, vectors.astype(np.int16)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", [name for name, metric in CASES if metric is Metric.COSINE])
def test_refuses_what_is_not_finite(name: str, bad: float) -> None:
    vectors = drawn(Metric.COSINE, 100)
    index = built(name, Metric.COSINE, vectors)
    hurt = vectors.copy()
    hurt[3, 5] = bad
    with pytest.raises(BadVectors, match="not finite"):
        index.search(hurt[:4], 3)
    with pytest.raises(BadVectors, match="not finite"):
        index.build(hurt)
    assert index.search(vectors[:1], 1)[0].tolist() == [[0]]  # the next query is right


@every
@pytest.mark.parametrize("k", [0, -1, 1001, 10**9])
def test_refuses_k_out_of_range(name: str, metric: Metric, k: int) -> None:
    vectors = drawn(metric, 100)
    with pytest.raises(BadQuery, match=f"k is {k}; .*between 1 and 1,000"):
        built(name, metric, vectors).search(vectors[:1], k)


@every
def test_refuses_the_other_metric(name: str, metric: Metric) -> None:
    for other in set(Metric) - set(INDEXES.spec(name).metrics):
        with pytest.raises(BadVectors, match=f"the vectors are for {other}"):
            made(name, other)


@every
def test_built_twice_holds_the_second(name: str, metric: Metric) -> None:
    first, second = drawn(metric, 300), drawn(metric, 200, seed=7)
    index = built(name, metric, first)
    index.build(second)
    rows, _ = index.search(second, 1)
    assert rows.max() < 200
    assert recall(metric, second, second, rows) >= 0.9


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


def run(script: list[str]) -> str:
    """What another Python prints, started in the project's folder."""
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", *script], cwd=root, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


BARE = {"exact", "faiss-binary-flat", "faiss-flat", "faiss-sq8", "faiss-sqbf16"}
"""What follows from the vectors alone, and writes nothing."""
SAVING = [name for name in INDEXES.names() if name not in BARE]


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
def test_refuses_unknown_knobs(name: str, metric: Metric) -> None:
    with pytest.raises(BadKnob, match="has no knob 'efsearch'; it has: "):
        made(name, metric, efsearch=3)
    with pytest.raises(BadKnob, match="has no knob 'nprobes'"):
        built(name, metric, drawn(metric, 50)).tune(nprobes=3)


@pytest.mark.parametrize(("name", "metric", "knob"), KNOBS)
def test_refuses_knobs_out_of_range(name: str, metric: Metric, knob: Knob) -> None:
    for value in (knob.low - 1, knob.high + 1, 10**12, -1):
        with pytest.raises(BadKnob, match=f"from {knob.low} to {knob.high}"):
            made(name, metric, **{knob.name: value})
    assert made(name, metric, **{knob.name: knob.low}).knobs[knob.name] == knob.low
    assert made(name, metric, **{knob.name: knob.high}).knobs[knob.name] == knob.high


@pytest.mark.parametrize(("name", "metric", "knob"), BUILD_KNOBS)
def test_build_knobs_need_a_rebuild(name: str, metric: Metric, knob: Knob) -> None:
    index = built(name, metric, drawn(metric, 100))
    with pytest.raises(BadKnob, match=f"{knob.name} needs a rebuild"):
        index.tune(**{knob.name: knob.low})
    assert index.knobs[knob.name] == knob.default


@pytest.mark.parametrize(
    ("name", "metric", "knob"),
    [case for case in QUERY_KNOBS if (case[0], case[2].name) not in SCORED_AGAIN],
)
def test_query_knobs_change_recall(name: str, metric: Metric, knob: Knob) -> None:
    vectors, queries = drawn(metric, 5000), drawn(metric, 300, seed=3)
    others = {each.name: each.high for each in INDEXES.spec(name).knobs if each.when == "query"}
    index = built(name, metric, vectors, **others)
    k = 1 if name == "milvus-server" else 10  # it refuses an ef below k
    found = []
    for value in (knob.low, knob.default, knob.high):
        index.tune(**{knob.name: value})
        found.append(recall(metric, vectors, queries, index.search(queries, k)[0]))
    assert found[0] + 0.02 < found[2], found
    assert found[0] <= found[1] + 0.01 and found[1] <= found[2] + 0.01, found


@pytest.mark.parametrize(("name", "changed"), sorted(SCORED_AGAIN))
def test_a_beam_whose_best_are_scored_again_changes_something(name: str, changed: str) -> None:
    vectors, queries = drawn(Metric.COSINE, 5000), drawn(Metric.COSINE, 40, seed=3)
    index = built(name, Metric.COSINE, vectors)
    truth = built("exact", Metric.COSINE, vectors).search(queries, 10)[1]
    (effect,) = (
        each
        for each in effects(index, vectors, queries, truth)
        if each.knob is not None and each.knob.name == changed
    )
    assert effect.changes, [(each.recall, each.median_ms) for each in effect.settings]


@pytest.mark.parametrize(("name", "metric", "knob"), BUILD_KNOBS)
def test_build_knobs_change_answers_or_size(name: str, metric: Metric, knob: Knob) -> None:
    vectors, queries = drawn(metric, 3000), drawn(metric, 100, seed=3)
    others = {"nprobe": 2, "probes": 2, "k_factor": 2}
    low = {
        each.name: others.get(each.name, 1)
        for each in INDEXES.spec(name).knobs
        if each.when != "build"
    }
    high = min(knob.high, DIM) if knob.name == "m" else knob.high
    one, other = (
        built(name, metric, vectors, **low, **{knob.name: value}) for value in (knob.low, high)
    )
    assert not np.array_equal(one.search(queries, 10)[0], other.search(queries, 10)[0])


@every
def test_at_its_most_exact_it_finds_all(name: str, metric: Metric) -> None:
    vectors, queries = drawn(metric, 5000), drawn(metric, 300, seed=3)
    rows, _ = built(name, metric, vectors, **exactest(name)).search(queries, 10)
    assert recall(metric, vectors, queries, rows) >= LOSSY.get(name, 0.99)


@every
def test_one_query_and_a_batch_agree(name: str, metric: Metric) -> None:
    vectors, queries = drawn(metric, 2000), drawn(metric, 40, seed=4)
    index = built(name, metric, vectors)
    rows, scores = index.search(queries, 10)
    alone = [index.search(query[None], 10) for query in queries]
    assert np.allclose(scores, np.concatenate([each[1] for each in alone]), atol=1e-5)
    assert (rows == np.concatenate([each[0] for each in alone])).mean() > 0.99


@every
def test_threads_search_while_another_tunes(name: str, metric: Metric) -> None:
    vectors = drawn(metric, 2000)
    spec = INDEXES.spec(name)
    knobs = [each for each in spec.knobs if each.when == "query"]
    index = built(name, metric, vectors, **exactest(name))
    settings = [{each.name: min(value, each.high) for each in knobs} for value in (4, 64)]
    right = []
    for setting in settings:
        index.tune(**setting)
        right.append(index.search(vectors[:1], 10)[0].tolist())
    stop, wrong = threading.Event(), list[object]()

    def searching() -> None:
        try:
            while not stop.is_set():
                rows, _ = index.search(vectors[:1], 10)
                if rows.tolist() not in right:
                    wrong.append(rows)
        except Exception as error:  # a thread's error is lost unless it is handed over
            wrong.append(error)

    workers = [threading.Thread(target=searching) for _ in range(2)]
    for worker in workers:
        worker.start()
    for turn in range(500):
        index.tune(**settings[turn % 2])
    stop.set()
    for worker in workers:
        worker.join()
    assert not wrong


@every
def test_its_size_counts_vectors_and_structure(name: str, metric: Metric) -> None:
    vectors = drawn(metric, 4000)
    index = built(name, metric, vectors)
    least = vectors.size * EACH.get(name, vectors.itemsize)
    assert least <= index.nbytes() <= least + 400 * len(vectors) + TABLES.get(name, 0)


def test_pq_parts_must_divide_the_width() -> None:
    vectors = drawn(Metric.COSINE, 100, width=48)
    with pytest.raises(BadKnob, match="m is 64; .*48 dimensions: take a power of two up to 16"):
        built("faiss-ivfpq", Metric.COSINE, vectors)
    assert built("faiss-ivfpq", Metric.COSINE, vectors, m=16).search(vectors[:1], 1)[0][0, 0] == 0
    with pytest.raises(BadKnob, match="30 dimensions: take faiss-ivf"):
        built("faiss-ivfpq", Metric.COSINE, drawn(Metric.COSINE, 100, width=30))
    with pytest.raises(BadKnob, match="m is 48; it must be a power of two"):
        made("faiss-ivfpq", Metric.COSINE, m=48)


def test_listing_imports_no_engine() -> None:
    script = (
        "import sys; from retrieval.indexes import INDEXES; print(*INDEXES.names());"
        "heavy = {'faiss', 'torch', 'openvino', 'usearch', 'hnswlib', 'scann', 'annoy'};"
        "heavy &= set(sys.modules);"
        "assert not heavy, heavy"
    )
    assert run([script]).split() == INDEXES.names()
