"""What an image file says about itself, read before a single pixel is allocated."""

import dataclasses
import io
import re
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

from tasks.imaging.memory import require_memory

# Pillow is loaded with the first header: a search by name reads none.
if TYPE_CHECKING:
    from PIL import Image

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

# `P6 <width> <height> <maxval>`; P1 and P4 have no maxval. Comments count as white space, but do
# not end a number: decoders disagree on what `10#` is.
_PNM_NUMBER = rb"\s(?:\s|#[^\r\n]*[\r\n])*(\d{1,9})"
_PNM_BITMAP = re.compile(rb"P[14]" + 2 * _PNM_NUMBER + rb"\s")
_PNM_OTHER = re.compile(rb"P[2356]" + 3 * _PNM_NUMBER + rb"\s")

# TIFF fields, and the types that an integer may have in them.
_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT = 256, 257, 322, 323
_TIFF_INTEGERS = {3: "H", 4: "I", 16: "Q"}

# libjpeg-turbo's advice: each scan passes over all pixels.
_MAX_SCANS = 500
_START_OF_SCAN = 0xDAFF  # the bytes FF DA, as a little-endian number

# More than a reader takes for a header that makes sense.
_READER_BYTES = 2**24

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
        has_alpha: A TIFF or PNG has an alpha channel or a transparent colour.
        transparent_grey: The sample value that a grey PNG declares transparent.
        maxval: The sample value that is white, where a PNM file sets its own.
        tile: (width, height) of the tiles of a TIFF, which are decompressed whole.
    """

    format: str
    width: int
    height: int
    orientation: int = 1
    has_alpha: bool = False
    transparent_grey: int | None = None
    maxval: int | None = None
    tile: tuple[int, int] = (0, 0)

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
        MemoryError: There was too little memory just then.
    """
    name = next((name for name, start in _SIGNATURES.items() if start.match(data)), None)
    if name is None:
        raise RejectedImage(f"not an image in a supported format ({', '.join(_SIGNATURES)})")
    try:
        return _read(name, data)
    except RejectedImage:
        raise
    except _HEADER_ERRORS as error:
        if isinstance(error, MemoryError):  # a damaged header may ask for any amount
            require_memory(_READER_BYTES, f"a {name}")
        raise RejectedImage(f"truncated, corrupt or unsupported {name}") from error


def _read(name: str, data: bytes) -> ImageHeader:
    match name:
        case "GIF":
            # Not by Pillow, which allocates the first frame on opening.
            return ImageHeader(name, *struct.unpack_from("<HH", data, 6))
        case "WebP":
            # Not by Pillow, which allocates two canvases.
            return _read_webp(data)
        case "PNM":
            return _read_pnm(data)
        case "PNG":
            return _read_with_pillow(name, without_ancillary_chunks(data))
        case "TIFF":
            return _read_tiff(data)
        case "JPEG" if (scans := count_scans(data)) > _MAX_SCANS:
            raise RejectedImage(f"JPEG of {scans} scans, over the limit of {_MAX_SCANS}")
        case _:
            return _read_with_pillow(name, data)


def count_scans(data: bytes) -> int:
    """Counts the scans of a JPEG, by their markers.

    `bytes.count` takes four times as long, a twentieth of what the whole image takes.

    Args:
        data: The whole file, of two bytes or more.
    """
    starts = (0, 1)
    pairs = (np.frombuffer(data, "<u2", (len(data) - start) // 2, start) for start in starts)
    return sum(int(np.count_nonzero(there == _START_OF_SCAN)) for there in pairs)


def without_ancillary_chunks(data: bytes) -> bytes:
    """Leaves of a PNG what makes the picture: critical chunks, transparency and EXIF.

    Texts and profiles inflate to megabytes each, to no purpose here, and animation chunks make
    OpenCV hold several frames.

    Raises:
        RejectedImage: The file ends before its chunks do: OpenCV allocates what a chunk claims.
    """
    view = memoryview(data)
    kept = [view[:8]]
    offset = 8
    while offset + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, offset)
        end = offset + 12 + length
        if end > len(data):
            break
        is_critical = not kind[0] & 0x20
        if is_critical or kind in (b"tRNS", b"eXIf"):
            kept.append(view[offset:end])
        if kind == b"IEND":
            return b"".join(kept)
        offset = end
    raise RejectedImage("truncated or corrupt PNG")


def _read_webp(data: bytes) -> ImageHeader:
    """Reads the canvas, or the one frame of a file without, and EXIF."""
    match data[12:16]:
        case b"VP8X":
            width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
        case b"VP8L":
            (bits,) = struct.unpack_from("<I", data, 21)
            width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case b"VP8 ":
            width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
        case _:
            raise ValueError("no image in the first chunk")
    orientation, offset = 1, 12
    while offset + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, offset)
        if kind == b"EXIF":
            orientation = _orientation(data[offset + 8 : offset + 8 + length])
            break
        offset += 8 + length + length % 2
    return ImageHeader("WebP", width, height, orientation)


def _read_pnm(data: bytes) -> ImageHeader:
    match = (_PNM_BITMAP if data[1:2] in b"14" else _PNM_OTHER).match(data)
    if match is None:
        raise ValueError("no PNM header")
    width, height, *rest = map(int, match.groups())
    maxval = rest[0] if rest else None
    # OpenCV scales the samples of text files (P2, P3) itself, but only up to 8 bits.
    if maxval is not None and maxval <= 255 and data[1:2] in b"23":
        maxval = None
    return ImageHeader("PNM", width, height, maxval=maxval)


def _read_tiff(data: bytes) -> ImageHeader:
    """Reads a TIFF by Pillow, except for sizes: those must be told once, and in one way."""
    fields = _tiff_fields(data)
    header = _read_with_pillow("TIFF", data)
    return dataclasses.replace(
        header,
        width=fields[_WIDTH],
        height=fields[_HEIGHT],
        tile=(fields.get(_TILE_WIDTH, 0), fields.get(_TILE_HEIGHT, 0)),
    )


def _tiff_fields(data: bytes) -> dict[int, int]:
    """Returns width and height of the image and of its tiles, from the first directory."""
    order = "<" if data[:2] == b"II" else ">"
    if data[2:4] in (b"+\0", b"\0+"):  # BigTIFF
        start, count, entry = "8xQ", "Q", "HHQ8s"
    else:
        start, count, entry = "4xI", "H", "HHI4s"
    (offset,) = struct.unpack_from(order + start, data)
    (entries,) = struct.unpack_from(order + count, data, offset)
    offset += struct.calcsize(order + count)
    fields: dict[int, int] = {}
    for _ in range(entries):
        tag, kind, values, value = struct.unpack_from(order + entry, data, offset)
        offset += struct.calcsize(order + entry)
        if tag in (_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT):
            if tag in fields or values != 1:
                raise ValueError("ambiguous size")
            (fields[tag],) = struct.unpack_from(order + _TIFF_INTEGERS[kind], value)
    return fields


def _read_with_pillow(name: str, data: bytes) -> ImageHeader:
    from PIL import Image

    # Its own limit would raise before the size is known; ours is `DecodeLimits.max_pixels`.
    Image.MAX_IMAGE_PIXELS = None
    with Image.open(io.BytesIO(data), formats=[name]) as image:
        if name == "TIFF" and image.mode in ("I", "F"):
            raise RejectedImage("TIFF with signed, 32-bit or floating-point samples")
        return ImageHeader(
            format=name,
            width=image.width,
            height=image.height,
            # Not `image.getexif()`: for a PNG that decodes the pixels.
            orientation=_orientation(image.info.get("exif", b"")),
            has_alpha=image.has_transparency_data,
            transparent_grey=_transparent_grey(image, data) if name == "PNG" else None,
        )


def _orientation(exif_bytes: bytes) -> int:
    """Returns the EXIF orientation; damaged EXIF does not cost an image that is fine otherwise."""
    from PIL import ExifTags, Image

    exif = Image.Exif()
    try:
        exif.load(exif_bytes)
        orientation = exif.get(ExifTags.Base.Orientation, 1)
    except _HEADER_ERRORS:
        return 1
    return orientation if orientation in range(1, 9) else 1


def _transparent_grey(image: "Image.Image", data: bytes) -> int | None:
    """Returns the grey that is transparent, scaled like the decoded samples (8 or 16 bits)."""
    value = image.info.get("transparency")
    if image.mode not in ("1", "L", "I;16") or not isinstance(value, int):
        return None
    bit_depth = data[24]  # IHDR comes first and has a fixed layout.
    # Pillow has already scaled 1 bit; 16 bits stay.
    return value * (255 // (2**bit_depth - 1)) if bit_depth in (2, 4) else value
