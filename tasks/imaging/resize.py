"""Resize an image by stretching it, averaging where it shrinks and interpolating where it grows."""

import cv2
import numpy as np
import numpy.typing as npt


def resize(image: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """Stretches an image to a size; the aspect ratio is not kept.

    An axis that shrinks is averaged by area, which does not alias; an axis that grows is
    interpolated linearly. Shrinking comes first: OpenCV averages by area only where no axis grows.

    Args:
        image: (h, w, 3) uint8.
        height: Rows of the result.
        width: Columns of the result.

    Returns:
        (height, width, 3) uint8.
    """
    rows, columns = image.shape[:2]
    shrunk = cv2.resize(
        image, (min(width, columns), min(height, rows)), interpolation=cv2.INTER_AREA
    )
    stretched = cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(stretched, np.uint8)
