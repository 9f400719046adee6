from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tasks.errors import UserError
from tasks.imaging.preprocessing import Preprocessing
from tasks.index.cosine import get_cosine_similarity
from tasks.vectorizer.onnx_graph import attribute
from tasks.vectorizer.parity import parity, probe_images
from tasks.vectorizer.runtimes import Runtime
from tasks.vectorizer.vectorizer import Vectorizer, load_vectorizer
from tests.tasks.vectorizer.conftest import Forms

FORM: dict[Runtime, str] = {"keras": "keras", "onnx": "onnx", "openvino": "onnx"}


@pytest.fixture(params=["keras", "onnx", "openvino"])
def vectorizer(request: pytest.FixtureRequest, forms: Forms) -> Any:
    return getattr(forms, request.param)


def test_all_runtimes_agree_on_real_photographs(forms: Forms, photos: np.ndarray) -> None:
    assert parity(forms.keras, forms.onnx, photos) >= 0.99999
    assert parity(forms.keras, forms.openvino, photos) >= 0.99999


def test_resnet50_computes_no_pixel_that_is_skipped_later(forms: Forms) -> None:
    model = onnx.load(forms.folder / "m.onnx", load_external_data=False)
    skipping = [
        layer.output[0]
        for layer in model.graph.node
        if layer.op_type == "Conv"
        and attribute(layer, "kernel_shape", ()) == (1, 1)
        and attribute(layer, "strides", (1, 1)) != (1, 1)
    ]
    assert not skipping
    assert "Pad" not in {layer.op_type for layer in model.graph.node}


def test_a_vector_for_each_image_not_normalized(vectorizer: Vectorizer, photos: np.ndarray) -> None:
    vectors = vectorizer.transform(photos)
    assert (vectors.shape, vectors.dtype) == ((len(photos), 2048), np.float32)
    assert vectorizer.dimensions == 2048
    assert (np.linalg.norm(vectors, axis=1) > 2).all()


def test_the_vector_is_the_networks_own_pooling_layer(
    trained: tuple[Any, Any], vectorizer: Vectorizer, photos: np.ndarray
) -> None:
    network, _ = trained
    logits = network.get_layer("predictions")
    by_hand = vectorizer.transform(photos) @ logits.kernel.numpy() + logits.bias.numpy()
    assert (by_hand.argmax(axis=1) == network.predict(photos, verbose=0).argmax(axis=1)).all()


def test_a_vector_does_not_depend_on_the_images_beside_it(
    vectorizer: Vectorizer, photos: np.ndarray
) -> None:
    many = np.concatenate([photos] * 8)  # more than one batch
    alone = np.concatenate([vectorizer.transform(photo[np.newaxis]) for photo in photos])
    together = vectorizer.transform(many)
    np.testing.assert_allclose(together, np.concatenate([alone] * 8), atol=1e-4)
    assert get_cosine_similarity(together[-1], alone[-1]) > 0.999999


def test_a_list_of_images_is_taken_too(vectorizer: Vectorizer, photos: np.ndarray) -> None:
    np.testing.assert_array_equal(
        vectorizer.transform(list(photos[:2])), vectorizer.transform(photos[:2])
    )


def test_no_images_give_no_vectors(vectorizer: Vectorizer, photos: np.ndarray) -> None:
    assert vectorizer.transform(photos[:0]).shape == (0, 2048)


@pytest.mark.parametrize(
    "images",
    [np.zeros((1, 200, 224, 3), np.float32), np.zeros((1, 224, 224, 3), np.uint8)],
    ids=["another size", "not preprocessed"],
)
def test_what_is_no_input_of_the_network_is_refused(
    vectorizer: Vectorizer, images: np.ndarray
) -> None:
    with pytest.raises(UserError, match="takes preprocessed float32 images"):
        vectorizer.transform(images)


@pytest.mark.parametrize("runtime", ["keras", "onnx", "openvino"])
def test_a_damaged_model_is_refused(runtime: Any, tmp_path: Path) -> None:
    path = tmp_path / f"m.{FORM[runtime]}"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(UserError, match=r"cannot be loaded: .*; build the model again"):
        load_vectorizer(runtime, path)


@pytest.mark.parametrize("runtime", ["keras", "onnx", "openvino"])
def test_a_missing_model_is_refused(runtime: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be loaded"):
        load_vectorizer(runtime, tmp_path / f"m.{FORM[runtime]}")


def test_a_model_is_loaded_by_its_runtime(forms: Forms, photos: np.ndarray) -> None:
    vectors = [
        load_vectorizer(runtime, forms.folder / f"m.{form}", threads=1).transform(photos[:1])
        for runtime, form in FORM.items()
    ]
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-3)
    np.testing.assert_allclose(vectors[0], vectors[2], atol=1e-3)


def test_the_probe_is_always_the_same_and_drives_every_feature_differently(forms: Forms) -> None:
    probe = probe_images(Preprocessing())
    np.testing.assert_array_equal(probe, probe_images(Preprocessing()))
    similar = get_cosine_similarity(forms.onnx.transform(probe), forms.onnx.transform(probe))
    assert similar[~np.eye(len(probe), dtype=bool)].max() < 0.999


def test_searching_needs_neither_tensorflow_nor_openvino() -> None:
    import subprocess
    import sys

    code = (
        "import sys, tasks.batch_search, tasks.searcher, tasks.vectorizer.onnx_vectorizer; "
        "sys.exit(not {'tensorflow', 'keras', 'openvino'}.isdisjoint(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
