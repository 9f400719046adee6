"""Which regions of a picture count: each is blurred in turn, and what is lost is what it was worth.

Occlusion sensitivity after Zeiler and Fergus, "Visualizing and Understanding Convolutional
Networks", 2014, section 4.2; with blur in place of grey, whose edges would be features themselves.
"""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from tasks.imaging.canvas import Image

Map = npt.NDArray[np.float32]

# A map has this many regions a side; so many of them are blurred at once, and overlap.
GRID = 8
_BLOCK = 2
_PLACES = range(GRID - _BLOCK + 1)
VARIANTS = len(_PLACES) ** 2

# Of the heat over a picture: the most that is seen of it.
_OPACITY = 0.65


def occluded(image: Image) -> Iterator[Image]:
    """Yields an image with one block of its regions blurred, then the next, row by row.

    Args:
        image: (h, w, 3) uint8.

    Yields:
        (h, w, 3) uint8, `VARIANTS` of them.
    """
    rows, columns = (np.linspace(0, side, GRID + 1).round().astype(int) for side in image.shape[:2])
    blurred = cv2.GaussianBlur(image, (0, 0), max(1.0, min(image.shape[:2]) / GRID))
    for row in _PLACES:
        for column in _PLACES:
            block = (
                slice(rows[row], rows[row + _BLOCK]),
                slice(columns[column], columns[column + _BLOCK]),
            )
            variant = image.copy()
            variant[block] = blurred[block]
            yield variant


def worth_of_regions(losses: npt.NDArray[np.floating]) -> Map:
    """Returns what each region is worth: the mean loss of the blocks that it is part of.

    Args:
        losses: (VARIANTS,), of what is measured, in the order of `occluded`.

    Returns:
        (GRID, GRID) float32; what is negative was better blurred.
    """
    total = np.zeros((GRID, GRID))
    blocks = np.zeros((GRID, GRID))
    places = ((row, column) for row in _PLACES for column in _PLACES)
    for (row, column), loss in zip(places, losses, strict=True):
        block = (slice(row, row + _BLOCK), slice(column, column + _BLOCK))
        total[block] += loss
        blocks[block] += 1
    return np.asarray(total / blocks, np.float32)


def mean_map(maps: Sequence[Map]) -> Map:
    """Returns the mean of maps, each scaled so that its best region is 1."""
    return np.asarray(np.mean([_heat(worth) for worth in maps], axis=0), np.float32)


def heated(image_bgr: Image, worth: Map) -> Image:
    """Lays a map over a picture: the more a region is worth, the hotter; the rest stays as it is.

    Args:
        image_bgr: (h, w, 3) uint8, BGR.
        worth: (GRID, GRID) float32, see `worth_of_regions`.

    Returns:
        (h, w, 3) uint8, BGR.
    """
    height, width = image_bgr.shape[:2]
    heat = cv2.resize(_heat(worth), (width, height), interpolation=cv2.INTER_LINEAR)
    colours = cv2.applyColorMap(np.asarray(heat * 255, np.uint8), cv2.COLORMAP_INFERNO)
    opacity = _OPACITY * heat[..., np.newaxis]
    return np.asarray(image_bgr * (1 - opacity) + colours * opacity, np.uint8)


def _heat(worth: Map) -> Map:
    """Returns a map from 0, worth nothing, to 1, worth most."""
    gains = np.maximum(worth, 0)
    best = gains.max()
    return np.asarray(gains / best if best > 0 else gains, np.float32)
