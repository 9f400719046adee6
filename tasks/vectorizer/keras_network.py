"""A Keras network of one's own, turned into one of images to vectors."""

import zipfile
from pathlib import Path
from typing import Any

from tasks.errors import UserError
from tasks.vectorizer.network import Network
from tasks.vectorizer.quiet_keras import keras

_SHOWN = 5


def load_network(path: Path, declared: Network) -> keras.Model:
    """Loads a `.keras` file; code inside it (lambdas) is refused, not run.

    Args:
        path: The file.
        declared: What is declared of it.

    Returns:
        A model of images (n, height, width, 3) to vectors (n, d), both float32.

    Raises:
        UserError: The file cannot be loaded or does not fit its declaration.
    """
    keras.backend.clear_session()  # numbers in automatic names go on counting otherwise
    try:
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
        network = keras.Model(network.inputs, _output(network, declared))
        images = keras.Input((declared.height, declared.width, 3))
        turned = keras.layers.Permute((3, 1, 2))(images) if declared.layout == "NCHW" else images
        vectors = _pooled(network(turned), declared)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"the network {declared.file} cannot be used: {reason}; correct it or "
            "[pipeline.network]"
        ) from error
    if len(vectors.shape) != 2 or None in vectors.shape[1:]:
        raise UserError(
            f"the output of {declared.file} has shape {vectors.shape}, with pooling "
            f"{declared.pooling} no (n, d); set `output` or `pooling` under [pipeline.network]"
        )
    return keras.Model(images, vectors, name=declared.name)


def _output(network: keras.Model, declared: Network) -> Any:
    if not declared.output and len(network.outputs) == 1:
        return network.outputs[0]
    names = [layer.name for layer in network.layers]
    if declared.output not in names:
        told = f"has no layer {declared.output!r}" if declared.output else "has several outputs"
        raise UserError(
            f"the network {declared.file} {told}; set `output` under "
            f"[pipeline.network] to one like {', '.join(names[-_SHOWN:])}"
        )
    return network.get_layer(declared.output).output


def _pooled(found: Any, declared: Network) -> Any:
    rank = len(found.shape)
    match declared.pooling:
        case "mean" if rank == 4:
            order = "channels_first" if declared.layout == "NCHW" else "channels_last"
            return keras.layers.GlobalAveragePooling2D(data_format=order)(found)
        case "mean" if rank == 3:
            return keras.layers.GlobalAveragePooling1D()(found)
        case "first" if rank == 3:
            return found[:, 0]
    return found
