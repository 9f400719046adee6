import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.imaging.resize import fit, resize

SIDES = st.integers(1, 60)


@given(SIDES, SIDES, SIDES, SIDES, st.integers(0, 255))
def test_one_colour_stays_that_colour(
    height: int, width: int, new_height: int, new_width: int, level: int
) -> None:
    image = np.full((height, width, 3), (level, 255 - level, 7), np.uint8)

    resized = resize(image, new_height, new_width)

    assert resized.shape == (new_height, new_width, 3)
    assert (resized == (level, 255 - level, 7)).all()


@given(SIDES, SIDES, SIDES, SIDES, st.integers(0, 2**32 - 1))
def test_no_colour_is_made_up(
    height: int, width: int, new_height: int, new_width: int, seed: int
) -> None:
    image = np.random.default_rng(seed).integers(90, 140, (height, width, 3), np.uint8)

    resized = resize(image, new_height, new_width)

    assert resized.dtype == np.uint8
    assert image.min() <= resized.min() <= resized.max() <= image.max()


@settings(max_examples=30)
@given(SIDES, SIDES, st.integers(0, 2**32 - 1))
def test_the_same_size_is_the_same_image(height: int, width: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)

    assert np.array_equal(resize(image, height, width), image)


def test_shrinking_averages_every_pixel() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)

    blocks = image.reshape(8, 8, 12, 8, 3).mean(axis=(1, 3))

    assert np.abs(resize(image, 8, 12) - blocks).max() <= 0.5


@given(st.tuples(*[SIDES] * 4), st.integers(0, 2**32 - 1))
def test_shrinking_is_opencvs_own_averaging_to_the_last_bit(
    sides: tuple[int, int, int, int], seed: int
) -> None:
    height, rows, width, columns = (*sorted(sides[:2]), *sorted(sides[2:]))
    image = np.random.default_rng(seed).integers(0, 256, (rows, columns, 3), np.uint8)
    expected = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(resize(image, height, width), expected)


def test_growing_interpolates() -> None:
    image = np.array([[[0, 0, 0], [200, 200, 200]]], np.uint8)

    assert resize(image, 1, 4)[0, :, 0].tolist() == [0, 50, 150, 200]


@pytest.mark.parametrize("shape", [(1, 10_000), (10_000, 1)])
def test_an_axis_that_shrinks_is_averaged_although_the_other_grows(shape: tuple[int, int]) -> None:
    image = np.zeros((*shape, 3), np.uint8)
    image.reshape(-1, 3)[::2] = 200

    resized = resize(image, 50, 50)

    assert (resized == 100).all()


TALL = np.full((60, 20, 3), 7, np.uint8)


def test_a_letterboxed_image_is_whole_and_lies_on_white() -> None:
    image = fit(TALL, 30, 30, "letterbox")
    assert (image[:, 10:20] == 7).all()
    assert (image[:, :10] == 255).all()
    assert (image[:, 20:] == 255).all()


def test_a_centre_crop_keeps_the_aspect_ratio_and_the_middle() -> None:
    image = TALL.copy()
    image[:20], image[40:] = 0, 255
    assert (fit(image, 20, 20, "center_crop") == 7).all()


def test_three_crops_are_both_ends_and_the_middle() -> None:
    image = TALL.copy()
    image[:20], image[40:] = 0, 255
    views = fit(image, 20, 20, "multi_crop").reshape(3, 20, 20, 3)
    assert [int(view[0, 0, 0]) for view in views] == [0, 7, 255]
    assert [len(np.unique(view)) for view in views] == [1, 1, 1]
