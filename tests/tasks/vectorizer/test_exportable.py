"""Networks, with weights made here, in layers that ONNX knows."""

from pathlib import Path

import numpy as np
import pytest

from tasks.imaging.preprocessing import Preprocessing
from tasks.vectorizer.backbones import get_backbone
from tasks.vectorizer.export import export_onnx, save_keras
from tasks.vectorizer.exportable import exportable
from tasks.vectorizer.keras_vectorizer import KerasVectorizer, build_network, feature_extractor
from tasks.vectorizer.onnx_vectorizer import OnnxVectorizer
from tasks.vectorizer.parity import parity, probe_images
from tasks.vectorizer.quiet_keras import keras

BATCH = np.random.default_rng(0).uniform(0, 255, (3, 16, 16, 3)).astype(np.float32)


@pytest.fixture
def awkward() -> keras.Model:
    """Has one of each layer that cannot be exported as it is."""
    keras.utils.set_random_seed(3)
    images = keras.Input((16, 16, 3))
    scaled = keras.layers.Normalization(mean=[120, 110, 100], variance=[900, 800, 700])(images)
    wide = keras.layers.Conv2D(8, 3, activation="gelu")(scaled)
    deep = keras.layers.Conv2D(8, 5, groups=8, padding="same", bias_initializer="ones")(wide)
    bent = keras.layers.Activation("gelu")(keras.layers.LayerNormalization()(deep))
    return keras.Model(images, keras.layers.GlobalAveragePooling2D()(bent))


def test_a_network_that_can_be_exported_stays_as_it_is() -> None:
    images = keras.Input((4, 4, 3))
    model = keras.Model(images, keras.layers.Conv2D(2, 3, activation="relu")(images))
    assert exportable(model) is model


def test_the_layers_in_place_of_others_compute_the_same(awkward: keras.Model) -> None:
    other = exportable(awkward)
    assert other is not awkward
    np.testing.assert_allclose(
        other.predict_on_batch(BATCH), awkward.predict_on_batch(BATCH), rtol=1e-4, atol=1e-5
    )


def test_what_is_exported_computes_what_the_network_does(
    awkward: keras.Model, tmp_path: Path
) -> None:
    save_keras(awkward, tmp_path / "m.keras")
    export_onnx(awkward, tmp_path / "m.onnx")
    forms = KerasVectorizer(tmp_path / "m.keras"), OnnxVectorizer(tmp_path / "m.onnx")
    assert parity(*forms, BATCH) >= 0.99999


def test_a_backbone_with_layers_of_its_own_is_the_same_in_both_forms(tmp_path: Path) -> None:
    keras.utils.set_random_seed(4)
    backbone = get_backbone("MobileNetV3Large")
    extractor = feature_extractor(build_network(backbone), backbone)
    save_keras(extractor, tmp_path / "m.keras")
    export_onnx(extractor, tmp_path / "m.onnx")
    forms = KerasVectorizer(tmp_path / "m.keras"), OnnxVectorizer(tmp_path / "m.onnx")
    probe = probe_images(Preprocessing(mode=backbone.preprocessing), count=2)
    assert parity(*forms, probe) >= 0.99999
    assert forms[1].dimensions == backbone.dimensions
