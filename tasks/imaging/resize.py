"""Bring an image to a size: stretched, whole on white, or cut out of its middle or all along it."""

import cv2
import numpy as np
import numpy.typing as npt
from cv2.typing import MatLike

from tasks.imaging.preprocessing import CROPS, Interpolation, Resize

Image = npt.NDArray[np.uint8]

_WHITE = 255
# Pixels of an image that may be held as float32, too: 12 MB.
_MOST_FLOATS = 2**20


def resize(image: Image, height: int, width: int, interpolation: Interpolation = "area") -> Image:
    """Stretches an image to a size; the aspect ratio is not kept.

    Args:
        image: (h, w, 3) uint8.
        height: Rows of the result.
        width: Columns of the result.
        interpolation: "area": an axis that shrinks is averaged by area, which does not alias; an
            axis that grows is interpolated linearly. Shrinking comes first: OpenCV averages by
            area only where no axis grows. "bilinear" and "bicubic" do the same to every axis and
            alias where it shrinks.

    Returns:
        (height, width, 3) uint8.
    """
    if interpolation != "area":
        flag = cv2.INTER_LINEAR if interpolation == "bilinear" else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(image, (width, height), interpolation=flag), np.uint8)
    rows, columns = image.shape[:2]
    shrunk = _shrink(image, min(height, rows), min(width, columns))
    stretched = cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(stretched, np.uint8)


def _shrink(image: Image, height: int, width: int) -> MatLike:
    """Averages by area. OpenCV does so in float32 in any case, and sooner if it need not convert.

    The result is the same. By whole numbers it has another way, in integers, which rounds halves
    up.
    """
    rows, columns = image.shape[:2]
    by_whole_numbers = rows % height == 0 and columns % width == 0
    if by_whole_numbers or rows * columns > _MOST_FLOATS:
        return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    samples = cv2.resize(image.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    return cv2.convertScaleAbs(samples)


def fit(
    image: Image, height: int, width: int, how: Resize, interpolation: Interpolation = "area"
) -> Image:
    """Brings an image to a size.

    Args:
        image: (h, w, 3) uint8.
        height: Rows of one view.
        width: Columns of one view.
        how: "stretch" distorts; "letterbox" shows all of it on white; "center_crop" cuts off what
            is too long; "multi_crop" cuts out three views, both ends and the middle.
        interpolation: See `resize`.

    Returns:
        (views * height, width, 3) uint8: the views one below the other.
    """
    match how:
        case "stretch":
            return resize(image, height, width, interpolation)
        case "letterbox":
            return _letterbox(image, height, width, interpolation)
        case "center_crop":
            return resize(_crop(image, height, width, 0.5), height, width, interpolation)
        case "multi_crop":
            places = np.linspace(0, 1, CROPS)
            views = (_crop(image, height, width, float(place)) for place in places)
            return np.concatenate([resize(view, height, width, interpolation) for view in views])


def _letterbox(image: Image, height: int, width: int, interpolation: Interpolation) -> Image:
    scale = min(height / image.shape[0], width / image.shape[1])
    rows, columns = (max(1, round(side * scale)) for side in image.shape[:2])
    canvas = np.full((height, width, 3), _WHITE, np.uint8)
    top, left = (height - rows) // 2, (width - columns) // 2
    canvas[top : top + rows, left : left + columns] = resize(image, rows, columns, interpolation)
    return canvas


def _crop(image: Image, height: int, width: int, place: float) -> Image:
    """Cuts out the largest part of an aspect ratio; 0 is its first place, 1 the last."""
    rows, columns = image.shape[:2]
    scale = min(rows / height, columns / width)
    tall, wide = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = round((rows - tall) * place), round((columns - wide) * place)
    return image[top : top + tall, left : left + wide]
