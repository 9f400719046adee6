import copy
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper

from tasks.vectorizer.merged_padding import merge_padding
from tests.tasks.vectorizer.convolutions import CHANNELS, computed, network, node

AROUND = (0, 0, 1, 1, 0, 0, 1, 1)


def padded(
    around: tuple[int, ...] = AROUND,
    value: float = 0,
    *,
    before: str = "Relu",
    outputs: tuple[str, ...] = ("out",),
    mode: str = "constant",
    domain: str = "",
    **pooling: Any,
) -> onnx.ModelProto:
    given = {"kernel_shape": [3, 3], "strides": [2, 2]} | pooling
    return network(
        [
            node(before, ["in"], "a", domain=domain),
            node("Pad", ["a", "pads", "value"], "b", mode=mode),
            node("MaxPool", ["b"], "out", **given),
        ],
        outputs,
        {"pads": np.array(around, np.int64), "value": np.float32(value)},
    )


def kinds(model: onnx.ModelProto) -> list[str]:
    return [layer.op_type for layer in model.graph.node]


@given(st.tuples(*[st.integers(0, 2)] * 4).filter(any), st.integers(4, 9), st.integers(1, 2))
def test_no_value_changes(around: tuple[int, ...], side: int, stride: int) -> None:
    plain = padded((0, 0, *around[:2], 0, 0, *around[2:]), strides=[stride, stride])
    merged = copy.deepcopy(plain)
    merge_padding(merged)
    assert kinds(merged) == ["Relu", "MaxPool"]
    batch = np.random.default_rng(2).standard_normal((2, CHANNELS, side, side), np.float32)
    np.testing.assert_array_equal(computed(merged, batch)[0], computed(plain, batch)[0])


def test_constants_that_nobody_reads_any_more_are_gone() -> None:
    model = padded()
    merge_padding(model)
    assert [weight.name for weight in model.graph.initializer] == []


def padded_along(axes: list[int]) -> onnx.ModelProto:
    model = padded((1, 1, 0, 0, 1, 1, 0, 0))
    model.graph.initializer.append(numpy_helper.from_array(np.array(axes, np.int64), "axes"))
    (padding,) = (layer for layer in model.graph.node if layer.op_type == "Pad")
    padding.input.append("axes")
    return model


LEFT_ALONE = {
    "the axes are named": padded_along([2, 3, 0, 1]),
    "there is another's layer before it": padded(domain="my"),
    "there may be less than zero": padded(before="Neg"),
    "it is padded with more than zero": padded(value=1),
    "pixels are repeated around": padded(mode="edge"),
    "channels are added": padded((0, 1, 1, 1, 0, 0, 1, 1)),
    "pixels are cut off": padded((0, 0, -1, 1, 0, 0, 1, 1)),
    "a window may hold nothing but padding": padded((0, 0, 3, 1, 0, 0, 1, 1)),
    "the maximum pads, too": padded(pads=[1, 1, 1, 1]),
    "the maximum rounds sizes up": padded(ceil_mode=1),
    "the network puts the padded out": padded(outputs=("out", "b")),
}


@pytest.mark.parametrize("why", LEFT_ALONE)
def test_a_network_is_left_as_it_is_where(why: str) -> None:
    model = copy.deepcopy(LEFT_ALONE[why])
    merge_padding(model)
    assert model == LEFT_ALONE[why]
