"""What computes a network, and in which precision."""

from typing import Final, Literal

Runtime = Literal["onnx", "openvino", "keras"]
Precision = Literal["float32", "bfloat16", "int8"]

# By precision; the first is taken unless another is asked for. In float32 OpenVINO is
# no faster than ONNX Runtime, starts later and takes 100 MB more.
RUNTIMES: Final[dict[str, tuple[Runtime, ...]]] = {
    "float32": ("onnx", "openvino", "keras"),
    "bfloat16": ("openvino",),
    "int8": ("onnx",),
}
