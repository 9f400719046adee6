"""The one interface to whatever turns images into vectors."""

from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from tasks.errors import UserError
from tasks.vectorizer.batches import Images
from tasks.vectorizer.runtimes import Runtime


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
    runtime: Runtime,
    model_path: Path,
    threads: int | None = None,
    *,
    few: bool = False,
    device: Literal["cpu", "cuda"] = "cpu",
    bfloat16: bool = False,
) -> Vectorizer:
    """Loads a model; of TensorFlow, ONNX Runtime and OpenVINO, only what computes is imported.

    Args:
        runtime: What to compute with.
        model_path: The model in the form of the runtime: an `.onnx` or a `.keras` file.
        threads: Threads to compute with; None leaves the number to the runtime.
        few: For a few images: start sooner rather than compute faster, where there is a choice.
        device: What "onnx" computes on.
        bfloat16: Whether "openvino" computes in bfloat16 rather than float32.

    Raises:
        UserError: The model is missing or damaged, or the runtime, the device or bfloat16 is not to
            be had here.
    """
    if runtime == "openvino":
        try:
            from tasks.vectorizer.openvino_vectorizer import OpenvinoVectorizer
        except ModuleNotFoundError as error:
            raise UserError(
                "OpenVINO, which is to compute this model, is not installed here; install "
                "requirements/openvino.txt, or build the image with RUNTIME=openvino"
            ) from error

        return OpenvinoVectorizer(model_path, threads, bfloat16=bfloat16)
    if runtime == "onnx":
        from tasks.vectorizer.onnx_vectorizer import OnnxVectorizer

        return OnnxVectorizer(model_path, threads, few=few, device=device)
    from tasks.vectorizer.keras_vectorizer import KerasVectorizer

    return KerasVectorizer(model_path, threads)
