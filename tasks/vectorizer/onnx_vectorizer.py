"""Vectorizing with ONNX Runtime: the same network without TensorFlow."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidProtobuf, NoSuchFile

from tasks.errors import UserError
from tasks.vectorizer.batches import Images, transform_in_batches

_BATCH_SIZE = 8  # more is no faster on a CPU, and costs 14 MB an image
_ERRORS_ONLY = 3


class OnnxVectorizer:
    """A `Vectorizer` that runs an ONNX model on the CPU."""

    def __init__(self, model_path: Path, threads: int | None = None) -> None:
        """Loads an ONNX file of one image input and one vector output.

        Args:
            model_path: File written by `export_onnx`.
            threads: Threads to compute with; None is one for each core.

        Raises:
            UserError: The file cannot be loaded.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.log_severity_level = _ERRORS_ONLY
        # Threads that spin while they wait slow down whatever else runs here, such as other shards.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                model_path, options, providers=["CPUExecutionProvider"]
            )
        except (Fail, InvalidProtobuf, NoSuchFile) as error:
            raise UserError(
                f"{model_path} cannot be loaded: {error}; build the model again"
            ) from error
        (self._input,) = self._session.get_inputs()
        (self._output,) = self._session.get_outputs()

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return int(self._output.shape[-1])

    def transform(self, images: Images) -> npt.NDArray[np.float32]:
        """See `Vectorizer.transform`."""
        return transform_in_batches(
            self._run, images, self._input.shape[1:], self.dimensions, _BATCH_SIZE
        )

    def _run(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        vectors: npt.NDArray[np.float32]
        (vectors,) = self._session.run([self._output.name], {self._input.name: batch})
        return vectors
