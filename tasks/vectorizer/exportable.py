"""The same Keras network in layers that tf2onnx can turn into ONNX."""

from typing import Any

import numpy as np

from tasks.vectorizer.quiet_keras import keras


def exportable(model: keras.Model) -> keras.Model:
    """Returns a model that computes the same and can be exported: itself, where nothing is amiss.

    What is replaced, in a copy: the exact GELU, which TensorFlow computes with an operation that
    ONNX lacks; convolutions of single channels, which it leaves to its own compiler; normalization
    by given numbers, which would become inputs of the exported network.
    """
    if not any(map(_is_amiss, model.layers)):
        return model
    copy = keras.models.clone_model(model, clone_function=_exportable_layer)
    for layer, copied in zip(model.layers, copy.layers, strict=True):
        if not isinstance(layer, keras.layers.Normalization):
            copied.set_weights(_weights_for(copied, layer))
    return copy


def _is_amiss(layer: Any) -> bool:
    return (
        _is_exact_gelu(layer)
        or _is_depthwise(layer)
        or isinstance(layer, keras.layers.Normalization)
    )


def _is_exact_gelu(layer: Any) -> bool:
    return getattr(layer, "activation", None) is keras.activations.gelu


def _is_depthwise(layer: Any) -> bool:
    return isinstance(layer, keras.layers.Conv2D) and 1 < layer.groups == layer.filters


def _exportable_layer(layer: Any) -> Any:
    if isinstance(layer, keras.layers.Normalization):
        mean, variance = (np.asarray(it).ravel() for it in (layer.mean, layer.variance))
        scale = 1 / np.maximum(np.sqrt(variance), keras.config.epsilon())
        return keras.layers.Rescaling(scale.tolist(), (-mean * scale).tolist(), name=layer.name)
    if _is_depthwise(layer):
        taken = ("name", "kernel_size", "strides", "padding", "dilation_rate", "use_bias")
        config = {key: value for key, value in layer.get_config().items() if key in taken}
        return keras.layers.DepthwiseConv2D(**config, activation=_activation(layer))
    copy = layer.__class__.from_config(layer.get_config())
    if _is_exact_gelu(layer):
        copy.activation = _gelu
    return copy


def _activation(layer: Any) -> Any:
    return _gelu if _is_exact_gelu(layer) else layer.activation


def _gelu(x: Any) -> Any:
    return x * (1 + keras.ops.erf(x / np.float32(np.sqrt(2)))) / 2


def _weights_for(copied: Any, layer: Any) -> list[Any]:
    weights: list[Any] = layer.get_weights()
    if isinstance(copied, keras.layers.DepthwiseConv2D) and _is_depthwise(layer):
        weights[0] = weights[0].swapaxes(2, 3)  # (height, width, 1, channels)
    return weights
