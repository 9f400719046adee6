"""From a Keras model to the same network for ONNX Runtime."""

import gc
import logging
import warnings
from pathlib import Path

from tasks.vectorizer.quiet_keras import keras


def export_onnx(model: keras.Model, path: Path) -> None:
    """Writes a model of one image input as ONNX; how many images a batch has stays free."""
    logging.getLogger("tf2onnx").setLevel(logging.WARNING)
    images = keras.InputSpec(shape=model.input_shape, dtype="float32", name="images")
    # Keras' glue to tf2onnx asks NumPy for a name that will change its meaning.
    with warnings.catch_warnings(action="ignore", category=FutureWarning):
        model.export(path, format="onnx", verbose=False, input_signature=[images])
    gc.collect()  # copies of the graph that refer to each other: 2 GB for ResNet50
