"""Leaving out what a network computes and never reads.

ResNet as Keras has it strides in convolutions of one pixel, which skip three of four pixels that
the layers before them have computed. When those layers stride, a tenth of the network is gone, and
every vector stays what it was. OpenVINO does so of its own accord (its pass `StridesOptimization`),
ONNX Runtime does not.
"""

import onnx
from onnx import helper

from tasks.vectorizer.onnx_graph import Graph, attribute, kind, set_attribute

_EACH = (1, 1)
# Layers to look back through: blocks of ResNet have two behind a sum.
_DEEPEST = 12


def stride_early(network: onnx.ModelProto) -> None:
    """Moves the strides of convolutions of one pixel as far to the front as they can be.

    Args:
        network: A sound network; it is changed in place, or left as it is where nothing can move.
    """
    graph = Graph(network.graph)
    if graph.has_inner_graphs:
        return
    skipping = [node for node in network.graph.node if _is_pointwise(node)]
    for tensor in dict.fromkeys(node.input[0] for node in skipping):
        readers = graph.readers(tensor)
        if not all(map(_is_pointwise, readers)):
            continue
        strides = {attribute(node, "strides", _EACH) for node in readers}
        if len(strides) != 1 or strides == {_EACH}:
            continue
        if any(tensor in node.input[1:] for node in readers):
            continue  # as weights
        if _ends_a_convolution(graph, tensor, readers=len(readers)):
            _thin(graph, tensor, strides.pop(), readers=len(readers))
            for node in readers:
                set_attribute(node, "strides", _EACH)
            graph.forget_shapes()


def _is_flat(node: onnx.NodeProto) -> bool:
    """Tells whether a layer has a window of height and width, (n, c, h, w) in and out."""
    return kind(node) in ("Conv", "MaxPool") and len(attribute(node, "kernel_shape", ())) == 2


def _is_pointwise(node: onnx.NodeProto) -> bool:
    return (
        kind(node) == "Conv"
        and attribute(node, "kernel_shape", ()) == (1, 1)
        and attribute(node, "auto_pad", "NOTSET") == "NOTSET"
        and not any(attribute(node, "pads", ()))
    )


def _ends_a_convolution(
    graph: Graph, tensor: str, *, readers: int = 1, depth: int = _DEEPEST
) -> bool:
    """Tells whether so many layers alone read what a convolution makes, added to others or not."""
    node = graph.maker.get(tensor)
    if node is None or not depth or graph.is_output(tensor):
        return False
    if len(graph.readers(tensor)) != readers:
        return False
    match kind(node):
        case "Conv":
            return _is_flat(node) and attribute(node, "auto_pad", "NOTSET") == "NOTSET"
        case "Relu":
            return _ends_a_convolution(graph, node.input[0], depth=depth - 1)
        case "Add":
            one, other = node.input
            return (
                one != other
                and all(_is_of_pixels(graph, name) for name in (one, other))
                and any(_ends_a_convolution(graph, name, depth=depth - 1) for name in (one, other))
            )
    return False


def _is_of_pixels(graph: Graph, tensor: str) -> bool:
    """Tells whether a tensor is surely (n, c, h, w)."""
    node = graph.maker.get(tensor)
    while node is not None and kind(node) in ("Relu", "Add"):
        node = graph.maker.get(node.input[0])
    return node is not None and _is_flat(node)


def _thin(
    graph: Graph,
    tensor: str,
    strides: tuple[int, int],
    *,
    readers: int = 1,
    depth: int = _DEEPEST,
) -> str:
    """Returns the name of what has every so many-th row and column of a tensor alone."""
    if not _ends_a_convolution(graph, tensor, readers=readers, depth=depth):
        return _picked(graph, tensor, strides)
    node = graph.maker[tensor]
    if kind(node) != "Conv":
        for place, name in enumerate(list(node.input)):
            graph.read_instead(node, place, _thin(graph, name, strides, depth=depth - 1))
    elif _is_pointwise(node) and _ends_a_convolution(graph, node.input[0], depth=depth - 1):
        _thin(graph, node.input[0], strides, depth=depth - 1)
    else:
        down, across = attribute(node, "strides", _EACH)
        set_attribute(node, "strides", (down * strides[0], across * strides[1]))
    return tensor


def _picked(graph: Graph, tensor: str, strides: tuple[int, int]) -> str:
    """Adds a layer that picks the pixels: a maximum of one, which every runtime has fast."""
    name = f"image_search/every_{strides[0]}_{strides[1]}/{tensor}"  # no network has such names
    if name not in graph.maker:
        pick = helper.make_node(
            "MaxPool", [tensor], [name], name, kernel_shape=[1, 1], strides=strides
        )
        graph.insert_after(tensor, pick)
    return name
