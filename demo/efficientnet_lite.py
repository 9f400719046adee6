"""EfficientNet-Lite as a Keras network, from the weights of PyTorch's.

Tan and Le, EfficientNet (2019), without squeeze-and-excitation and with ReLU6. The shapes of the
weights tell widths and depths; strides are the same for all sizes.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.vectorizer.quiet_keras import keras

Weights = Mapping[str, npt.NDArray[Any]]

_STRIDES = (1, 2, 2, 2, 1, 2, 1)  # of the first block of each stage
_EPSILON = 1e-3


def build(weights: Weights, side: int) -> keras.Model:
    """Returns the network up to its pooling: (n, side, side, 3) to (n, 1280), trained."""
    keras.backend.clear_session()
    images = keras.Input((side, side, 3))
    x = _Layers(weights, "_conv_stem", "_bn0").convolved(images, strides=2)
    stage, block = -1, 0
    while f"_blocks.{block}._project_conv.weight" in weights:
        name = f"_blocks.{block}."
        filters = len(weights[f"{name}_project_conv.weight"])
        is_first = block == 0 or filters != x.shape[-1]
        stage += is_first
        x = _block(weights, name, x, _STRIDES[stage] if is_first else 1)
        block += 1
    x = _Layers(weights, "_conv_head", "_bn1").convolved(x)
    return keras.Model(images, keras.layers.GlobalAveragePooling2D()(x), name="efficientnet_lite")


def _block(weights: Weights, name: str, x: Any, strides: int) -> Any:
    hidden = x
    if f"{name}_expand_conv.weight" in weights:
        hidden = _Layers(weights, f"{name}_expand_conv", f"{name}_bn0").convolved(hidden)
    deep = _Layers(weights, f"{name}_depthwise_conv", f"{name}_bn1")
    hidden = deep.convolved(hidden, strides=strides, depthwise=True)
    hidden = _Layers(weights, f"{name}_project_conv", f"{name}_bn2").convolved(hidden, bent=False)
    return keras.layers.Add()([hidden, x]) if hidden.shape == x.shape else hidden


class _Layers:
    """A convolution and what follows it, with their weights.

    Args:
        weights: of the network.
        convolution: name of the convolution.
        normalization: name of the batch normalization after it.
    """

    def __init__(self, weights: Weights, convolution: str, normalization: str) -> None:
        self._kernel = weights[f"{convolution}.weight"]
        parts = ("weight", "bias", "running_mean", "running_var")
        self._normalization = [weights[f"{normalization}.{part}"] for part in parts]

    def convolved(
        self, x: Any, strides: int = 1, *, depthwise: bool = False, bent: bool = True
    ) -> Any:
        """Returns the feature maps after convolution, normalization and, if bent, ReLU6."""
        out, _, *size = self._kernel.shape
        common = {"strides": strides, "padding": "same", "use_bias": False}
        if depthwise:
            layer, axes = keras.layers.DepthwiseConv2D(size, **common), (2, 3, 0, 1)
        else:
            layer, axes = keras.layers.Conv2D(out, size, **common), (2, 3, 1, 0)
        x = layer(x)
        layer.set_weights([self._kernel.transpose(axes)])
        normalization = keras.layers.BatchNormalization(epsilon=_EPSILON)
        x = normalization(x)
        normalization.set_weights([np.asarray(it) for it in self._normalization])
        return keras.layers.ReLU(6.0)(x) if bent else x
