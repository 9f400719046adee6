from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import UserError
from tasks.vectorizer.batches import transform_in_batches

SHAPE = (2, 3, 3)
Floats = npt.NDArray[np.float32]


def channel_means(batch: Floats) -> Floats:
    return batch.mean(axis=(1, 2))


def images(count: int) -> Floats:
    return np.random.default_rng(count).standard_normal((count, *SHAPE), dtype=np.float32)


@given(count=st.integers(0, 20), batch_size=st.integers(1, 25), at_once=st.integers(1, 3))
def test_neither_size_nor_number_of_batches_shows_in_the_result(
    count: int, batch_size: int, at_once: int
) -> None:
    batch = images(count)
    vectors = transform_in_batches(channel_means, batch, SHAPE, 3, batch_size, at_once=at_once)
    assert vectors.dtype == np.float32
    assert np.array_equal(vectors, channel_means(batch))


def test_memory_mapped_images_are_handed_over_a_batch_at_a_time(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", images(10))
    sizes = []

    def run(batch: Floats) -> Floats:
        sizes.append(len(batch))
        return channel_means(batch)

    transform_in_batches(run, np.load(tmp_path / "images.npy", mmap_mode="r"), SHAPE, 3, 4)
    assert sizes == [4, 4, 2]


@pytest.mark.parametrize(
    ("count", "at_once", "expected"),
    [(32, 2, [8] * 4), (32, 3, [6] * 5 + [2]), (32, 8, [4] * 8), (10, 2, [5, 5]), (1, 2, [1])],
)
def test_batches_at_once_are_of_one_size_that_occupies_all(
    count: int, at_once: int, expected: list[int]
) -> None:
    sizes = []

    def run(batch: Floats) -> Floats:
        sizes.append(len(batch))
        return channel_means(batch)

    transform_in_batches(run, images(count), SHAPE, 3, 8, at_once=at_once)
    assert sorted(sizes, reverse=True) == expected


def test_a_network_that_fails_in_one_of_several_batches_is_heard() -> None:
    def run(batch: Floats) -> Floats:
        raise UserError("no")

    with pytest.raises(UserError, match="no"):
        transform_in_batches(run, images(9), SHAPE, 3, 2, at_once=2)


def test_a_list_of_images_will_do() -> None:
    batch = images(3)
    vectors = transform_in_batches(channel_means, list(batch), SHAPE, 3, 2)
    assert np.array_equal(vectors, channel_means(batch))


def test_no_images_have_no_vectors() -> None:
    assert transform_in_batches(channel_means, [], SHAPE, 3, 2).shape == (0, 3)


def test_images_of_another_shape_are_refused_with_both_shapes() -> None:
    with pytest.raises(UserError, match=r"\(2, 3, 3\), not float32 of shape \(3, 3, 3\)"):
        transform_in_batches(channel_means, np.ones((1, 3, 3, 3), np.float32), SHAPE, 3, 2)


def test_images_that_were_not_preprocessed_are_refused() -> None:
    with pytest.raises(UserError, match=r"preprocessed float32 .* not uint8"):
        transform_in_batches(channel_means, np.ones((1, *SHAPE), np.uint8), SHAPE, 3, 2)
