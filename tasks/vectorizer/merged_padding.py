"""Padding that a maximum can do by itself, without a copy of what it looks at."""

import numpy as np
import onnx
from onnx import numpy_helper

from tasks.vectorizer.onnx_graph import Graph, attribute, kind, set_attribute


def merge_padding(network: onnx.ModelProto) -> None:
    """Lets maxima pad by themselves, where zeros are put around what has nothing below zero.

    A maximum pads with less than any number, which changes nothing as long as each window has a
    pixel of its own. It saves ONNX Runtime two other layouts of the largest tensor of ResNet50.

    Args:
        network: A sound network; it is changed in place.
    """
    graph = Graph(network.graph)
    if graph.has_inner_graphs:
        return
    for node in list(network.graph.node):
        padding = graph.maker.get(node.input[0]) if _is_plain_maximum(node) else None
        if padding is None or not _is_after_relu(graph, padding):
            continue
        around = _zeros_around(graph, padding)
        if around and max(around) < min(attribute(node, "kernel_shape", ())):
            graph.read_instead(node, 0, padding.input[0])
            set_attribute(node, "pads", around)
            graph.drop(padding)
            graph.forget_shapes()


def _is_plain_maximum(node: onnx.NodeProto) -> bool:
    return (
        kind(node) == "MaxPool"
        and len(node.output) == 1
        and len(attribute(node, "kernel_shape", ())) == 2
        and attribute(node, "auto_pad", "NOTSET") == "NOTSET"
        and not any(attribute(node, "pads", ()))
        and not attribute(node, "ceil_mode", 0)
        and set(attribute(node, "dilations", (1,))) == {1}
    )


def _is_after_relu(graph: Graph, padding: onnx.NodeProto) -> bool:
    if kind(padding) != "Pad" or graph.is_output(padding.output[0]):
        return False
    source = graph.maker.get(padding.input[0])
    alone = len(graph.readers(padding.output[0])) == 1
    return alone and source is not None and kind(source) == "Relu"


def _zeros_around(graph: Graph, padding: onnx.NodeProto) -> tuple[int, ...]:
    """Returns how many zeros are put at the top, left, bottom and right; () where it is not so."""
    found = [graph.weights(name) for name in padding.input[1:]]
    given = [numpy_helper.to_array(constants) for constants in found if constants is not None]
    if attribute(padding, "mode", "constant") != "constant":
        return ()
    if not 1 <= len(given) == len(found) <= 2:  # a third names the axes
        return ()
    pads, *value = given
    if pads.size != 8 or np.any(pads < 0) or np.any(value):
        return ()
    others, around = pads.reshape(2, 2, 2).swapaxes(0, 1)
    return () if np.any(others) else tuple(around.ravel().tolist())
