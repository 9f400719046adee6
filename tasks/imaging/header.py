"""What an image file says about itself, read before a single pixel is allocated."""

import dataclasses
import io
import re
import struct
import zlib

from PIL import ExifTags, Image

# How the file starts decides what it is; only these formats ever reach a decoder.
_SIGNATURES = {
    "JPEG": re.compile(rb"\xff\xd8\xff"),
    "PNG": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "GIF": re.compile(rb"GIF8[79]a"),
    "BMP": re.compile(rb"BM"),
    "TIFF": re.compile(rb"II[*+]\0|MM\0[*+]"),
    "WebP": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
    "PNM": re.compile(rb"P[1-6]\s"),
}
_PILLOW_NAMES = {"WebP": "WEBP", "PNM": "PPM"}

# The third number of a PNM header, `P6 <width> <height> <maxval>`; comments count as white space.
_PNM_MAXVAL = re.compile(rb"P[2356](?:(?:\s|#[^\n]*\n)+(\d+)){3}\s")

# What Pillow's readers raise on damaged headers; its UnidentifiedImageError is an OSError.
_HEADER_ERRORS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)

# Pillow's own limit would raise before the size is known; ours is `DecodeLimits.max_pixels`.
Image.MAX_IMAGE_PIXELS = None


class RejectedImage(ValueError):  # noqa: N818 - names what happened to an image, not a fault
    """An image that cannot be used. Its text is the reason, short and for people."""


@dataclasses.dataclass(frozen=True)
class ImageHeader:
    """What is known of an image before it is decoded.

    Attributes:
        format: A name of `_SIGNATURES`.
        width: Stored pixels per row, before `orientation` is applied.
        height: Stored rows, before `orientation` is applied.
        orientation: EXIF orientation, 1 (upright) to 8.
        has_alpha: There is an alpha channel or a transparent colour; not told for a GIF.
        transparent_grey: The sample value that a grey PNG declares transparent.
        maxval: The sample value that is white, where a PNM file sets its own.
    """

    format: str
    width: int
    height: int
    orientation: int = 1
    has_alpha: bool = False
    transparent_grey: int | None = None
    maxval: int | None = None

    @property
    def is_transposed(self) -> bool:
        """Whether the stored rows are the columns of the upright image."""
        return self.orientation >= 5


def read_header(data: bytes) -> ImageHeader:
    """Reads format, size and what decides how the pixels are to be shown.

    Args:
        data: The whole image file.

    Raises:
        RejectedImage: Not a supported format, or a header that makes no sense.
    """
    name = next((name for name, start in _SIGNATURES.items() if start.match(data)), None)
    if name is None:
        raise RejectedImage(f"not an image in a supported format ({', '.join(_SIGNATURES)})")
    try:
        if name == "GIF":
            # Not by Pillow, which allocates the first frame on opening.
            return ImageHeader(name, *struct.unpack_from("<HH", data, 6))
        if name == "PNG":
            _check_png_chunks(data)
        return _read_with_pillow(name, data)
    except RejectedImage:
        raise
    except _HEADER_ERRORS as error:
        raise RejectedImage(f"truncated, corrupt or unsupported {name}") from error


def _check_png_chunks(data: bytes) -> None:
    """Rejects a PNG that ends before its chunks do: OpenCV allocates what a chunk claims."""
    offset = 8
    while offset + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, offset)
        offset += 12 + length
        if kind == b"IEND" and offset <= len(data):
            return
    raise RejectedImage("truncated or corrupt PNG")


def _read_with_pillow(name: str, data: bytes) -> ImageHeader:
    with Image.open(io.BytesIO(data), formats=[_PILLOW_NAMES.get(name, name)]) as image:
        if name == "TIFF" and image.mode in ("I", "F"):
            raise RejectedImage("TIFF with signed, 32-bit or floating-point samples")
        return ImageHeader(
            format=name,
            width=image.width,
            height=image.height,
            orientation=_orientation(image),
            has_alpha=image.has_transparency_data,
            transparent_grey=_transparent_grey(image, data) if name == "PNG" else None,
            maxval=_maxval(data) if name == "PNM" else None,
        )


def _orientation(image: Image.Image) -> int:
    """Returns the EXIF orientation; damaged EXIF does not cost an image that is fine otherwise."""
    exif = Image.Exif()
    try:
        # Not `image.getexif()`: for a PNG that decodes the pixels.
        exif.load(image.info.get("exif", b""))
        orientation = exif.get(ExifTags.Base.Orientation, 1)
    except _HEADER_ERRORS:
        return 1
    return orientation if orientation in range(1, 9) else 1


def _transparent_grey(image: Image.Image, data: bytes) -> int | None:
    """Returns the grey that is transparent, scaled like the decoded samples (8 or 16 bits)."""
    value = image.info.get("transparency")
    if image.mode not in ("1", "L", "I;16") or not isinstance(value, int):
        return None
    bit_depth = data[24]  # IHDR comes first and has a fixed layout.
    # Pillow has already scaled 1 bit; 16 bits stay.
    return value * (255 // (2**bit_depth - 1)) if bit_depth in (2, 4) else value


def _maxval(data: bytes) -> int | None:
    match = _PNM_MAXVAL.match(data)
    maxval = int(match[1]) if match else 255
    # OpenCV scales the samples of text files (P2, P3) itself, but only up to 8 bits.
    return None if data[:2] in (b"P2", b"P3") and maxval <= 255 else maxval
