"""The layers of an ONNX network, and who reads what they make."""

from typing import Any

import onnx
from onnx import AttributeProto, helper


class Graph:
    """A graph that can be rewritten in place.

    Attributes:
        maker: The layer that makes a tensor, by its name.
    """

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph = graph
        self.maker: dict[str, onnx.NodeProto] = {}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            self._note(node)
        self._outputs = {output.name for output in graph.output}

    @property
    def has_inner_graphs(self) -> bool:
        """Whether a layer holds a graph, which reads tensors without saying so."""
        kinds = {entry.type for node in self._graph.node for entry in node.attribute}
        return bool(kinds & {AttributeProto.GRAPH, AttributeProto.GRAPHS})

    def readers(self, tensor: str) -> list[onnx.NodeProto]:
        """Returns the layers that read a tensor."""
        return list(self._readers.get(tensor, ()))

    def is_output(self, tensor: str) -> bool:
        """Whether a tensor is what the network puts out."""
        return tensor in self._outputs

    def weights(self, name: str) -> onnx.TensorProto | None:
        """Returns the constants of a name, if there are."""
        return next((it for it in self._graph.initializer if it.name == name), None)

    def insert_after(self, tensor: str, node: onnx.NodeProto) -> None:
        """Puts a layer behind the one that makes a tensor."""
        made_by = list(self._graph.node).index(self.maker[tensor])
        self._graph.node.insert(made_by + 1, node)
        self._note(self._graph.node[made_by + 1])

    def read_instead(self, node: onnx.NodeProto, place: int, tensor: str) -> None:
        """Lets a layer read another tensor at a place."""
        before = node.input[place]
        node.input[place] = tensor
        if before not in node.input:
            self._readers[before].remove(node)
        if node not in self.readers(tensor):
            self._readers.setdefault(tensor, []).append(node)

    def drop(self, node: onnx.NodeProto) -> None:
        """Takes a layer out that nobody reads, and the constants that it alone reads."""
        self._graph.node.remove(node)
        for name in set(node.input):
            self._readers[name].remove(node)
            constants = self.weights(name)
            if constants is not None and not self.readers(name):
                self._graph.initializer.remove(constants)

    def _note(self, node: onnx.NodeProto) -> None:
        self.maker.update(dict.fromkeys(node.output, node))
        for name in set(node.input):
            self._readers.setdefault(name, []).append(node)

    def forget_shapes(self) -> None:
        """Drops what is noted of the shapes of tensors, which rewriting has made untrue."""
        self._graph.ClearField("value_info")


def kind(node: onnx.NodeProto) -> str:
    """Returns the operation of a layer; empty for one that is not ONNX's own, whatever its name."""
    return str(node.op_type) if node.domain in ("", "ai.onnx") else ""


def attribute(node: onnx.NodeProto, name: str, usual: Any) -> Any:
    """Returns an attribute of a layer: numbers as a tuple, text as str; `usual` if not given."""
    for entry in node.attribute:
        if entry.name == name:
            value = helper.get_attribute_value(entry)
            match value:
                case bytes():
                    return value.decode()
                case list():
                    return tuple(value)
            return value
    return usual


def set_attribute(node: onnx.NodeProto, name: str, value: Any) -> None:
    """Gives an attribute of a layer another value."""
    for entry in [it for it in node.attribute if it.name == name]:
        node.attribute.remove(entry)
    node.attribute.append(helper.make_attribute(name, value))
