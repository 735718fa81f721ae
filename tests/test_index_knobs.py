"""The contract of knobs: what is refused, and what each changes."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.errors import BadKnob
from retrieval.indexes import INDEXES
from retrieval.measure.knobs import effects
from retrieval.types import Knob, Metric
from tests.contract import BUILD_KNOBS, KNOBS, QUERY_KNOBS, SCORED_AGAIN, every
from tests.vectors import DIM, built, drawn, made, recall


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
    vectors, queries = drawn(Metric.COSINE, 5000), drawn(Metric.COSINE, 300, seed=3)
    index = built(name, Metric.COSINE, vectors)
    if name == "qdrant-server-sq8":  # at more it finds all in any case, and a server hides the work
        index.tune(oversampling=1)
    (knob,) = (each for each in index.spec.knobs if each.name == changed)
    found = []
    for value in (knob.low, knob.high):
        index.tune(**{changed: value})
        found.append(index.search(queries, 10)[0])
    if name == "qdrant-sq8":  # it finds all in any case, so that only the work tells: five times
        few = queries[:40]
        truth = built("exact", Metric.COSINE, vectors).search(few, 10)[1]
        every = effects(index, vectors, few, truth)
        (effect,) = (each for each in every if each.knob is not None and each.knob.name == changed)
        assert effect.changes, [(each.recall, each.median_ms) for each in effect.settings]
    else:
        assert not np.array_equal(found[0], found[1])


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


def test_pq_parts_must_divide_the_width() -> None:
    vectors = drawn(Metric.COSINE, 100, width=48)
    with pytest.raises(BadKnob, match="m is 64; .*48 dimensions: take a power of two up to 16"):
        built("faiss-ivfpq", Metric.COSINE, vectors)
    assert built("faiss-ivfpq", Metric.COSINE, vectors, m=16).search(vectors[:1], 1)[0][0, 0] == 0
    with pytest.raises(BadKnob, match="30 dimensions: take faiss-ivf"):
        built("faiss-ivfpq", Metric.COSINE, drawn(Metric.COSINE, 100, width=30))
    with pytest.raises(BadKnob, match="m is 48; it must be a power of two"):
        made("faiss-ivfpq", Metric.COSINE, m=48)


def test_codes_alone_are_a_small_part_of_the_vectors() -> None:
    vectors = drawn(Metric.COSINE, 3000, width=256)
    alone, refined = (
        built(name, Metric.COSINE, vectors, m=16) for name in ("faiss-ivfpq8", "faiss-ivfpq")
    )
    assert alone.nbytes() < vectors.nbytes / 6 < vectors.nbytes < refined.nbytes()
    found = [
        recall(Metric.COSINE, vectors, vectors[:100], each.search(vectors[:100], 10)[0])
        for each in (alone, refined)
    ]
    assert found[0] + 0.1 < found[1]  # nothing is compared again
