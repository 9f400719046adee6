"""Cosine similarity, vectorized and safe for zero vectors."""

from typing import Any

import numpy as np
import numpy.typing as npt


def get_cosine_similarity(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Returns the cosine similarity of each vector of `x` with each vector of `y`.

    The result has the shape of `x @ y.T`: a matrix keeps its axis of vectors, a single vector
    leaves none. A zero vector is similar to nothing: 0.0. The arithmetic is float64.

    If `x` or `y` is a single vector, a similarity depends on its own two vectors alone, not on
    where they lie: equal vectors get equal similarities, and a vector has exactly 1.0 with itself.

    Args:
        x: (d,) or (n, d).
        y: (d,) or (m, d).

    Returns:
        (), (n,), (m,) or (n, m), within [-1, 1]; float32, or float64 if `x` or `y` needs it.
    """
    dtype = np.result_type(x, y, np.float32)
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    # A matrix product is faster, but the last bit of an element depends on its place in there.
    products = x @ y.T if x.ndim == y.ndim == 2 else np.vecdot(x, y)
    # One root of a product, not a product of two roots: sqrt(s * s) is s to the last bit.
    lengths = np.sqrt(np.multiply.outer(np.vecdot(x, x), np.vecdot(y, y)))
    cosines = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    return np.asarray(np.clip(cosines, -1, 1), dtype=dtype)


def normalize(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Returns the vectors scaled to unit length; zero vectors stay zero.

    Args:
        x: (d,) or (n, d).

    Returns:
        The shape of `x`; float32, or float64 if `x` needs it.
    """
    dtype = np.result_type(x, np.float32)
    x = np.asarray(x, dtype=np.float64)
    lengths = np.sqrt(np.vecdot(x, x))[..., np.newaxis]
    return np.asarray(x / np.where(lengths > 0, lengths, 1), dtype=dtype)
