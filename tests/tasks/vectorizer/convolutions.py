"""Small ONNX networks of convolutions, as ResNet has them, made for a test."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

CHANNELS = 3
_OPSET, _IR_VERSION = 17, 9


def conv(source: str, target: str, kernel: int = 1, stride: int = 1, **more: Any) -> onnx.NodeProto:
    """Returns a layer that keeps the size of what it reads, but for its stride."""
    given = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [kernel // 2] * 4}
    return helper.make_node("Conv", [source, f"weights{kernel}"], [target], **(given | more))


def node(kind: str, sources: Sequence[str], target: str, **more: Any) -> onnx.NodeProto:
    """Returns any other layer."""
    return helper.make_node(kind, sources, [target], **more)


def network(
    nodes: Sequence[onnx.NodeProto],
    outputs: Sequence[str] = ("out",),
    constants: Mapping[str, Any] | None = None,
) -> onnx.ModelProto:
    """Returns a network that reads "in", (n, 3, h, w), and has weights of 1, 3 and 5 pixels."""
    random = np.random.default_rng(5)
    weights = {
        f"weights{side}": random.standard_normal((CHANNELS, CHANNELS, side, side), np.float32)
        for side in (1, 3, 5)
    }
    read = {name for node in nodes for name in node.input}
    made = helper.make_model(
        helper.make_graph(
            nodes,
            "convolutions",
            [helper.make_tensor_value_info("in", TensorProto.FLOAT, ["n", CHANNELS, "h", "w"])],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 4)
                for name in outputs
            ],
            [
                numpy_helper.from_array(np.asarray(value), name)
                for name, value in (weights | dict(constants or {})).items()
                if name in read
            ],
        ),
        opset_imports=[helper.make_opsetid("", _OPSET), helper.make_opsetid("my", 1)],
        ir_version=_IR_VERSION,
    )
    onnx.checker.check_model(made)
    return made


def computed(model: onnx.ModelProto, images: np.ndarray) -> list[np.ndarray]:
    """Returns what a network makes of images."""
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return [np.asarray(it) for it in session.run(None, {"in": images})]


def strides(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Returns the strides of the layers that have any, by what the layers make."""
    return {
        layer.output[0]: tuple(entry.ints)
        for layer in model.graph.node
        for entry in layer.attribute
        if entry.name == "strides" and set(entry.ints) != {1}
    }
