import copy

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from tasks.vectorizer.early_strides import stride_early
from tests.tasks.vectorizer.convolutions import CHANNELS, computed, conv, network, node, strides


def images(height: int, width: int) -> np.ndarray:
    shape = (2, CHANNELS, height, width)
    return np.random.default_rng(2).standard_normal(shape, np.float32)


def residual(stride: int, kernel: int, before: int) -> onnx.ModelProto:
    """The end of a stage of ResNet, and the two convolutions that skip pixels of it."""
    return network(
        [
            conv("in", "first", 3, before),
            node("Relu", ["first"], "block"),
            conv("block", "a"),
            node("Relu", ["a"], "b"),
            conv("b", "c", kernel),
            node("Relu", ["c"], "d"),
            conv("d", "e"),
            node("Add", ["e", "block"], "sum"),
            node("Relu", ["sum"], "stage"),
            conv("stage", "shortcut", stride=stride),
            conv("stage", "next", stride=stride),
            node("Add", ["shortcut", "next"], "out"),
        ]
    )


@given(
    st.integers(1, 3),
    st.sampled_from([1, 3, 5]),
    st.integers(1, 2),
    st.integers(5, 14),
    st.integers(5, 14),
)
def test_no_value_changes(stride: int, kernel: int, before: int, height: int, width: int) -> None:
    plain = residual(stride, kernel, before)
    early = copy.deepcopy(plain)
    stride_early(early)
    batch = images(height, width)
    for expected, found in zip(computed(plain, batch), computed(early, batch), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


def test_the_layer_that_sees_neighbours_strides_and_the_shortcut_is_picked_from() -> None:
    model = residual(2, 3, 1)
    stride_early(model)
    assert strides(model) == {"c": (2, 2), "image_search/every_2_2/block": (2, 2)}


def test_strides_multiply() -> None:
    model = network([conv("in", "a", 3, 2), conv("a", "out", stride=2)])
    stride_early(model)
    assert strides(model) == {"a": (4, 4)}


def test_a_tensor_that_two_sums_read_is_picked_from_once() -> None:
    model = network(
        [
            conv("in", "block", 5),
            *(conv("block", f"{it}1", 3) for it in "ab"),
            *(node("Add", [f"{it}1", "block"], f"{it}2") for it in "ab"),
            *(conv(f"{it}2", f"{it}3", stride=2) for it in "ab"),
            node("Add", ["a3", "b3"], "out"),
        ]
    )
    plain = copy.deepcopy(model)
    stride_early(model)
    assert strides(model) == {"a1": (2, 2), "b1": (2, 2), "image_search/every_2_2/block": (2, 2)}
    np.testing.assert_allclose(
        computed(model, images(9, 8))[0], computed(plain, images(9, 8))[0], rtol=1e-4, atol=1e-3
    )


def test_a_long_sum_is_looked_at_only_so_far() -> None:
    count = 2000
    model = network(
        [
            conv("in", "s0", 3),
            *(conv("in", f"c{number}", 3) for number in range(count)),
            *(node("Add", [f"s{it}", f"c{it}"], f"s{it + 1}") for it in range(count)),
            conv(f"s{count}", "out", stride=2),
        ]
    )
    stride_early(model)
    strided = strides(model)
    assert f"c{count - 1}" in strided
    assert "out" not in strided
    assert "s0" not in strided


def branch(name: str) -> onnx.NodeProto:
    inner = helper.make_graph(
        [node("Identity", ["a"], "inner")],
        "inner",
        [],
        [helper.make_tensor_value_info("inner", 1, [None] * 4)],
    )
    return helper.make_node("If", ["condition"], [name], then_branch=inner, else_branch=inner)


LEFT_ALONE = {
    "another layer reads all pixels": network(
        [conv("in", "a", 3), conv("a", "out", stride=2), conv("a", "other")], ("out", "other")
    ),
    "the network puts them out": network(
        [conv("in", "a", 3), conv("a", "out", stride=2)], ("out", "a")
    ),
    "the strides differ": network(
        [conv("in", "a", 3), conv("a", "b", stride=2), conv("a", "c", stride=3)], ("b", "c")
    ),
    "what strides sees neighbours": network([conv("in", "a", 3), conv("a", "out", 3, 2)]),
    "what strides pads": network(
        [conv("in", "a", 3), conv("a", "out", stride=2, pads=[1, 1, 1, 1])]
    ),
    "padding depends on the stride": network(
        [
            helper.make_node(
                "Conv", ["in", "weights3"], ["a"], kernel_shape=[3, 3], auto_pad="SAME_UPPER"
            ),
            conv("a", "out", stride=2),
        ]
    ),
    "no convolution is before it": network([node("Relu", ["in"], "a"), conv("a", "out", stride=2)]),
    "a constant is added": network(
        [conv("in", "a", 3), node("Add", ["a", "one"], "b"), conv("b", "out", stride=2)],
        constants={"one": np.float32(1)},
    ),
    "a tensor is added to itself": network(
        [conv("in", "a", 3), node("Add", ["a", "a"], "b"), conv("b", "out", stride=2)]
    ),
    "what looks like a layer of ONNX is another's": network(
        [
            conv("in", "a", 3),
            node("Relu", ["a"], "b", domain="my"),
            conv("b", "out", stride=2),
        ]
    ),
    "what looks like a convolution is another's": network(
        [conv("in", "a", 3, domain="my"), conv("a", "out", stride=2)]
    ),
    "a layer holds a graph": network(
        [conv("in", "a", 3), conv("a", "out", stride=2), branch("other")],
        ("out", "other"),
        {"condition": np.array(True)},
    ),
}


@pytest.mark.parametrize("why", LEFT_ALONE)
def test_a_network_is_left_as_it_is_where(why: str) -> None:
    model = copy.deepcopy(LEFT_ALONE[why])
    stride_early(model)
    assert model == LEFT_ALONE[why]
