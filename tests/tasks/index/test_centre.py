import numpy as np
import pytest

from tasks.index.centre import CentredRows, MeanVector, centred
from tasks.index.rows import ArrayRows

RNG = np.random.default_rng(0)


def mean_of(vectors: np.ndarray, batch: int) -> np.ndarray:
    mean = MeanVector(vectors.shape[1])
    for start in range(0, len(vectors), batch):
        mean.add(vectors[start : start + batch])
    return mean.mean()


def test_the_mean_is_that_of_the_directions_drawn_to_zero_by_a_hundred_images() -> None:
    vectors = RNG.standard_normal((300, 8)).astype(np.float32) + 1
    directions = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = directions.sum(axis=0) / 400
    assert mean_of(vectors, 300) == pytest.approx(expected, abs=1e-6)


def test_the_mean_does_not_depend_on_how_the_rows_are_cut_into_batches() -> None:
    vectors = RNG.standard_normal((100, 8)).astype(np.float32)
    assert (mean_of(vectors, 100) == mean_of(vectors, 7)).all()


def test_equal_vectors_of_any_length_are_equal_when_centred() -> None:
    vector = np.array([3, 4, 0], np.float32)
    mean = np.array([0.1, 0, 0], np.float32)
    assert centred(vector, mean) == pytest.approx([0.5, 0.8, 0])
    assert centred(7 * vector, mean) == pytest.approx([0.5, 0.8, 0])


def test_a_zero_vector_stays_zero() -> None:
    mean = np.array([0.1, 0.2], np.float32)
    rows = centred(np.array([[0, 0], [1, 0]], np.float32), mean)
    assert rows == pytest.approx(np.array([[0, 0], [0.9, -0.2]]))


def test_without_a_mean_rows_are_as_they_are() -> None:
    vectors = RNG.standard_normal((5, 3)).astype(np.float32)
    rows = CentredRows(ArrayRows(vectors), None)
    assert len(rows) == 5
    assert (rows.read_rows(np.array([4, 0])) == vectors[[4, 0]]).all()
