"""Blurring regions of a picture, and laying over it what they are worth."""

import numpy as np
import pytest

from tasks.imaging.occlusion import (
    GRID,
    VARIANTS,
    heated,
    mean_map,
    occluded,
    worth_of_regions,
)

RNG = np.random.default_rng(1)


@pytest.mark.parametrize("shape", [(224, 224, 3), (100, 301, 3), (5, 3, 3), (1, 1, 3)])
def test_every_variant_differs_from_the_image_in_one_block_at_most(shape: tuple[int, ...]) -> None:
    image = RNG.integers(0, 256, shape, np.uint8)
    variants = list(occluded(image))
    assert len(variants) == VARIANTS
    for variant in variants:
        assert variant.shape == image.shape
        changed = np.argwhere((variant != image).any(axis=2))
        if changed.size:
            extent = changed.max(axis=0) - changed.min(axis=0) + 1
            assert (extent <= np.array(shape[:2]) / 4 + 1).all()


def test_all_of_the_image_is_blurred_in_some_variant() -> None:
    image = RNG.integers(0, 256, (64, 96, 3), np.uint8)
    changed = np.any([(variant != image).any(axis=2) for variant in occluded(image)], axis=0)
    assert changed.mean() > 0.99


def test_the_image_itself_stays_as_it_is() -> None:
    image = RNG.integers(0, 256, (32, 32, 3), np.uint8)
    before = image.copy()
    list(occluded(image))
    np.testing.assert_array_equal(image, before)


def test_a_region_is_worth_the_mean_loss_of_the_blocks_over_it() -> None:
    losses = np.arange(VARIANTS, dtype=float)
    worth = worth_of_regions(losses)
    assert worth[0, 0] == 0
    assert worth[0, 1] == pytest.approx((0 + 1) / 2)
    assert worth[1, 1] == pytest.approx((0 + 1 + 7 + 8) / 4)
    assert worth[-1, -1] == VARIANTS - 1


def test_equal_losses_are_equal_worth_everywhere() -> None:
    np.testing.assert_allclose(worth_of_regions(np.full(VARIANTS, 0.25)), 0.25)


def test_maps_count_alike_however_large_their_losses() -> None:
    one, other = np.zeros((2, GRID, GRID), np.float32)
    one[0, 0], other[7, 7] = 0.001, 0.5
    mean = mean_map([one, other])
    assert mean[0, 0] == mean[7, 7] == 0.5


def test_heat_is_laid_where_the_worth_is_and_leaves_the_rest_as_it_is() -> None:
    image = np.full((80, 160, 3), 100, np.uint8)
    worth = np.full((GRID, GRID), -1, np.float32)
    worth[7, 0] = 0.3
    hot = (heated(image, worth) != image).any(axis=2)
    assert hot[70:, :20].all()
    assert not hot[:50].any() and not hot[:, 60:].any()


def test_a_map_without_worth_changes_nothing() -> None:
    image = RNG.integers(0, 256, (30, 40, 3), np.uint8)
    np.testing.assert_array_equal(heated(image, np.zeros((GRID, GRID), np.float32)), image)
