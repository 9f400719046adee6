import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tasks.index.cosine import get_cosine_similarity, normalize

Floats = npt.NDArray[np.float32]


def matrices(dimensions: int) -> st.SearchStrategy[Floats]:
    elements = st.floats(width=32, allow_nan=False, allow_infinity=False)
    shapes = array_shapes(min_dims=1, max_dims=1, min_side=1, max_side=4)
    return shapes.flatmap(lambda shape: arrays(np.float32, (*shape, dimensions), elements=elements))


pairs = st.integers(1, 6).flatmap(lambda dimensions: st.tuples(*[matrices(dimensions)] * 2))


def reference(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> float:
    """The definition for two vectors, in exact sums."""
    product = math.fsum(float(a) * float(b) for a, b in zip(x, y, strict=True))
    lengths = [math.sqrt(math.fsum(float(a) ** 2 for a in vector)) for vector in (x, y)]
    return product / lengths[0] / lengths[1] if all(lengths) else 0.0


@given(pairs)
def test_it_is_the_cosine_of_each_vector_with_each(pair: tuple[Floats, Floats]) -> None:
    x, y = pair
    cosines = get_cosine_similarity(x, y)
    assert cosines.shape == (len(x), len(y))
    expected = [[reference(a, b) for b in y] for a in x]
    np.testing.assert_allclose(cosines, expected, rtol=0, atol=1e-6)
    assert np.abs(cosines).max() <= 1


@given(pairs)
def test_single_vectors_get_what_they_get_in_a_matrix(pair: tuple[Floats, Floats]) -> None:
    x, y = pair
    matrix = get_cosine_similarity(x, y)
    np.testing.assert_allclose(get_cosine_similarity(x, y[0]), matrix[:, 0], rtol=0, atol=1e-6)
    np.testing.assert_allclose(get_cosine_similarity(x[0], y), matrix[0], rtol=0, atol=1e-6)
    assert get_cosine_similarity(x[0], y[0]) == pytest.approx(matrix[0, 0], abs=1e-6)


@given(matrices(5))
def test_a_vector_has_exactly_one_with_itself_wherever_it_lies(x: Floats) -> None:
    cosines = get_cosine_similarity(np.repeat(x, 3, axis=0).astype(np.float64), x[0])
    assert np.unique(cosines[:3]).tolist() == [float(x[0].any())]


@pytest.mark.parametrize(
    ("x_shape", "y_shape", "shape"),
    [((3,), (3,), ()), ((2, 3), (3,), (2,)), ((3,), (4, 3), (4,)), ((2, 3), (4, 3), (2, 4))],
)
def test_the_shape_is_that_of_the_product(
    x_shape: tuple[int, ...], y_shape: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    assert get_cosine_similarity(np.ones(x_shape), np.ones(y_shape)).shape == shape


@pytest.mark.parametrize(
    ("given_type", "result_type"),
    [
        (np.uint8, np.float32),
        (np.float16, np.float32),
        (np.float32, np.float32),
        (np.float64, np.float64),
    ],
)
def test_float32_stays_float32(given_type: type, result_type: type) -> None:
    vector: npt.NDArray[Any] = np.array([1, 2, 2], dtype=given_type)
    assert get_cosine_similarity(vector, vector).dtype == result_type
    assert normalize(vector).dtype == result_type


@pytest.mark.filterwarnings("error")
def test_zero_vectors_are_similar_to_nothing_and_warn_of_nothing() -> None:
    x = np.array([[0, 0], [1, 1]], dtype=np.float32)
    np.testing.assert_allclose(get_cosine_similarity(x, x), [[0, 0], [0, 1]], atol=1e-6)
    assert get_cosine_similarity(x[0], x[0]) == 0
    assert normalize(x)[0].tolist() == [0, 0]


def test_rounding_never_gives_more_than_one() -> None:
    x = np.random.default_rng(0).random((50, 7))
    assert get_cosine_similarity(x, 3 * x).max() == 1.0


@given(matrices(4))
def test_normalized_vectors_have_unit_length_unless_they_are_zero(x: Floats) -> None:
    unit = normalize(x)
    assert unit.shape == x.shape
    lengths = np.linalg.norm(unit.astype(np.float64), axis=1)
    np.testing.assert_allclose(lengths, x.any(axis=1).astype(float), atol=1e-6)
    np.testing.assert_array_equal(normalize(x[0]), unit[0])
