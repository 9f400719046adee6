from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.errors import UserError
from tasks.vectorizer.keras_network import load_network
from tasks.vectorizer.network import Network
from tasks.vectorizer.quiet_keras import keras

IMAGES = np.random.default_rng(0).standard_normal((3, 8, 8, 3), dtype=np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A network of 8 x 8 pixels with a classifier on top of its features."""
    keras.utils.set_random_seed(1)
    images = keras.Input((8, 8, 3))
    maps = keras.layers.Conv2D(5, 3, name="maps")(images)
    pooled = keras.layers.GlobalAveragePooling2D(name="pooled")(maps)
    keras.Model(images, keras.layers.Dense(2, name="classes")(pooled)).save(tmp_path / "m.keras")
    return tmp_path / "m.keras"


def vectors_of(path: Path, **declaration: Any) -> np.ndarray:
    given = {"file": str(path), "height": 8, "width": 8} | declaration
    network = load_network(path, Network.model_validate(given))
    return np.asarray(network.predict_on_batch(IMAGES))


def test_the_output_of_a_network_is_the_vector(path: Path) -> None:
    expected = keras.saving.load_model(path).predict_on_batch(IMAGES)
    np.testing.assert_allclose(vectors_of(path), expected, rtol=1e-5)


def test_a_layer_inside_can_be_the_vector(path: Path) -> None:
    assert vectors_of(path, output="pooled").shape == (3, 5)
    np.testing.assert_allclose(
        vectors_of(path, output="maps", pooling="mean"),
        vectors_of(path, output="pooled"),
        rtol=1e-4,
        atol=1e-6,
    )


@pytest.mark.parametrize("count", [1, 2])
def test_of_several_outputs_one_has_to_be_named(tmp_path: Path, count: int) -> None:
    images = keras.Input((8, 8, 3))
    heads = [keras.layers.GlobalAveragePooling2D(name=f"head{it}")(images) for it in range(count)]
    keras.Model(images, heads).save(tmp_path / "m.keras")
    assert vectors_of(tmp_path / "m.keras", output="head0").shape == (3, 3)
    if count == 1:
        assert vectors_of(tmp_path / "m.keras").shape == (3, 3)
    else:
        with pytest.raises(UserError, match="has several outputs; set `output`"):
            vectors_of(tmp_path / "m.keras")


def test_a_network_that_takes_channels_first_gets_them_so(tmp_path: Path) -> None:
    images = keras.Input((3, 8, 8))
    model = keras.Model(images, keras.layers.GlobalAveragePooling2D("channels_first")(images))
    model.save(tmp_path / "m.keras")
    np.testing.assert_allclose(
        vectors_of(tmp_path / "m.keras", layout="NCHW"),
        IMAGES.mean(axis=(1, 2)),
        rtol=1e-4,
        atol=1e-6,
    )


@pytest.mark.parametrize(
    ("declaration", "complaint"),
    [
        ({"output": "avg_pool"}, "has no layer 'avg_pool'; set `output` .* maps, pooled, classes"),
        ({"output": "maps"}, r"shape \(None, 6, 6, 5\), with pooling none no \(n, d\)"),
        ({"height": 9}, "cannot be used"),
    ],
)
def test_what_does_not_fit_its_declaration_is_refused(
    path: Path, declaration: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UserError, match=complaint) as caught:
        vectors_of(path, **declaration)
    assert "\n" not in str(caught.value)


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    images = keras.Input((8, 8, 3))
    model = keras.Model(images, keras.layers.Lambda(lambda x: x[:, 0, 0])(images))
    model.save(tmp_path / "m.keras")
    with pytest.raises(UserError, match=r"cannot be used: .*lambda"):
        vectors_of(tmp_path / "m.keras")


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.keras").write_bytes(b"nothing of the kind")
    with pytest.raises(UserError, match="cannot be used"):
        vectors_of(tmp_path / "m.keras")
