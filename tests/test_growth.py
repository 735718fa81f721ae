"""Vectors drawn around a gallery's own, how figures grow with them, and what engines hold."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.errors import BadVectors
from retrieval.lab import Lab
from retrieval.measure.drawn import around, shape, stack
from retrieval.measure.footprint import FOOTPRINTS
from retrieval.measure.growth import FORMS, grown
from retrieval.types import Metric
from tests.vectors import built
from tests.vectors import drawn as clusters


@pytest.fixture(scope="module")
def stamps() -> np.ndarray:
    lab = Lab()
    return np.asarray(lab.vectors(lab.gallery("stamps"), "conse-lite2"), np.float32)


# --- drawn ----------------------------------------------------------------------------------------


def test_drawn_vectors_lie_like_the_real_ones(stamps: np.ndarray) -> None:
    drawer = around(stamps)
    assert all(0.8 < ratio < 1.25 for ratio in drawer.check().values()), drawer.check()
    new = drawer.draw(2000)
    np.testing.assert_allclose(np.linalg.norm(new, axis=1), 1, atol=1e-5)
    assert new.dtype == np.float32
    assert len(np.unique(new, axis=0)) == 2000
    nearest = (new @ stamps.T).max(axis=1)
    assert np.median(nearest) < 0.9999  # none is a copy of a real one
    assert np.median(nearest) > 0.6  # nor away from all of them


def test_the_check_notices_what_is_not_like_the_real(stamps: np.ndarray) -> None:
    noise = np.random.default_rng(0).standard_normal(stamps.shape).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    ratios = shape(stamps).ratios(shape(noise))
    assert ratios["first"] > 1.5
    assert ratios["dimension"] > 2


def test_a_seed_draws_the_same_again(stamps: np.ndarray) -> None:
    drawer = around(stamps)
    assert (drawer.draw(100, 5) == drawer.draw(100, 5)).all()
    assert (drawer.draw(100, 5) != drawer.draw(100, 6)).any()
    again = around(stamps, (drawer.neighbours.shape[1], drawer.step))
    assert (again.draw(10) == drawer.draw(10)).all()


def test_too_few_and_bits_are_refused(stamps: np.ndarray) -> None:
    with pytest.raises(BadVectors, match="packed bits"):
        around(np.zeros((100, 8), np.uint8))
    with pytest.raises(BadVectors, match="1 different vectors are too few"):
        around(np.repeat(stamps[:1], 500, axis=0))
    with pytest.raises(BadVectors, match="31 different vectors"):
        around(stamps[:31])


def test_the_real_ones_come_first(stamps: np.ndarray) -> None:
    drawer = around(stamps, (8, 0.8))
    assert len(stack(stamps, drawer, 100)) == 100
    more = stack(stamps, drawer, len(stamps) + 5)
    assert (more[: len(stamps)] == stamps).all()
    assert len(more) == len(stamps) + 5


# --- growth ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["n", "log n"])
def test_a_fit_finds_the_form_and_holds_the_truth(name: str) -> None:
    def truth(count: float) -> float:
        return float(0.02 + 1e-4 * FORMS[name](count))

    counts = [1000, 3000, 10_000, 30_000, 100_000]
    noise = np.random.default_rng(0).normal(1, 0.05, len(counts))
    found = grown(counts, [truth(n) * e for n, e in zip(counts, noise, strict=True)])
    assert found is not None
    value, low, high = found.at(1_000_000)
    assert low < truth(1_000_000) < high
    assert low <= value <= high
    near = found.at(10_000)
    assert high / low > near[2] / near[1]  # surer within than beyond
    assert name in [line.form for line in found.lines]


def test_a_crossing_is_where_the_bound_is_passed() -> None:
    counts = [1000, 10_000, 100_000, 1_000_000]
    found = grown(counts, [n * 1e-4 for n in counts])
    assert found is not None
    middle, earliest, latest = found.reaches(20)
    assert middle == pytest.approx(200_000, rel=0.01)
    assert earliest < middle < latest
    assert found.reaches(1e12, most=1e9)[0] == 1e9


def test_too_few_sizes_are_no_fit() -> None:
    assert grown([], []) is None
    assert grown([1000, 1000, 3000], [1, 1, 2]) is None


def test_a_figure_that_falls_is_a_constant() -> None:
    found = grown([1000, 3000, 10_000], [3.0, 2.0, 1.0])
    assert found is not None
    value, low, high = found.at(1e9)
    assert 0 < low < value < high


# --- footprints -----------------------------------------------------------------------------------


DATABASES = ("pgvector-hnsw", "qdrant-hnsw", "milvus-hnsw")
"""They hold more than the index, by what their own tables need."""


@pytest.mark.parametrize("name", sorted({*FOOTPRINTS} - {*DATABASES}))
def test_the_arithmetic_is_what_the_engine_holds(name: str) -> None:
    vectors = clusters(Metric.COSINE, 4000, width=256)
    with built(name, Metric.COSINE, vectors) as index:
        assert FOOTPRINTS[name].bytes(256, 4000) == pytest.approx(index.nbytes(), rel=0.04)


def test_codes_in_memory_are_less_than_the_whole() -> None:
    plan = FOOTPRINTS["faiss-ivf-rabitq"]
    assert plan.memory(768, 10**9) < plan.bytes(768, 10**9) / 20
