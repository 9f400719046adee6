"""Small copies of pictures, for people to look at."""

import cv2

from tasks.imaging.decode import DecodeLimits, decode_image
from tasks.imaging.resize import resize

_QUALITY = 85


def make_thumbnail(data: bytes, limits: DecodeLimits, side: int) -> bytes:
    """Returns a picture as a JPEG no longer than `side` pixels on either side; it never grows.

    Nothing of the file but its pixels gets into the thumbnail.

    Args:
        data: the whole image file.
        limits: what to refuse.
        side: of the square that it fits into.

    Raises:
        RejectedImage: the file cannot be used; the text says why.
    """
    image = decode_image(data, limits, (side, side))
    height, width = image.shape[:2]
    scale = min(1.0, side / max(height, width))
    small = resize(image, max(1, round(height * scale)), max(1, round(width * scale)))
    _, encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return encoded.tobytes()
