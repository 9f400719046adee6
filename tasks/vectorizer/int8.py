"""A network in eight-bit integers, for ONNX Runtime: calibrated on pictures such as it will see."""

import contextlib
import io
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime import quantization

# Held in memory at once with all that the layers put out for them; the number must divide by it.
STRIDE = 4
# No integer kernel is faster than the float one here, and it would cost precision.
_LEFT_IN_FLOAT = ("GlobalAveragePool", "Squeeze")


class _Reader(quantization.CalibrationDataReader):  # type: ignore[misc]  # it has no types
    """Hands calibration a picture at a time."""

    def __init__(self, name: str, images: npt.NDArray[np.float32]) -> None:
        self._name, self._images = name, images
        self._rows = iter(range(len(images)))

    def __len__(self) -> int:
        return len(self._images)

    def set_range(self, start_index: int, end_index: int) -> None:
        self._rows = iter(range(start_index, end_index))

    def get_next(self) -> dict[str, npt.NDArray[np.float32]]:
        row = next(self._rows, None)
        return {} if row is None else {self._name: self._images[row : row + 1]}


def quantize(network: Path, target: Path, images: npt.NDArray[np.float32]) -> None:
    """Writes a float32 network with weights and activations of eight bits, as one file.

    Weights have a scale a channel. Activations have the range that all but a few of their values
    have on the images, so that outliers do not take the steps away from all others. Both use all
    eight bits, which processors without VNNI may saturate on: see `tasks.model_probe`.

    Args:
        network: ONNX file of one image input.
        target: Where to write.
        images: (n, height, width, 3) float32, preprocessed; those beyond a multiple of `STRIDE` are
            left out.

    Raises:
        ValueError: There are fewer than `STRIDE` images.
    """
    if len(images) < STRIDE:
        raise ValueError(f"calibration takes {STRIDE} images or more, not {len(images)}")
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        prepared = Path(folder) / "prepared.onnx"
        # One file: the tool looks for weights beside a copy of its own.
        single = Path(folder) / "network.onnx"
        onnx.save_model(onnx.load(network), single)
        quantization.quant_pre_process(single, prepared, skip_symbolic_shape=True)
        graph = onnx.load(prepared, load_external_data=False).graph
        weights = {weight.name for weight in graph.initializer}
        (name,) = (entry.name for entry in graph.input if entry.name not in weights)
        quantization.quantize_static(
            prepared,
            target,
            _Reader(name, images[: len(images) // STRIDE * STRIDE]),
            quant_format=quantization.QuantFormat.QOperator,
            per_channel=True,
            reduce_range=False,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=[node.name for node in graph.node if node.op_type in _LEFT_IN_FLOAT],
            calibrate_method=quantization.CalibrationMethod.Percentile,
            extra_options={"CalibStridedMinMax": STRIDE},
        )
