"""Recall by distance."""

import numpy as np

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
