import numpy as np
import pytest

from demo import efficientnet_lite

RNG = np.random.default_rng(0)


def convolution(name: str, normalization: str, *shape: int) -> dict[str, np.ndarray]:
    filters = shape[0]
    return {
        f"{name}.weight": RNG.standard_normal(shape).astype(np.float32),
        f"{normalization}.weight": np.ones(filters, np.float32),
        f"{normalization}.bias": np.zeros(filters, np.float32),
        f"{normalization}.running_mean": np.zeros(filters, np.float32),
        f"{normalization}.running_var": np.ones(filters, np.float32),
    }


def block(number: int, inside: int, filters: int) -> dict[str, np.ndarray]:
    name = f"_blocks.{number}."
    return {
        **convolution(f"{name}_expand_conv", f"{name}_bn0", 2 * inside, inside, 1, 1),
        **convolution(f"{name}_depthwise_conv", f"{name}_bn1", 2 * inside, 1, 3, 3),
        **convolution(f"{name}_project_conv", f"{name}_bn2", filters, 2 * inside, 1, 1),
    }


@pytest.fixture
def weights() -> dict[str, np.ndarray]:
    """Three blocks of two stages, with weights made here."""
    return {
        **convolution("_conv_stem", "_bn0", 4, 3, 3, 3),
        **block(0, 4, 4),
        **block(1, 4, 6),
        **block(2, 6, 6),
        **convolution("_conv_head", "_bn1", 10, 6, 1, 1),
    }


def test_the_weights_tell_widths_and_depths(weights: dict[str, np.ndarray]) -> None:
    network = efficientnet_lite.build(weights, 32)
    assert network.output.shape == (None, 10)
    sides = [layer.output.shape[1] for layer in network.layers if "depthwise" in layer.name]
    assert sides == [16, 8, 8]  # a stem and the second stage halve the picture
    assert sum("add" in layer.name for layer in network.layers) == 2  # where nothing changes


def test_every_weight_is_used(weights: dict[str, np.ndarray]) -> None:
    network = efficientnet_lite.build(weights, 32)
    assert network.count_params() == sum(array.size for array in weights.values())
