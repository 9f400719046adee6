"""The networks that the tables compare."""

import numpy as np
import pytest

from demo.models import pooled_three_ways
from tasks.vectorizer.quiet_keras import keras


@pytest.fixture
def resnet50() -> keras.Model:
    return keras.applications.ResNet50(weights=None, include_top=False, input_shape=(64, 64, 3))


def test_three_ways_of_pooling_are_three_vectors_of_unit_length(resnet50: keras.Model) -> None:
    images = np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 3)).astype(np.float32)
    stages = keras.Model(
        resnet50.input, [resnet50.output, resnet50.get_layer("conv4_block6_out").output]
    )
    last, fourth = (np.asarray(stage) for stage in stages(images))
    expected = (
        last.mean(axis=(1, 2)),
        (np.maximum(last, 1e-6) ** 3).mean(axis=(1, 2)) ** (1 / 3),
        fourth.mean(axis=(1, 2)),
    )
    found = np.asarray(pooled_three_ways(resnet50)(images))
    units = [vector / np.linalg.norm(vector, axis=1, keepdims=True) for vector in expected]
    np.testing.assert_allclose(found, np.concatenate(units, axis=1), atol=1e-5)
