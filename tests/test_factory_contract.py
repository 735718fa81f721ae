"""The contracts of indexes, of their knobs and of filters, for indexes that somebody types."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from retrieval.errors import BadKnob, BadVectors, Damaged
from retrieval.indexes import INDEXES
from retrieval.indexes.faiss_factory import SHAPE
from retrieval.types import Metric
from tests import contract, test_index_knobs, test_indexes, test_indexes_kept
from tests import test_filters as filtered
from tests.vectors import DIM, built, drawn, made, recall

TYPED = {
    "faiss:HNSW16,PQ16x4,RFlat": 0.97,
    "faiss:HR,HNSW16,RaBitQ,RFlat": 0.99,
    "faiss:IVF16,PQ16x4fs,RFlat": 0.99,
    "faiss:IVF8_HNSW8,Flat": 0.99,
    "faiss:NSG32": 0.98,
    "faiss:PCA16,IVF4,RaBitQ4,Refine(SQ8)": 0.95,
    "faiss:RaBitQfs,RFlat": 0.99,
}
"""Names, and the recall that they reach at their most exact."""
EACH = {"Refine(SQ8)": 1}
"""Bytes of a dimension where it is not four."""
ALONE = {"threads", "another_process"}
"""Words of tests that cost seconds, run for some names only."""
SLOW = ("faiss:HNSW16,PQ16x4,RFlat", "faiss:RaBitQfs,RFlat")
BADLY = (
    "faiss:SQ4",
    "faiss:PQ16x4",
    "faiss:RaBitQ",
    "faiss:PCA16,Flat",
    "faiss:LSH",
    "faiss:RR32,SQ6",
)
"""Codes that are compared with nothing else: no test of exactness holds."""


def checks(module: ModuleType) -> list[Callable[..., None]]:
    """The tests of a module that hold for any index with any metric."""
    found = [each for name, each in vars(module).items() if name.startswith("test_")]
    return [each for each in found if {"name", "metric"} <= set(inspect.signature(each).parameters)]


def fitting(check: Callable[..., None], name: str) -> bool:
    """Whether a test is of every index, not of a knob or of graphs alone."""
    wanted = set(inspect.signature(check).parameters)
    slow = any(word in check.__name__ for word in ALONE)
    graphs = "a_graph" in check.__name__
    tied = "one_vector" in check.__name__ and "PCA" in name  # a rounding decides its list
    left_out = graphs or tied or (slow and name not in SLOW)
    return wanted <= {"name", "metric", "tmp_path"} and not left_out


CASES = [
    pytest.param(each, name, id=f"{name[6:]}-{each.__name__[5:]}")
    for module in (test_indexes, test_indexes_kept, test_index_knobs, filtered)
    for each in checks(module)
    for name in TYPED
    if fitting(each, name)
]


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the contracts must know of a typed index, as they do of the others."""
    for name, least in TYPED.items():
        spec = INDEXES.spec(name)
        fewest = int(spec.note.split()[1]) if spec.note else 1
        each = next((value for text, value in EACH.items() if name.endswith(text)), 4)
        monkeypatch.setitem(contract.LOSSY, name, least)
        monkeypatch.setitem(filtered.LOSSY, name, least)
        monkeypatch.setitem(contract.FEWEST, name, fewest)
        monkeypatch.setitem(contract.EACH, name, each)


@pytest.mark.parametrize(("check", "name"), CASES)
def test_contract(check: Callable[..., None], name: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {"name": name, "metric": Metric.COSINE, "tmp_path": tmp_path}
    check(**{each: given[each] for each in inspect.signature(check).parameters})


TUNED = ("faiss:IVF64,Flat", "faiss:IVF64_HNSW8,PQ16x4fs,RFlat", "faiss:HNSW16,PQ16x4,RFlat")


@pytest.mark.parametrize("name", TUNED)
def test_knobs_change_recall_and_stay_in_range(name: str) -> None:
    for knob in INDEXES.spec(name).knobs:
        test_index_knobs.test_query_knobs_change_recall(name, Metric.COSINE, knob)
        test_index_knobs.test_refuses_knobs_out_of_range(name, Metric.COSINE, knob)


@pytest.mark.parametrize("name", [name for name in TYPED if "HNSW16" in name])
def test_a_graph_at_its_defaults_loses_little_under_a_filter(name: str) -> None:
    vectors, queries = drawn(Metric.COSINE, 3000), drawn(Metric.COSINE, 100, seed=3)
    index = filtered.holding(name, Metric.COSINE, vectors, exactest=False)
    for part in filtered.PARTS:
        where = filtered.allowed(f"part<{part}")
        found = index.filtered(queries, 10, where)
        lost = filtered.missed(Metric.COSINE, vectors, queries, found.rows, where)
        assert lost <= 0.05, (part, found.how)


@pytest.mark.parametrize("name", BADLY)
def test_codes_alone_answer_roughly(name: str, tmp_path: Path) -> None:
    vectors, queries = drawn(Metric.COSINE, 2000), drawn(Metric.COSINE, 60, seed=3)
    index, again = built(name, Metric.COSINE, vectors), made(name, Metric.COSINE)
    rows, scores = index.search(queries, 10)
    assert 0.1 < recall(Metric.COSINE, vectors, queries, rows) < 0.99
    assert (np.diff(scores, axis=1) <= 0).all() and np.abs(scores).max() < 1.5
    assert index.nbytes() < vectors.nbytes
    if index.keeps:
        index.save(tmp_path)
        again.load(tmp_path, vectors)
        assert np.array_equal(again.search(queries, 10)[0], rows)
    test_indexes.test_pads_where_k_exceeds_the_rows(name, Metric.COSINE)
    test_indexes.test_leaves_its_arguments_unchanged(name, Metric.COSINE, tmp_path)


def test_opq_is_trained_saved_and_filtered(tmp_path: Path) -> None:
    name = "faiss:OPQ8_32,IVF4,PQ8x4fs,RFlat"
    vectors, queries = drawn(Metric.COSINE, 600), drawn(Metric.COSINE, 40, seed=3)
    index, again = (
        built(name, Metric.COSINE, vectors, nprobe=4, k_factor=64),
        made(name, Metric.COSINE),
    )
    rows, _ = index.search(queries, 10)
    assert recall(Metric.COSINE, vectors, queries, rows) >= 0.99
    index.save(tmp_path)
    again.load(tmp_path, vectors)
    again.tune(nprobe=4, k_factor=64)
    assert np.array_equal(again.search(queries, 10)[0], rows)
    where = filtered.allowed("part<500", 600)
    assert where.mask[again.search(queries, 10, where)[0]].all()
    with pytest.raises(BadVectors, match="needs 256 vectors to train, got 255; take"):
        index.build(vectors[:255])


@pytest.mark.parametrize(
    "name", ["faiss:PCA16,HNSW8", "faiss:PCA16,IVF4,Flat", "faiss:L2norm,HNSW8"]
)
def test_files_of_whole_vectors_hold_none(name: str, tmp_path: Path) -> None:
    vectors, queries = drawn(Metric.COSINE, 900), drawn(Metric.COSINE, 30, seed=3)
    index, again = built(name, Metric.COSINE, vectors), made(name, Metric.COSINE)
    index.save(tmp_path)
    again.load(tmp_path, vectors)
    assert np.array_equal(again.search(queries, 10)[0], index.search(queries, 10)[0])
    assert again.nbytes() == index.nbytes()
    assert sum(each.stat().st_size for each in tmp_path.iterdir()) < 900 * 4 * 16 * 3
    with pytest.raises(Damaged, match=SHAPE):
        again.load(tmp_path, vectors[:-1])


SAVED = ("faiss:HNSW16,SQ8", "faiss:IVF8_HNSW8,Flat", "faiss:HNSW8", "faiss:PQ16x4,RFlat")


@pytest.mark.parametrize("name", SAVED)
def test_files_that_are_cut_or_others_are_damaged(name: str, tmp_path: Path) -> None:
    test_indexes_kept.test_missing_and_cut_files_are_damaged(name, tmp_path)
    for each in tmp_path.iterdir():
        each.unlink()
    test_indexes_kept.test_files_of_other_vectors_are_damaged(name, tmp_path)


def test_another_recipes_file_is_damaged(tmp_path: Path) -> None:
    vectors = drawn(Metric.COSINE, 300)
    built("faiss:IVF4,SQ8", Metric.COSINE, vectors).save(tmp_path)
    for other in (
        "faiss:IVF5,SQ8",
        "faiss:IVF4,SQ4",
        "faiss:PCA32,IVF4,SQ8",
        "faiss:IVF4_HNSW,SQ8",
    ):
        with pytest.raises(Damaged, match="codes.faiss is no index of faiss:"):
            made(other, Metric.COSINE).load(tmp_path, vectors)


def test_parts_that_do_not_fit_the_width_say_what_does() -> None:
    vectors = drawn(Metric.COSINE, 400)
    for name, sentence in {
        "faiss:PQ48x4": f"PQ48 must divide the {DIM} dimensions that it gets: take 32",
        "faiss:OPQ32_48,PQ24x4": "OPQ32 must divide the 48 dimensions that it gets: take 24",
        "faiss:PCA65,Flat": f"PCA65 of {DIM} dimensions: take {DIM} or fewer",
    }.items():
        with pytest.raises(BadKnob, match=sentence):
            built(name, Metric.COSINE, vectors)
