"""ResNet50 with its real weights, through the door, in both forms; and real photographs."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tasks.imaging.network_input import preprocess_input, resized_rgb
from tasks.imaging.preprocessing import Preprocessing
from tasks.vectorizer.backbones import get_backbone
from tasks.vectorizer.keras_vectorizer import KerasVectorizer, build_network, feature_extractor
from tasks.vectorizer.onnx_vectorizer import OnnxVectorizer
from tasks.vectorizer.openvino_vectorizer import OpenvinoVectorizer
from tasks.vectorizer.weights_archive import WeightsProvenance
from tests.tasks.pipeline import CACHE, PHOTOS

WEIGHTS = CACHE / "weights"
PHOTO_NAMES = ("chelsea.png", "coffee.png", "rocket.jpg", "astronaut.png", "motorcycle_left.png")


@dataclass(frozen=True)
class Forms:
    """A saved network in both forms, the second computed by either of its runtimes."""

    keras: KerasVectorizer
    onnx: OnnxVectorizer
    openvino: OpenvinoVectorizer
    folder: Path


@pytest.fixture(scope="session")
def trained() -> tuple[Any, WeightsProvenance]:
    """The whole network, classification layer included, and where its weights came from."""
    from tasks.vectorizer.weights import load_weights

    backbone = get_backbone("ResNet50")
    network = build_network(backbone)
    return network, load_weights(network, backbone, cache=WEIGHTS)


@pytest.fixture(scope="session")
def forms(
    trained: tuple[Any, WeightsProvenance], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Forms]:
    from tasks.vectorizer.export import export_onnx

    folder = tmp_path_factory.mktemp("model")
    extractor = feature_extractor(trained[0], get_backbone("ResNet50"))
    extractor.save(folder / "m.keras")
    export_onnx(extractor, folder / "m.onnx")
    yield Forms(
        KerasVectorizer(folder / "m.keras"),
        OnnxVectorizer(folder / "m.onnx"),
        OpenvinoVectorizer(folder / "m.onnx"),
        folder,
    )


@pytest.fixture(scope="session")
def photos() -> np.ndarray:
    """Preprocessed photographs (5, 224, 224, 3) float32, in the order of `PHOTO_NAMES`."""
    preprocessing = Preprocessing()
    images = (cv2.imread(str(PHOTOS / name)) for name in PHOTO_NAMES)
    rgb = np.stack([resized_rgb(image, preprocessing) for image in images if image is not None])
    return preprocess_input(rgb, "caffe")
