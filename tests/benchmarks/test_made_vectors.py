import numpy as np
import pytest

from benchmarks.made_vectors import DIMENSIONS, GROUP, made_vectors

COUNT = 20 * GROUP


@pytest.fixture(name="vectors", scope="module")
def _vectors() -> np.ndarray:
    return np.concatenate(list(made_vectors(COUNT)))


def cosines(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x / np.linalg.norm(x, axis=1)[:, None]) @ (y / np.linalg.norm(y, axis=1)[:, None]).T


def test_they_are_distributed_as_those_of_the_network(vectors: np.ndarray) -> None:
    assert vectors.shape == (COUNT, DIMENSIONS)
    assert vectors.dtype == np.float32
    assert vectors.min() == 0
    assert 0.3 < (vectors < 0.01).mean() < 0.45
    kurtosis = ((vectors - vectors.mean()) ** 4).mean() / vectors.var() ** 2
    assert 50 < kurtosis < 110


def test_those_of_a_group_are_alike_and_others_are_not(vectors: np.ndarray) -> None:
    groups = np.arange(COUNT) % (COUNT // GROUP)
    alike = groups[:, None] == groups
    found = cosines(vectors, vectors)
    assert np.median(found[alike]) > 0.85
    assert np.median(found[~alike]) < 0.35


def test_they_are_the_same_each_time(vectors: np.ndarray) -> None:
    np.testing.assert_array_equal(next(made_vectors(COUNT)), vectors)


def test_queries_are_others_of_the_same_groups(vectors: np.ndarray) -> None:
    queries = next(made_vectors(COUNT, queries=True))
    found = cosines(queries, vectors)
    assert found.max() < 0.999
    assert np.median(found.max(axis=1)) > 0.85
