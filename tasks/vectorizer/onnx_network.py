"""An ONNX network of one's own: computed as declared, and turned into one of images to vectors."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper

from tasks.errors import UserError
from tasks.vectorizer.batches import Images, transform_in_batches
from tasks.vectorizer.lighter_network import lighten
from tasks.vectorizer.network import Network
from tasks.vectorizer.onnx_file import save_onnx

# No network has names like these.
_IMAGES, _VECTORS = "image_search/images", "image_search/vectors"
_CAST, _TURNED, _POOLED = "image_search/cast", "image_search/turned", "image_search/pooled"
_REDUCE_TAKES_AXES_AS_INPUT = 18  # since this opset
_SHOWN = 5
_CHANNELS_FIRST = (0, 3, 1, 2)
_CONVERTED: dict[int, type[np.generic]] = {
    TensorProto.FLOAT: np.float32,
    TensorProto.FLOAT16: np.float16,
    TensorProto.UINT8: np.uint8,
}


class OnnxNetwork:
    """A `Vectorizer` that runs the network of a file itself, one image at a time.

    Args:
        path: The `.onnx` file.
        declared: What is declared of it.

    Raises:
        UserError: It cannot be loaded or does not fit its declaration.
    """

    def __init__(self, path: Path, declared: Network) -> None:
        self._declared = declared
        self.model = _read(path, declared)
        self.model.ir_version = max(self.model.ir_version, 4)  # weights need not be inputs since
        given = _image_input(self.model, declared)
        self._input, self._element = given.name, int(given.type.tensor_type.elem_type)
        self._rank = 0
        _choose_output(self.model, declared)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                self.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # pylint: disable=broad-exception-caught  # ONNX Runtime's
            raise UserError(_complaint(declared, "cannot be loaded", error)) from error
        grey = np.full((2, declared.height, declared.width, 3), 0.5, np.float32)
        self._dimensions = self._run(grey).shape[1]

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return int(self._dimensions)

    def transform(self, images: Images) -> npt.NDArray[np.float32]:
        """See `Vectorizer.transform`."""
        shape = (self._declared.height, self._declared.width, 3)
        return transform_in_batches(self._run, images, shape, self._dimensions, 1)

    def _run(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        images = batch.astype(_CONVERTED[self._element])
        if self._declared.layout == "NCHW":
            images = np.ascontiguousarray(images.transpose(_CHANNELS_FIRST))
        try:
            (found,) = self._session.run(None, {self._input: images})
        except Exception as error:  # pylint: disable=broad-exception-caught
            what = f"takes no images of shape {images.shape}"
            raise UserError(_complaint(self._declared, what, error)) from error
        self._rank = found.ndim
        vectors = self._pooled(np.asarray(found))
        if vectors.ndim != 2 or len(vectors) != len(batch):
            raise UserError(
                f"the output of {self._declared.file} has shape {found.shape} for {len(batch)} "
                f"images, with pooling {self._declared.pooling} no (n, d); set `output` or "
                "`pooling` under [pipeline.network]"
            )
        return vectors.astype(np.float32)

    def _pooled(self, found: npt.NDArray[Any]) -> npt.NDArray[Any]:
        match self._declared.pooling:
            case "mean" if found.ndim > 2:
                return np.asarray(found.mean(axis=_places(found.ndim, self._declared)))
            case "first" if found.ndim == 3:
                return found[:, 0]
        return found

    def save_adapted(self, path: Path) -> None:
        """Writes the network with images (n, h, w, 3) in and vectors (n, d) out, both float32."""
        graph, declared = self.model.graph, self._declared
        before = [helper.make_node("Cast", [_IMAGES], [_CAST], to=self._element)]
        if declared.layout == "NCHW":
            before += [helper.make_node("Transpose", [_CAST], [_TURNED], perm=_CHANNELS_FIRST)]
        before[-1].output[0] = self._input
        pooling = _pooling_nodes(self.model, declared, self._rank)
        last = [pooling[-1].output[0] if pooling else graph.output[0].name]
        nodes = [
            *before,
            *graph.node,
            *pooling,
            helper.make_node("Cast", last, [_VECTORS], to=TensorProto.FLOAT),
        ]
        for field, values in (
            ("node", nodes),
            ("input", [_tensor(_IMAGES, declared.height, declared.width, 3)]),
            ("output", [_tensor(_VECTORS, self.dimensions)]),
        ):
            graph.ClearField(field)
            getattr(graph, field).extend(values)
        lighten(self.model)
        save_onnx(self.model, path)


def _read(path: Path, declared: Network) -> onnx.ModelProto:
    try:
        model = onnx.load(path, load_external_data=False)
        tensors = model.graph.initializer
    except (DecodeError, ValueError, OSError) as error:
        raise UserError(_complaint(declared, "cannot be loaded", error)) from error
    if any(tensor.data_location == TensorProto.EXTERNAL for tensor in tensors):
        raise UserError(
            f"the network {declared.file} keeps its weights in another file; save it as one file"
        )
    return model


def _image_input(model: onnx.ModelProto, declared: Network) -> onnx.ValueInfoProto:
    """Returns the one input, how many images it takes at a time left open."""
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [it for it in model.graph.input if it.name not in weights]
    if len(inputs) != 1 or inputs[0].type.tensor_type.elem_type not in _CONVERTED:
        raise UserError(
            f"the network {declared.file} has the inputs {_shown(it.name for it in inputs)}; it "
            "must have one, of images as float32, float16 or uint8"
        )
    if dimensions := inputs[0].type.tensor_type.shape.dim:
        dimensions[0].dim_param = "n"
    del model.graph.value_info[:]  # would repeat a fixed number of images
    given: onnx.ValueInfoProto = inputs[0]
    return given


def _choose_output(model: onnx.ModelProto, declared: Network) -> None:
    graph = model.graph
    named = [output.name for output in graph.output]
    wanted = declared.output or (named[0] if len(named) == 1 else "")
    if wanted not in {name for node in graph.node for name in node.output}:
        told = f"has no output {wanted!r}" if wanted else "has several outputs"
        raise UserError(
            f"the network {declared.file} {told}; set `output` under [pipeline.network] to one of "
            f"{_shown(named)}, or to any other tensor in it"
        )
    del graph.output[:]
    graph.output.append(onnx.ValueInfoProto(name=wanted))


def _pooling_nodes(model: onnx.ModelProto, declared: Network, rank: int) -> list[Any]:
    source = [model.graph.output[0].name]
    if declared.pooling == "first" and rank == 3:
        first = helper.make_tensor("image_search/first", TensorProto.INT64, [], [0])
        model.graph.initializer.append(first)
        return [helper.make_node("Gather", [*source, first.name], [_POOLED], axis=1)]
    if declared.pooling == "mean" and rank > 2:
        places = list(_places(rank, declared))
        opset = next(it.version for it in model.opset_import if it.domain in ("", "ai.onnx"))
        if opset < _REDUCE_TAKES_AXES_AS_INPUT:
            return [helper.make_node("ReduceMean", source, [_POOLED], axes=places, keepdims=0)]
        axes = helper.make_tensor("image_search/axes", TensorProto.INT64, [len(places)], places)
        model.graph.initializer.append(axes)
        return [helper.make_node("ReduceMean", [*source, axes.name], [_POOLED], keepdims=0)]
    return []


def _places(rank: int, declared: Network) -> tuple[int, ...]:
    """Returns the axes of a tensor that are neither images nor channels; tokens are (n, t, d)."""
    channels_first = rank > 3 and declared.layout == "NCHW"
    return tuple(range(2, rank)) if channels_first else tuple(range(1, rank - 1))


def _tensor(name: str, *shape: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape])


def _shown(names: Any) -> str:
    found = list(names)
    return ", ".join(found[:_SHOWN]) + (", …" if len(found) > _SHOWN else "")


def _complaint(declared: Network, what: str, error: Exception) -> str:
    reason = " ".join(str(error).split())[:300]
    return f"the network {declared.file} {what}: {reason}; correct it or [pipeline.network]"
