"""The contract under a filter: what holds for every registered index at any selectivity."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from retrieval.errors import BadQuery, BadVectors
from retrieval.indexes import INDEXES, base
from retrieval.indexes.base import TOGETHER, Index
from retrieval.indexes.beams import beam
from retrieval.indexes.faiss_base import library, selector
from retrieval.types import Metric
from retrieval.where import Allowed, Columns, Several, Where, parts
from tests.vectors import Mixed, drawn, made, scored

CASES = [(spec.name, metric) for spec in INDEXES.specs() for metric in spec.metrics]
COUNT = 3000
LABELS = (
    *("owl", "crow's nest", 'a "quoted" | bar', "%_\\", "", "ünï", "'; DROP TABLE x; --"),
    *("two\r\nlines\t", "\\n"),
)
PARTS = (500, 100, 10, 1)
"""Thousandths of the rows that are allowed: 50, 10, 1 and 0.1 %."""
every = pytest.mark.parametrize(("name", "metric"), CASES)
LOSSY = {
    "faiss-hnsw-sq8": 0.95,
    "faiss-ivfpq8": 0.95,
    "faiss-sq8": 0.95,
    "milvus-ivf-sq8": 0.95,
    "milvus-server-ivf-sq8": 0.95,
    "qdrant-binary": 0.85,
    "qdrant-server-binary": 0.85,
    "usearch-i8": 0.85,
    "usearch-bf16": 0.98,
}
"""Fewer bytes a dimension lose neighbours whatever is compared."""


def columns(count: int = COUNT) -> Columns:
    """Columns of words in no order of the vectors', one and several a row, and the parts."""
    labels = [LABELS[row * 7919 % 101 % len(LABELS)] for row in range(count)]
    several = Several.of(
        [LABELS[row * 31 % 97 % len(LABELS)], label][: row % 4] for row, label in enumerate(labels)
    )
    return {"label": labels, "labels": several, "part": parts(count)}


def holding(name: str, metric: Metric, vectors: Mixed, exactest: bool = True) -> Index:
    """An index with columns, every query knob at its highest or at its default."""
    knobs = {each.name: each.high for each in INDEXES.spec(name).knobs if each.when == "query"}
    index = made(name, metric, **knobs if exactest else {})
    index.build(vectors, columns(len(vectors)))
    return index


def allowed(text: str, count: int = COUNT) -> Allowed:
    return Allowed.of(Where.parse(text), columns(count))


def missed(metric: Metric, vectors: Mixed, queries: Mixed, rows: Mixed, where: Allowed) -> float:
    """Share of the true neighbours among the allowed that were not found, ties aside."""
    few = where.few(rows.shape[1])
    index = made("exact", metric)
    index.build(vectors[where.rows])
    truth = index.search(queries, few)[1][:, -1:]
    near = scored(metric, vectors, queries, rows[:, :few]) >= truth - 1e-5
    return float(1 - near.mean())


@every
def test_finds_the_allowed_at_every_selectivity(name: str, metric: Metric) -> None:
    vectors, queries = drawn(metric, COUNT), drawn(metric, 40, seed=3)
    index = holding(name, metric, vectors)
    for part in PARTS:
        where = allowed(f"part<{part}")
        rows, scores = index.search(queries, 10, where)
        few = where.few(10)
        assert len(where.rows) == COUNT * part // 1000 and rows.shape == scores.shape == (40, 10)
        assert rows.dtype == np.int64 and scores.dtype == np.float32
        assert (rows[:, :few] >= 0).all() and where.mask[rows[:, :few]].all(), part
        assert (rows[:, few:] == -1).all() and (scores[:, few:] == -np.inf).all()
        assert all(len(set(row)) == few for row in rows[:, :few].tolist())
        assert (np.diff(scores[:, :few], axis=1) <= 1e-6).all()
        lost = missed(metric, vectors, queries, rows, where)
        assert lost <= 1 - LOSSY.get(name, 0.99) + 1e-9, (part, lost)


GRAPHS = [(name, metric) for name, metric in CASES if name.startswith("faiss-") and "hnsw" in name]


@pytest.mark.parametrize(("name", "metric"), GRAPHS)
def test_a_graph_at_its_defaults_loses_nothing_under_a_filter(name: str, metric: Metric) -> None:
    vectors, queries = drawn(metric, COUNT), drawn(metric, 100, seed=3)
    index = holding(name, metric, vectors, exactest=False)
    for part in PARTS:
        where = allowed(f"part<{part}")
        found = index.filtered(queries, 10, where)
        least = 0.96 if name == "faiss-hnsw-sq8" else 0.99
        assert missed(metric, vectors, queries, found.rows, where) <= 1 - least, (part, found.how)
        assert "allowed" in found.how or "beam" in found.how


def test_plain_hnsw_with_a_selector_loses_what_ours_does_not() -> None:
    vectors, queries = drawn(Metric.COSINE, 12_000), drawn(Metric.COSINE, 100, seed=3)
    index = holding("faiss-hnsw", Metric.COSINE, vectors, exactest=False)
    worst = 1.0
    for part in PARTS:
        where = allowed(f"part<{part}", 12_000)
        plain, found = bare(index, queries, where), index.filtered(queries, 10, where)
        kept = 1 - missed(Metric.COSINE, vectors, queries, plain, where)
        if kept < 0.9:
            assert missed(Metric.COSINE, vectors, queries, found.rows, where) <= 0.01, found.how
        worst = min(worst, kept)
    assert worst < 0.5


def bare(index: Index, queries: Mixed, where: Allowed) -> Mixed:
    """Rows by FAISS alone with a selector, as its manual has it."""
    faiss = library()
    chosen = faiss.IDSelectorBatch(where.rows)
    params = faiss.SearchParametersHNSW(efSearch=index.knobs["efSearch"], sel=chosen)
    rows: Mixed = index._engine.search(queries, 10, params=params)[1]  # type: ignore[attr-defined]
    return rows


@every
def test_values_of_any_kind_are_found(name: str, metric: Metric) -> None:
    vectors = drawn(metric, 300)
    index = holding(name, metric, vectors)
    filters = [Where("label", "=", (label,)) for label in LABELS]
    texts = ("label=owl|ünï", "part>=500", "part<=3", "part>990", "part=6", "part>-5", "part=06|9")
    for each in (*filters, *map(Where.parse, texts)):
        where = Allowed.of(each, columns(300))
        rows, _ = index.search(vectors[:3], 1000, where)
        assert all(sorted(set(row) - {-1}) == where.rows.tolist() for row in rows.tolist()), each


@every
def test_one_of_several_texts_is_enough(name: str, metric: Metric) -> None:
    vectors = drawn(metric, 300)
    index, given = holding(name, metric, vectors), columns(300)
    filters = [Where("labels", "=", (label,)) for label in LABELS]
    for each in (*filters, Where("labels", "=", LABELS[:3]), Where("labels", "=", ("nobody",))):
        where = Allowed.of(each, given)
        wanted = [row for row, has in enumerate(given["labels"]) if set(has) & set(each.values)]
        assert where.rows.tolist() == wanted
        found = index.filtered(vectors[:3], 1000, where)
        assert all(sorted(set(row) - {-1}) == wanted for row in found.rows.tolist()), each


@pytest.mark.parametrize(
    "name", [each.name for each in INDEXES.specs() if each.filters == "columns"]
)
def test_an_engine_that_keeps_columns_keeps_those_of_several_texts(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = drawn(Metric.COSINE, COUNT)
    index = holding(name, Metric.COSINE, vectors, exactest=False)
    if name.startswith("milvus") and "ef" in index.knobs:
        index.tune(ef=10)  # at more, comparing all that are allowed is cheaper
    monkeypatch.setattr(index, "_exactly", lambda *_: pytest.fail("it was not asked"))
    where = Allowed.of(Where("labels", "=", LABELS[:5]), columns())
    assert where.share > 0.5
    rows = index.filtered(vectors[:5], 10, where).rows
    assert where.mask[rows].all()


@every
def test_where_nothing_is_allowed_nothing_is_found(name: str, metric: Metric) -> None:
    vectors = drawn(metric, 100)
    index = holding(name, metric, vectors)
    for text in ("label=nobody", "part<0", "part>999"):
        rows, scores = index.search(vectors[:3], 4, allowed(text, 100))
        assert (rows == -1).all() and (scores == -np.inf).all() and rows.shape == (3, 4)
    assert index.search(vectors[:1], 1)[0].tolist() == [[0]]


@every
def test_a_filter_of_another_gallery_is_refused(name: str, metric: Metric) -> None:
    vectors = drawn(metric, 100)
    index = holding(name, metric, vectors)
    with pytest.raises(BadQuery, match="part<500 is of 99 rows, .* holds 100"):
        index.search(vectors[:1], 3, allowed("part<500", 99))
    with pytest.raises(BadQuery, match="k is 0"):
        index.search(vectors[:1], 0, allowed("part<500", 100))
    with pytest.raises(BadVectors, match="shape"):
        index.search(vectors[:1, :-1], 3, allowed("part<500", 100))
    with pytest.raises(BadVectors, match="columns of another length"):
        index.build(vectors, columns(99))


@every
def test_without_columns_and_closed(name: str, metric: Metric) -> None:
    vectors = drawn(metric, 100)
    index = made(name, metric)
    index.build(vectors)
    where = allowed("label=owl", 100)
    found = index.filtered(vectors[:2], 100, where)
    assert all(set(row) - {-1} == set(where.rows.tolist()) for row in found.rows.tolist())
    index.close()
    assert (index.search(vectors[:2], 100, where)[0] == -1).all()


@every
def test_of_no_rows_finds_nothing(name: str, metric: Metric) -> None:
    none = drawn(metric, 5)[:0]
    index = holding(name, metric, none)
    assert (index.search(drawn(metric, 2), 3, allowed("part<500", 0))[0] == -1).all()


@every
def test_threads_with_and_without_a_filter(name: str, metric: Metric) -> None:
    vectors = drawn(metric, 1500)
    index = holding(name, metric, vectors)
    where = allowed("part<300", 1500)
    plain, few = index.search(vectors[:1], 10)[0], index.search(vectors[:1], 10, where)[0]
    wrong: list[object] = []

    def asking(given: Allowed | None, right: Mixed) -> None:
        try:
            for _ in range(30):
                rows = index.search(vectors[:1], 10, given)[0]
                if rows.tolist() != right.tolist():
                    wrong.append(rows)
        except Exception as error:  # a thread's error is lost unless it is handed over
            wrong.append(error)

    workers = [
        threading.Thread(target=asking, args=each) for each in ((None, plain), (where, few)) * 2
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_one_that_starves_is_answered_exactly_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, queries = drawn(Metric.COSINE, COUNT), drawn(Metric.COSINE, 20, seed=3)
    index = holding("faiss-hnsw", Metric.COSINE, vectors, exactest=False)
    where, faiss = allowed("part<10"), library()

    def narrow(_: object, k: int, chosen: Allowed) -> tuple[object, str]:
        return faiss.SearchParametersHNSW(efSearch=10, sel=selector(chosen)), ""

    monkeypatch.setattr(type(index), "_limited", narrow)
    found = index.filtered(queries, 10, where)
    assert found.how == "exact over the 30 allowed, as the engine found too few"
    assert (found.rows >= 0).all()
    assert missed(Metric.COSINE, vectors, queries, found.rows, where) <= 0.3  # others were whole


@pytest.mark.parametrize("room", [0, TOGETHER])
def test_filters_in_turn_do_not_mix(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "TOGETHER", room)
    vectors = drawn(Metric.COSINE, 500)
    index = holding("faiss-nsg", Metric.COSINE, vectors)
    one, other = allowed("label=owl", 500), allowed("part<100", 500)
    for where in (one, other, one, other, other):
        rows, _ = index.search(vectors[:4], 10, where)
        assert where.mask[rows].all()
        assert missed(Metric.COSINE, vectors, vectors[:4], rows, where) == 0
    assert (index._together is None) == (room == 0)


def test_a_beam_grows_with_the_filter_until_the_few_are_cheaper() -> None:
    wide = [beam(16, 10, allowed(f"part<{part}", 100_000)) for part in (1000, 500, 100, 50, 1)]
    assert wide == [64, 128, 640, None, None]
    assert beam(16, 100, allowed("part<500", 100_000)) == 800  # it counts as k below k
    assert beam(512, 10, allowed("part<1000", 100_000)) == 2048
    assert beam(512, 10, allowed("part<1000", 1000)) is None
