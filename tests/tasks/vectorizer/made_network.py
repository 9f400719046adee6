"""Small ONNX networks made for a test."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

WEIGHTS = np.random.default_rng(1).standard_normal((3, 4)).astype(np.float32)


def tokens_of(images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Returns what the inner tensor "tokens" of the network below is, (n, h * w, 4)."""
    return np.asarray(images.reshape(len(images), -1, 3) @ WEIGHTS)


def write_network(
    path: Path,
    element: int = TensorProto.FLOAT,
    *,
    batch: int | str = "batch",
    channels_first: bool = True,
    opset: int = 17,
) -> Path:
    """Writes a network of 8 x 8 pixels whose output "vectors" (n, 4) is the last of its tokens."""
    shape = [batch, 3, 8, 8] if channels_first else [batch, 8, 8, 3]
    perm = [0, 2, 3, 1] if channels_first else [0, 1, 2, 3]
    nodes = [
        helper.make_node("Cast", ["pixels"], ["samples"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["samples"], ["turned"], perm=perm),
        helper.make_node("Reshape", ["turned", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["tokens"]),
        helper.make_node("Gather", ["tokens", "last"], ["vectors"], axis=1),
    ]
    constants = {"shape": np.array([-1, 64, 3]), "weights": WEIGHTS, "last": np.array(63)}
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("pixels", element, shape)],
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, [batch, 4])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path
