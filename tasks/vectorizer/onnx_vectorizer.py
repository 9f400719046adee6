"""Vectorizing with ONNX Runtime: the same network without TensorFlow."""

import contextlib
import sys
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidProtobuf, NoSuchFile

from tasks.errors import UserError
from tasks.parallel import cores
from tasks.vectorizer.batches import Images, transform_in_batches

Device = Literal["cpu", "cuda"]

_NO_CUDA, _INSTEAD = "device is cuda, but ONNX Runtime", "set device to cpu"
_BATCH_SIZE = 8  # more is no faster on a CPU, and costs 14 MB an image
_MOST_BATCHES = 8  # at once, of which each costs that memory
_ERRORS_ONLY = 3
_AS_REQUESTED = 1  # kSameAsRequested


class OnnxVectorizer:
    """A `Vectorizer` that runs an ONNX model on the CPU or an NVIDIA GPU."""

    def __init__(
        self,
        model_path: Path,
        threads: int | None = None,
        *,
        few: bool = False,
        device: Device = "cpu",
    ) -> None:
        """Loads an ONNX file of one image input and one vector output.

        Args:
            model_path: File written by `export_onnx`.
            threads: Threads to compute with; None is one for each core that the process may use.
                Several batches at once, a thread each, do not wait for each other after each layer.
            few: Start sooner and hold less, for a few images, on which all threads work together:
                weights stay as the file has them. Laid out for this processor, a copy of them makes
                each image a quarter faster.
            device: What to compute on.

        Raises:
            UserError: The file cannot be loaded, or there is no such device.
        """
        provider = _provider(device)
        threads = threads or cores()
        self._at_once = 1 if few or device == "cuda" else min(threads, _MOST_BATCHES)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads // self._at_once
        options.log_severity_level = _ERRORS_ONLY
        if few:
            _start_small(options)
        # Threads that spin while they wait slow down whatever else runs here, such as other shards.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(model_path, options, providers=[provider])
        except (Fail, InvalidProtobuf, NoSuchFile) as error:
            raise UserError(
                f"{model_path} cannot be loaded: {error}; build the model again"
            ) from error
        # It falls back to the CPU by itself, where driver or libraries are missing.
        if provider not in self._session.get_providers():
            raise UserError(f"{_NO_CUDA} has found no GPU or not the CUDA libraries; {_INSTEAD}")
        (self._input,) = self._session.get_inputs()
        (self._output,) = self._session.get_outputs()

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return int(self._output.shape[-1])

    def transform(self, images: Images) -> npt.NDArray[np.float32]:
        """See `Vectorizer.transform`."""
        return transform_in_batches(
            self._run,
            images,
            self._input.shape[1:],
            self.dimensions,
            _BATCH_SIZE,
            at_once=self._at_once,
        )

    def _run(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        vectors: npt.NDArray[np.float32]
        (vectors,) = self._session.run([self._output.name], {self._input.name: batch})
        return vectors


def _start_small(options: onnxruntime.SessionOptions) -> None:
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_EXTENDED
    # Memory is not planned for a next image, and grows by what is asked for, not to twice as much:
    # 12 MB less.
    options.enable_mem_pattern = False
    memory = onnxruntime.OrtMemoryInfo(
        "Cpu",
        onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR,
        0,
        onnxruntime.OrtMemType.DEFAULT,
    )
    growth = onnxruntime.OrtArenaCfg({"arena_extend_strategy": _AS_REQUESTED})
    onnxruntime.create_and_register_allocator(memory, growth)
    options.add_session_config_entry("session.use_env_allocators", "1")


def _provider(device: Device) -> str:
    provider = "CUDAExecutionProvider" if device == "cuda" else "CPUExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        raise UserError(f"{_NO_CUDA} is built without CUDA; install onnxruntime-gpu, or {_INSTEAD}")
    if device == "cuda":
        # Where CUDA comes as packages, nothing else finds it. What is missing is printed: stdout is
        # for the result of a task.
        with contextlib.redirect_stdout(sys.stderr):
            onnxruntime.preload_dlls(directory="")
    return provider
