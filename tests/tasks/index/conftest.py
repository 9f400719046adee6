"""Made vectors that are distributed like those of ResNet50 `avg_pool`."""

from collections.abc import Callable

import numpy as np
import pytest

from tasks.index.rows import Vectors

MakeVectors = Callable[[int, int], Vectors]


@pytest.fixture(scope="session")
def make_vectors() -> MakeVectors:
    """Makes (count, dimensions) vectors: non-negative, a third zeros, correlated, heavy-tailed.

    Each is a point around one of 20 topics in 32 latent dimensions, mixed into all dimensions
    (low rank, so they correlate), noise added, through a ReLU (so non-negative and sparse), to
    a power and with a scale for each dimension (so heavy-tailed and far from the origin).
    """

    def make(count: int, dimensions: int) -> Vectors:
        rng = np.random.default_rng(count * dimensions)
        topics = rng.normal(size=(20, 32))
        points = topics[rng.integers(20, size=count)] + rng.normal(size=(count, 32))
        mixed = points @ rng.normal(scale=32**-0.5, size=(32, dimensions))
        noise = rng.normal(scale=0.5, size=(count, dimensions))
        scale = rng.lognormal(-1.0, 0.6, size=dimensions)
        activations = np.maximum(mixed + noise + 0.5, 0)
        return (activations**1.5 * scale).astype(np.float32)

    return make
