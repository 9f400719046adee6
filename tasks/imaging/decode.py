"""From the bytes of an image file to upright, opaque BGR pixels, within limits."""

import dataclasses
from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt
from cv2.typing import MatLike

from tasks.imaging.header import (
    ImageHeader,
    RejectedImage,
    read_header,
    without_ancillary_chunks,
)
from tasks.imaging.memory import require_memory

__all__ = ["DecodeLimits", "RejectedImage", "decode_image"]

# Flags of a JPEG decode at 1/8, 1/4, 1/2 of the size: libjpeg then skips most of the work.
_REDUCED = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
}

# As many pixels are composited at once, so that what is in between takes no memory to speak of.
_BAND = 2**16

# OpenCV's code for an allocation that failed.
_NO_MEMORY = -4
# As much as decoders take themselves, unseen, to put a picture together.
_DECODER_BYTES_A_PIXEL = 12

# What is wrong with an image is told by RejectedImage; OpenCV's own warnings would drown the log.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


@dataclasses.dataclass(frozen=True)
class DecodeLimits:
    """What is refused before any pixel is allocated.

    Attributes:
        max_bytes: Largest accepted file, in bytes.
        max_pixels: Largest accepted width times height.
    """

    max_bytes: int = 64 * 1024**2
    max_pixels: int = 100_000_000


def decode_image(
    data: bytes, limits: DecodeLimits, target: tuple[int, int] | None = None
) -> npt.NDArray[np.uint8]:
    """Decodes the first frame of an image file as a viewer would show it on white.

    EXIF orientation is applied, transparency is composited over white, and grey, palette, 16-bit,
    CMYK and YCCK files become 8-bit BGR.

    Memory grows by at most twice the file, 24 bytes a pixel and 16 MiB. A 16-bit TIFF with alpha
    takes that much, a progressive JPEG 12 bytes a pixel, an animation no more than its first frame.

    Args:
        data: The whole file: JPEG, PNG, GIF, BMP, TIFF, WebP or PNM.
        limits: What to refuse.
        target: The (height, width) that the image will be shrunk to. A JPEG is then decoded at
            1/2, 1/4 or 1/8 of its size as long as neither side falls below the target.

    Returns:
        (height, width, 3) uint8, BGR.

    Raises:
        RejectedImage: Empty, over a limit, truncated, corrupt or in no supported format.
        MemoryError: There was too little memory just then, which says nothing of the image.
    """
    if not data:
        raise RejectedImage("empty file")
    if len(data) > limits.max_bytes:
        raise RejectedImage(f"{len(data)} bytes are over the limit of {limits.max_bytes}")
    header = read_header(data)
    for what, width, height in (
        ("", header.width, header.height),
        ("tiles of ", *header.tile),
    ):
        if width * height > limits.max_pixels:
            claim = f"claims {what}{width} x {height} pixels"
            raise RejectedImage(f"{claim}, over the limit of {limits.max_pixels}")
    try:
        return np.asarray(_upright_bgr(data, header, target), np.uint8)
    except cv2.error as error:
        if _tells_of_memory(error):
            raise MemoryError(f"too little to decode {_size(header)}") from error
        raise


def _upright_bgr(data: bytes, header: ImageHeader, target: tuple[int, int] | None) -> MatLike:
    match header.format:
        case "JPEG":
            return _upright(_decode(data, header, _jpeg_flags(header, target)), header)
        case "TIFF":
            return _decode_tiff(data, header)
        case "PNG":
            data = without_ancillary_chunks(data)
    image = _decode(data, header, cv2.IMREAD_UNCHANGED)
    return _upright(_opaque_bgr(image, header), header)


def _decode(data: bytes, header: ImageHeader, flags: int) -> MatLike:
    """Runs OpenCV's decoder, which from memory refuses a file that ends too early."""
    buffer = np.frombuffer(data, np.uint8)
    try:
        image = cv2.imdecode(buffer, flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        if _tells_of_memory(error):
            raise
        image = None
    if image is None:
        # For want of memory, which not all decoders tell?
        require_memory(_DECODER_BYTES_A_PIXEL * header.width * header.height, _size(header))
        raise RejectedImage(f"truncated, corrupt or unsupported {header.format}")
    return image


def _tells_of_memory(error: cv2.error) -> bool:
    return getattr(error, "code", None) == _NO_MEMORY or "bad_alloc" in str(error)


def _size(header: ImageHeader) -> str:
    return f"a {header.format} of {header.width} x {header.height} pixels"


def _jpeg_flags(header: ImageHeader, target: tuple[int, int] | None) -> int:
    if target is None:
        return cv2.IMREAD_COLOR
    height, width = target[::-1] if header.is_transposed else target
    for divisor, flags in _REDUCED.items():
        if header.height >= divisor * height and header.width >= divisor * width:
            return flags
    return cv2.IMREAD_COLOR


def _decode_tiff(data: bytes, header: ImageHeader) -> MatLike:
    """Decodes a TIFF as colour: libtiff orients it, and multiplies its colours by alpha."""
    alpha = _tiff_alpha(data, header) if header.has_alpha else None
    colour = _decode(data, header, cv2.IMREAD_COLOR)
    if alpha is not None:
        for rows in _bands(colour):
            cv2.add(colour[rows], _white_behind(alpha[rows]), dst=colour[rows])
    return colour


def _tiff_alpha(data: bytes, header: ImageHeader) -> MatLike:
    image = _decode(data, header, cv2.IMREAD_UNCHANGED)
    if image.ndim != 3 or image.shape[2] != 4:
        raise RejectedImage("TIFF with transparency but not RGB")
    return _to_8_bit(cv2.extractChannel(image, 3))


def _opaque_bgr(image: MatLike, header: ImageHeader) -> MatLike:
    """Brings grey or colour, of 8 or 16 bits, with or without alpha, to 8-bit BGR over white."""
    opaque = np.empty((*image.shape[:2], 3), np.uint8)
    for rows in _bands(image):
        opaque[rows] = _opaque_band(image[rows], header)
    return opaque


def _opaque_band(band: MatLike, header: ImageHeader) -> MatLike:
    pixels = _to_8_bit(band, header.maxval)
    if header.transparent_grey is not None:
        pixels[band == header.transparent_grey] = 255
    if pixels.ndim == 2:
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    if pixels.shape[2] == 3:
        return pixels
    white = _white_behind(pixels[..., 3])
    colour = cv2.cvtColor(pixels, cv2.COLOR_BGRA2BGR)
    return cv2.add(cv2.multiply(colour, cv2.bitwise_not(white), scale=1 / 255), white)


def _bands(image: MatLike) -> Iterator[slice]:
    """Yields slices of rows that cover the image."""
    height, width = image.shape[:2]
    step = max(1, _BAND // width)
    return (slice(top, top + step) for top in range(0, height, step))


def _to_8_bit(image: MatLike, maxval: int | None = None) -> MatLike:
    """Scales samples so that `maxval`, by default the largest of their type, becomes 255."""
    maxval = maxval or (255 if image.dtype == np.uint8 else 65535)
    return image if maxval == 255 else cv2.convertScaleAbs(image, alpha=255 / maxval)


def _white_behind(alpha: MatLike) -> MatLike:
    """Returns what a white background adds to each channel, (h, w, 3), for an alpha of (h, w)."""
    return cv2.cvtColor(cv2.bitwise_not(alpha), cv2.COLOR_GRAY2BGR)


def _upright(image: MatLike, header: ImageHeader) -> MatLike:
    """Undoes the EXIF orientation: a transposition for 5 to 8, then a flip for all but 1 and 5."""
    if header.is_transposed:
        image = cv2.transpose(image)
    axis = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(header.orientation)
    return image if axis is None else cv2.flip(image, axis)
