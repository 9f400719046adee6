"""The one interface to whatever turns images into vectors."""

from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from tasks.vectorizer.batches import Images


class Vectorizer(Protocol):
    """Turns preprocessed images into vectors whose directions tell how alike the images are."""

    @property
    def dimensions(self) -> int:
        """Length of a vector."""

    def transform(self, images: Images) -> npt.NDArray[np.float32]:
        """Embeds images.

        Args:
            images: (n, height, width, 3) float32, preprocessed as the backbone wants them.

        Returns:
            (n, dimensions) float32, row i for image i, not normalized.

        Raises:
            UserError: The images are not of the network's shape, or not float32.
        """


def load_vectorizer(
    runtime: Literal["onnx", "keras"], model_path: Path, threads: int | None = None
) -> Vectorizer:
    """Loads a model; TensorFlow is imported for "keras" only.

    Args:
        runtime: What to compute with.
        model_path: The model in the form of the runtime: an `.onnx` or a `.keras` file.
        threads: Threads to compute with; None leaves the number to the runtime.

    Raises:
        UserError: The model is missing or damaged.
    """
    if runtime == "onnx":
        from tasks.vectorizer.onnx_vectorizer import OnnxVectorizer

        return OnnxVectorizer(model_path, threads)
    from tasks.vectorizer.keras_vectorizer import KerasVectorizer

    return KerasVectorizer(model_path, threads)
