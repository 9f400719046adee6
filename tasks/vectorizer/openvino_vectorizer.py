"""Vectorizing with OpenVINO, the one that computes in bfloat16 on a CPU."""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import openvino

from tasks.errors import UserError
from tasks.parallel import cores
from tasks.vectorizer.batches import Images, transform_in_batches

# What such a batch puts out between two layers stays near the processor: in float32 a twentieth
# more images a second than with twice as many.
_BATCH_SIZE, _BATCH_SIZE_BFLOAT16 = 4, 8


class OpenvinoVectorizer:
    """A `Vectorizer` that runs an ONNX model on the CPU, in float32 or bfloat16.

    All threads work on one batch together. Several at once would be OpenVINO's way to more images
    a second, but on few cores it hangs at times: each batch lays the network out for its size when
    it is the first of that size, and two that do so wait for each other for ever.
    """

    def __init__(
        self, model_path: Path, threads: int | None = None, *, bfloat16: bool = False
    ) -> None:
        """Loads an ONNX file of one image input and one vector output.

        Args:
            model_path: File written by `export_onnx`.
            threads: Threads to compute with; None is one for each core that the process may use.
            bfloat16: Compute in bfloat16; images and vectors are float32 all the same.

        Raises:
            UserError: The file cannot be loaded, has an operation that OpenVINO lacks, or this
                processor only emulates bfloat16.
        """
        core = openvino.Core()
        if bfloat16:
            require_bfloat16(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
        options = {
            # Of its own accord it takes bfloat16 where the processor has it.
            "INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32",
            "INFERENCE_NUM_THREADS": threads or cores(),
            "NUM_STREAMS": 1,
            # Shards that run side by side would be pinned to the same cores.
            "ENABLE_CPU_PINNING": False,
        }
        try:
            network = core.compile_model(core.read_model(model_path), "CPU", options)
        except RuntimeError as error:
            reason = " ".join(str(error).split())  # of many lines
            raise UserError(
                f"{model_path} cannot be loaded: {reason}; build the model again, or set runtime "
                "to onnx"
            ) from error
        self._shape = tuple(side.get_length() for side in list(network.input().partial_shape)[1:])
        self._dimensions = int(network.output().partial_shape[1].get_length())
        self._batch_size = _BATCH_SIZE_BFLOAT16 if bfloat16 else _BATCH_SIZE
        self._request, self._one_at_a_time = network.create_infer_request(), threading.Lock()

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self._dimensions

    def transform(self, images: Images) -> npt.NDArray[np.float32]:
        """See `Vectorizer.transform`."""
        return transform_in_batches(
            self._run, images, self._shape, self._dimensions, self._batch_size
        )

    def _run(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        with self._one_at_a_time:
            (vectors,) = self._request.infer({0: batch}, share_inputs=True).to_tuple()
        return np.asarray(vectors, np.float32)


def require_bfloat16(capabilities: Sequence[str]) -> None:
    """Makes sure that a processor computes in bfloat16 itself.

    One that emulates it is slower than in float32, and rounds otherwise.

    Args:
        capabilities: What OpenVINO tells of it.

    Raises:
        UserError: It does not.
    """
    if "BF16" not in capabilities:
        raise UserError(
            "this processor only emulates bfloat16; run the task on one that has it (AVX512_BF16 "
            "or AMX), or set precision to float32"
        )
