from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper

from tasks.errors import UserError
from tasks.vectorizer.network import Network
from tasks.vectorizer.onnx_network import OnnxNetwork
from tasks.vectorizer.onnx_vectorizer import OnnxVectorizer
from tests.tasks.vectorizer.made_network import tokens_of, write_network

IMAGES = np.random.default_rng(0).integers(0, 255, (3, 8, 8, 3)).astype(np.float32)


def declared(path: Path, **declaration: Any) -> Network:
    given = {"file": str(path), "height": 8, "width": 8, "layout": "NCHW"} | declaration
    return Network.model_validate(given)


def both_forms(path: Path, **declaration: Any) -> list[npt.NDArray[np.float32]]:
    """Returns the vectors of the network itself, and of what is stored of it."""
    network = OnnxNetwork(path, declared(path, **declaration))
    network.save_adapted(path.with_name("adapted.onnx"))
    stored = OnnxVectorizer(path.with_name("adapted.onnx"))
    assert stored.dimensions == network.dimensions
    return [network.transform(IMAGES), stored.transform(IMAGES)]


@pytest.mark.parametrize("element", [TensorProto.FLOAT, TensorProto.UINT8])
@pytest.mark.parametrize("channels_first", [True, False])
def test_a_network_is_stored_as_one_of_images_to_vectors(
    tmp_path: Path, element: int, channels_first: bool
) -> None:
    path = write_network(tmp_path / "m.onnx", element, channels_first=channels_first)
    layout = "NCHW" if channels_first else "NHWC"
    for vectors in both_forms(path, layout=layout):
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(vectors, tokens_of(IMAGES)[:, -1], rtol=1e-5)


@pytest.mark.parametrize("opset", [17, 18])
@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_tokens_inside_of_a_network_can_be_the_output(
    tmp_path: Path, pooling: str, opset: int
) -> None:
    path = write_network(tmp_path / "m.onnx", opset=opset)
    expected = tokens_of(IMAGES)[:, 0] if pooling == "first" else tokens_of(IMAGES).mean(axis=1)
    for vectors in both_forms(path, output="tokens", pooling=pooling):
        np.testing.assert_allclose(vectors, expected, rtol=1e-4, atol=1e-3)


def test_feature_maps_are_averaged_over_their_places(tmp_path: Path) -> None:
    path = write_network(tmp_path / "m.onnx")
    for vectors in both_forms(path, output="samples", pooling="mean"):
        np.testing.assert_allclose(vectors, IMAGES.mean(axis=(1, 2)), rtol=1e-5)


def test_a_network_exported_for_one_image_takes_several(tmp_path: Path) -> None:
    for vectors in both_forms(write_network(tmp_path / "m.onnx", batch=1)):
        assert vectors.shape == (3, 4)


@pytest.mark.parametrize(
    ("declaration", "complaint"),
    [
        ({"output": "pool"}, "has no output 'pool'; set `output` .* to one of vectors"),
        ({"output": "tokens"}, r"shape \(2, 64, 4\) for 2 images, with pooling none no \(n, d\)"),
        ({"height": 9}, "takes no images of shape"),
        ({"layout": "NHWC"}, "takes no images of shape"),
    ],
)
def test_what_does_not_fit_its_declaration_is_refused(
    tmp_path: Path, declaration: dict[str, Any], complaint: str
) -> None:
    path = write_network(tmp_path / "m.onnx")
    with pytest.raises(UserError, match=complaint) as caught:
        OnnxNetwork(path, declared(path, **declaration))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(UserError, match=r"m\.onnx cannot be loaded"):
        OnnxNetwork(path, declared(path))


def test_a_network_that_reads_other_files_is_refused(tmp_path: Path) -> None:
    path = write_network(tmp_path / "m.onnx")
    network = onnx.load(path)
    onnx.save(network, path, save_as_external_data=True, location="weights", size_threshold=0)
    with pytest.raises(UserError, match="save it as one file"):
        OnnxNetwork(path, declared(path))


def test_a_network_of_two_inputs_is_refused(tmp_path: Path) -> None:
    path = write_network(tmp_path / "m.onnx")
    network = onnx.load(path)
    network.graph.input.append(helper.make_tensor_value_info("text", TensorProto.FLOAT, [1]))
    onnx.save(network, path)
    with pytest.raises(UserError, match="has the inputs pixels, text; it must have one"):
        OnnxNetwork(path, declared(path))
