"""Vectorizing with Keras: building the feature extractor, and running a saved one."""

import contextlib
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from tasks.errors import UserError
from tasks.vectorizer.backbones import Backbone
from tasks.vectorizer.batches import Images, transform_in_batches
from tasks.vectorizer.quiet_keras import keras

_BATCH_SIZE = 32


def build_network(backbone: Backbone, weights: Literal["imagenet"] | None = None) -> keras.Model:
    """Builds the whole network, classification layer included, untrained unless said otherwise."""
    # Weights and layers are found by name. Numbers in automatic names go on counting otherwise.
    keras.backend.clear_session()
    build = getattr(keras.applications, backbone.name)
    return build(weights=weights, input_shape=backbone.input_shape)


def feature_extractor(network: keras.Model, backbone: Backbone) -> keras.Model:
    """Cuts a network at its feature layer. Both share their weights."""
    output = network.get_layer(backbone.feature_layer).output
    if len(output.shape) > 2:  # (n, 1, 1, d)
        output = keras.layers.Flatten(name="vector")(output)
    return keras.Model(inputs=network.input, outputs=output, name=f"{backbone.name}_vectorizer")


class KerasVectorizer:
    """A `Vectorizer` that runs a saved Keras model."""

    def __init__(self, model_path: Path, threads: int | None = None) -> None:
        """Loads a `.keras` file; code inside it (lambdas) is refused, not run.

        Args:
            model_path: File written by `Model.save()`.
            threads: Threads to compute with; None leaves the number to TensorFlow. It is settled
                for the whole process once anything has been computed.

        Raises:
            UserError: The file cannot be loaded.
        """
        if threads:
            from tensorflow import config

            # Once TensorFlow has computed anything, the number stands.
            with contextlib.suppress(RuntimeError):
                config.threading.set_intra_op_parallelism_threads(threads)
        try:
            self._model = keras.saving.load_model(model_path, compile=False, safe_mode=True)
        except (OSError, ValueError) as error:
            raise UserError(
                f"{model_path} cannot be loaded: {error}; build the model again"
            ) from error

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return int(self._model.output_shape[-1])

    def transform(self, images: Images) -> npt.NDArray[np.float32]:
        """See `Vectorizer.transform`."""
        shape = self._model.input_shape[1:]
        return transform_in_batches(
            self._model.predict_on_batch, images, shape, self.dimensions, _BATCH_SIZE
        )
