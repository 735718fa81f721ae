"""Recall by distance."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from retrieval.measure.recall import recall, scores
from retrieval.types import Metric


def f32(*values: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.array(values, dtype=np.float32)


def test_all_found_is_one() -> None:
    assert recall(f32(0.9, 0.8), f32(0.9, 0.8)) == 1.0


def test_half_found_is_a_half() -> None:
    assert recall(f32(0.9, 0.1), f32(0.9, 0.8)) == 0.5


def test_another_picture_at_the_same_distance_is_no_miss() -> None:
    assert recall(f32(0.9, 0.8, 0.8), f32(0.9, 0.8, 0.8)) == 1.0


def test_fewer_found_than_there_are_lowers_it() -> None:
    assert recall(f32(0.9), f32(0.9, 0.8)) == 0.5
    assert recall(f32(), f32(0.9, 0.8)) == 0.0


def test_fewer_rows_than_k_can_still_be_all() -> None:
    assert recall(f32(0.9), f32(0.9, -np.inf)) == 1.0
    assert recall(f32(), f32(-np.inf)) == 1.0


def test_scores_come_from_the_vectors() -> None:
    vectors = np.eye(3, dtype=np.float32)
    assert scores(vectors[1], vectors, np.array([1, 0]), Metric.COSINE).tolist() == [1.0, 0.0]
    bits = np.array([[0b1111_0000], [0b1111_1111]], dtype=np.uint8)
    assert scores(bits[0], bits, np.array([0, 1]), Metric.HAMMING).tolist() == [1.0, 0.5]


def test_ties_at_the_end_make_up_for_no_nearer_neighbour() -> None:
    assert recall(f32(0.9, 0.8, 0.8), f32(1.0, 0.9, 0.8)) == 2 / 3
    assert recall(f32(0.5, 0.5, 0.5), f32(1.0, 0.5, 0.5)) == 2 / 3
    assert recall(f32(1.0, 0.5, 0.1), f32(1.0, 0.5, 0.5)) == 2 / 3


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=12),
    st.integers(1, 6),
    st.integers(0, 2**32 - 1),
)
def test_it_is_one_less_the_share_of_lost_places(rows: list[int], k: int, seed: int) -> None:
    every = np.asarray(-np.sort(-np.array(rows, dtype=np.float32) / 4), np.float32)
    k = min(k, len(every))
    drawn = np.random.default_rng(seed).permutation(len(every))[:k]
    found = np.asarray(-np.sort(-every[drawn]), np.float32)
    best = 0  # the most places of the truth that the found rows can fill, one each
    left = list(found)
    for score in every[:k]:
        if score in left:
            left.remove(score)
            best += 1
    assert recall(found, every[:k]) == best / k


def test_equal_vectors_have_equal_scores_wherever_they_stand() -> None:
    draws = np.random.default_rng(0)
    row = draws.normal(size=384).astype(np.float32)
    vectors = np.tile(row / np.linalg.norm(row), (50, 1))
    query = draws.normal(size=384).astype(np.float32)
    for count in (1, 2, 7, 50):
        assert len(set(scores(query, vectors, np.arange(count), Metric.COSINE).tolist())) == 1
