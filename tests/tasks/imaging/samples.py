"""Image files to decode, and Pillow as the second decoder that says what is in them."""

import io
import struct
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import skimage
from PIL import Image, ImageOps

PHOTOS = Path(skimage.__file__).parent / "data"
GREY_LEVELS = np.linspace(0, 255, 61).astype(np.uint8)


@cache
def photo(name: str = "chelsea", width: int = 61, height: int = 40) -> Image.Image:
    """Returns a photograph, RGB, scaled to a size."""
    with Image.open(next(PHOTOS.glob(f"{name}.*"))) as image:
        pixels = Image.fromarray(np.asarray(image.convert("RGB")))
    return pixels.resize((width, height))


def fading(image: Image.Image) -> Image.Image:
    """Returns the image with an alpha channel from transparent on the left to opaque."""
    alpha = np.tile(np.linspace(0, 255, image.width).astype(np.uint8), (image.height, 1))
    faded = image.copy()
    faded.putalpha(Image.fromarray(alpha))
    return faded


def sixteen_bit(image: Image.Image) -> npt.NDArray[np.uint16]:
    """Returns the pixels with samples from 0 to 65535."""
    return np.asarray(image).astype(np.uint16) * 257


def encode(image: Image.Image, file_format: str, **options: Any) -> bytes:
    """Returns the image as a file."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def shown_by_pillow(data: bytes) -> npt.NDArray[np.uint8]:
    """Returns the first frame as Pillow shows it on white, upright, (h, w, 3) BGR."""
    with Image.open(io.BytesIO(data)) as image:
        upright = ImageOps.exif_transpose(image)
    rgba = upright.convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    return np.asarray(Image.alpha_composite(white, rgba))[..., 2::-1]


def png(ihdr: tuple[int, ...], scanlines: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """Returns a PNG from (width, height, bit depth, colour type) and raw scan lines."""
    header = struct.pack(">IIBBBBB", *ihdr, 0, 0, 0)
    body = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(scanlines)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in body
    )


def tiff_with(data: bytes, *fields: tuple[int, int, int, int]) -> bytes:
    """Returns a little-endian TIFF with more fields: (tag, type, count, value)."""
    (directory,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, directory)
    known = data[directory + 2 : directory + 2 + 12 * count]
    entries = [known[at : at + 12] for at in range(0, len(known), 12)]
    entries += [struct.pack("<HHII", *field) for field in fields]
    entries.sort(key=lambda entry: struct.unpack_from("<H", entry))
    moved = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return data[:4] + struct.pack("<I", len(data)) + data[8:] + moved


def tiff_replacing(data: bytes, values: dict[int, int]) -> bytes:
    """Returns a little-endian TIFF with other values, by tag, of fields that it has."""
    replaced = bytearray(data)
    (directory,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, directory)
    for entry in range(directory + 2, directory + 2 + 12 * entries, 12):
        (tag,) = struct.unpack_from("<H", data, entry)
        if tag in values:
            struct.pack_into("<HII", replaced, entry + 2, 4, 1, values[tag])
    return bytes(replaced)


def every_kind() -> dict[str, bytes]:
    """Returns a small photograph in each supported format and pixel type, by a telling name."""
    rgb = photo()
    kinds: dict[str, bytes] = {}
    for file_format, modes in _MODES.items():
        for mode in modes.split():
            kinds[f"{file_format} {mode}"] = encode(_converted(rgb, mode), file_format)
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        kinds[f"TIFF {compression}"] = encode(rgb, "TIFF", compression=compression)
    kinds["TIFF group4"] = encode(rgb.convert("1"), "TIFF", compression="group4")
    kinds["JPEG progressive"] = encode(rgb, "JPEG", progressive=True)
    kinds["WebP lossless"] = encode(fading(rgb), "WEBP", lossless=True)
    kinds["PNG palette, transparent"] = encode(rgb.quantize(16), "PNG", transparency=3)
    kinds["GIF palette, transparent"] = encode(rgb.quantize(16), "GIF", transparency=3)
    return kinds


def oversized(side: int) -> dict[str, bytes]:
    """Returns files of a few bytes that claim to have `side` x `side` pixels, by format."""
    return {
        "JPEG": _claiming_jpeg(side),
        "PNG": png((side, side, 8, 2), b"\0" * 100),
        "GIF": _claiming_gif(side),
        "BMP": b"BM"
        + struct.pack("<IHHI", 66, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0)
        + bytes(12),
        "TIFF": tiff_replacing(encode(photo(), "TIFF"), {256: side, 257: side}),
        "WebP": _claiming_webp(side),
        "PNM": f"P6 {side} {side} 255\n".encode() + bytes(12),
    }


_MODES = {
    "JPEG": "RGB L CMYK",
    "PNG": "RGB RGBA L LA P 1 I;16",
    "GIF": "RGB L 1",
    "BMP": "RGB L P 1",
    "TIFF": "RGB RGBA L P 1 CMYK I;16 YCbCr",
    "WebP": "RGB RGBA",
    "PPM": "RGB L 1",
}


def _converted(image: Image.Image, mode: str) -> Image.Image:
    match mode:
        case "RGBA":
            return fading(image)
        case "LA":
            return fading(image.convert("L"))
        case "P":
            return image.quantize(64)
        case "I;16":
            return Image.fromarray(sixteen_bit(image.convert("L")))
        case _:
            return image.convert(mode)


def _claiming_jpeg(side: int) -> bytes:
    data = bytearray(encode(photo(), "JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", side, side)
    return bytes(data)


def _claiming_gif(side: int) -> bytes:
    screen = b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    erased_after = b"\x21\xf9\x04\x09\0\0\0\0"
    frame = b"," + struct.pack("<HHHHB", 0, 0, side, side, 0) + b"\x02\x02\x4c\x01\0;"
    return screen + erased_after + frame


def _claiming_webp(side: int) -> bytes:
    """An animation: a still image may not be larger than its one frame."""
    still = encode(photo(width=16, height=16), "WEBP")
    frame = b"\0" * 6 + (15).to_bytes(3, "little") * 2 + b"\x64\0\0\0" + still[12:]
    canvas = b"\x02\0\0\0" + (side - 1).to_bytes(3, "little") * 2
    body = b"WEBP"
    for kind, data in ((b"VP8X", canvas), (b"ANIM", bytes(6)), (b"ANMF", frame)):
        body += kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body
