"""From a Keras model to the same network for ONNX Runtime."""

import logging
from pathlib import Path

from tasks.vectorizer.quiet_keras import keras


def export_onnx(model: keras.Model, path: Path) -> None:
    """Writes a model of one image input as ONNX; how many images a batch has stays free."""
    logging.getLogger("tf2onnx").setLevel(logging.WARNING)
    images = keras.InputSpec(shape=model.input_shape, dtype="float32", name="images")
    model.export(path, format="onnx", verbose=False, input_signature=[images])
