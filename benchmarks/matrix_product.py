"""How fast this machine multiplies matrices in a precision, as a measure of what is mostly that."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

Precision = Literal["float32", "int8"]
Array = npt.NDArray[np.generic]
SIDE = 1536
OPERATIONS = 2 * SIDE**3  # multiplications and additions of one product
_OPSET, _IR_VERSION = 17, 9


def operands(precision: Precision, side: int = SIDE) -> tuple[Array, Array]:
    """Returns two square matrices as a layer has them: what comes in, and its weights."""
    random = np.random.default_rng(0)
    if precision == "int8":
        # Of seven bits, with which no processor saturates.
        left = random.integers(0, 128, (side, side), np.uint8)
        return left, random.integers(-127, 128, (side, side), np.int8)
    left, right = random.standard_normal((2, side, side), np.float32)
    return left, right


def matrix_product(precision: Precision, side: int = SIDE) -> Callable[[], Array]:
    """Returns what multiplies the operands once, on all cores.

    By ONNX Runtime, as NumPy's product reaches half of that on some processors.
    """
    left, right = operands(precision, side)
    if precision == "int8":
        graph = _graph("MatMulInteger", TensorProto.UINT8, right, TensorProto.INT32)
    else:
        graph = _graph("MatMul", TensorProto.FLOAT, right, TensorProto.FLOAT)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return lambda: np.asarray(session.run(None, {"left": left})[0])


def _graph(operation: str, kind: int, right: Array, result: int) -> bytes:
    """Returns an ONNX file that multiplies its input with a matrix, as layers do with weights."""
    shape = right.shape
    graph = helper.make_graph(
        [helper.make_node(operation, ["left", "right"], ["product"])],
        "matrix_product",
        [helper.make_tensor_value_info("left", kind, shape)],
        [helper.make_tensor_value_info("product", result, shape)],
        [numpy_helper.from_array(right, "right")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)])
    model.ir_version = _IR_VERSION
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
