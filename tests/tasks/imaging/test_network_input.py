from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tasks.imaging.decode import DecodeLimits, RejectedImage, decode_image
from tasks.imaging.network_input import load_resized_rgb, preprocess_input, resized_rgb
from tasks.imaging.preprocessing import Mode, Preprocessing
from tasks.imaging.scaling import Scaling
from tests.tasks.imaging.samples import encode, photo

MODES: list[Mode] = [mode for mode in get_args(Mode) if mode != "raw"]  # the ones of Keras


def by_keras(rgb: npt.NDArray[np.uint8], mode: str) -> npt.NDArray[np.float32]:
    from keras.src.applications import imagenet_utils

    preprocessed = imagenet_utils.preprocess_input(rgb.copy(), "channels_last", mode)
    assert isinstance(preprocessed, np.ndarray)
    return preprocessed


@pytest.mark.parametrize("mode", MODES)
def test_every_sample_value_is_bit_identical_to_keras(mode: Mode) -> None:
    levels = np.arange(256, dtype=np.uint8)
    rgb = np.stack([levels, np.roll(levels, 1), levels[::-1]], axis=-1).reshape(1, 16, 16, 3)

    ours = preprocess_input(rgb, mode)

    assert ours.dtype == np.float32
    assert ours.tobytes() == by_keras(rgb, mode).tobytes()


@pytest.mark.parametrize("mode", MODES)
def test_photographs_are_bit_identical_to_keras(mode: Mode) -> None:
    names = ("chelsea", "coffee", "rocket")
    rgb = np.stack([np.asarray(photo(name, 224, 224)) for name in names])

    assert preprocess_input(rgb, mode).tobytes() == by_keras(rgb, mode).tobytes()


@settings(deadline=None, max_examples=50)
@given(
    arrays.arrays(np.uint8, st.tuples(*[st.integers(1, 6)] * 3).map(lambda side: (*side, 3))),
    st.sampled_from(MODES),
)
def test_random_images_are_bit_identical_to_keras(rgb: npt.NDArray[np.uint8], mode: Mode) -> None:
    assert preprocess_input(rgb, mode).tobytes() == by_keras(rgb, mode).tobytes()


def test_caffe_is_what_keras_does_for_resnet50() -> None:
    from keras.applications import resnet50

    rgb = np.asarray(photo("astronaut", 224, 224))[np.newaxis]

    ours = preprocess_input(rgb, "caffe")

    assert ours.tobytes() == resnet50.preprocess_input(rgb.copy()).tobytes()


def test_no_image_is_preprocessed_to_none() -> None:
    assert preprocess_input(np.empty((0, 4, 4, 3), np.uint8), "caffe").shape == (0, 4, 4, 3)


@pytest.mark.parametrize("mode", MODES)
def test_the_input_is_not_touched(mode: Mode) -> None:
    rgb = np.asarray(photo())[np.newaxis].copy()
    before = rgb.copy()

    preprocess_input(rgb, mode)

    assert np.array_equal(rgb, before)


@pytest.mark.parametrize("mode", MODES)
def test_the_result_can_be_written_straight_into_a_file(mode: Mode, tmp_path: Path) -> None:
    rgb = np.stack([np.asarray(photo(name)) for name in ("chelsea", "coffee")])
    path = tmp_path / "feature_engineered.npy"
    out = np.lib.format.open_memmap(path, "w+", np.float32, rgb.shape)

    returned = preprocess_input(rgb, mode, out=out)
    out.flush()

    assert returned is out
    assert np.array_equal(np.load(path), preprocess_input(rgb, mode))


@pytest.mark.parametrize("shape", [(0, 40, 61, 3), (2, 40, 61, 3), (1, 40, 60, 3), (1, 40, 61, 1)])
def test_an_output_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    rgb = np.asarray(photo())[np.newaxis]

    with pytest.raises(ValueError, match=r"shape|argument 2"):
        preprocess_input(rgb, "caffe", out=np.empty(shape, np.float32))


def test_resized_rgb_is_the_decoded_image_in_rgb_order() -> None:
    bgr = np.zeros((4, 6, 3), np.uint8)
    bgr[...] = (10, 20, 30)

    rgb = resized_rgb(bgr, Preprocessing(height=5, width=3))

    assert rgb.shape == (5, 3, 3)
    assert (rgb == (30, 20, 10)).all()


@pytest.mark.parametrize("file_format", ["PNG", "JPEG"])
def test_loading_is_decoding_and_resizing(file_format: str) -> None:
    data = encode(photo("coffee", 300, 260), file_format)
    preprocessing = Preprocessing()

    rgb = load_resized_rgb(data, preprocessing, DecodeLimits())

    assert rgb.shape == (224, 224, 3)
    assert np.array_equal(rgb, resized_rgb(decode_image(data, DecodeLimits()), preprocessing))


def test_loading_what_is_no_image_tells_why() -> None:
    with pytest.raises(RejectedImage, match="not an image"):
        load_resized_rgb(b"hello", Preprocessing(), DecodeLimits())


def test_a_pinned_preprocessing_comes_back_equal() -> None:
    pinned = Preprocessing(height=299, width=299, mode="tf")

    assert Preprocessing.model_validate_json(pinned.model_dump_json()) == pinned


@pytest.mark.parametrize(
    "pinned",
    [{"revision": 2}, {"resize": "crop"}, {"mode": "other"}, {"height": 0}, {"unknown": 1}],
)
def test_a_preprocessing_that_this_code_cannot_repeat_is_refused(pinned: dict[str, object]) -> None:
    with pytest.raises(pydantic.ValidationError):
        Preprocessing.model_validate(pinned)


def test_what_a_network_does_itself_is_left_to_it() -> None:
    rgb = np.arange(2 * 2 * 3, dtype=np.uint8).reshape(1, 2, 2, 3)
    np.testing.assert_array_equal(preprocess_input(rgb, "raw"), rgb.astype(np.float32))


def test_the_arithmetic_of_another_network_is_declared() -> None:
    rgb = np.array([[[[10, 20, 30]]]], np.uint8)
    scaling = Scaling(order="BGR", scale=0.5, mean=(1, 2, 3), std=(2, 4, 8))
    np.testing.assert_array_equal(preprocess_input(rgb, scaling), [[[[7, 2, 0.25]]]])
    pinned = Preprocessing(mode=scaling)
    assert Preprocessing.model_validate_json(pinned.model_dump_json()) == pinned
