"""Hundreds of hostile and odd image files, each with what must become of it."""

import base64
import io
import struct
import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import tifffile
from PIL import Image

from tests.tasks.imaging.samples import (
    encode,
    every_kind,
    fading,
    oversized,
    photo,
    png,
    sixteen_bit,
    tiff_replacing,
    tiff_with,
)

# Small, so that the process that works on all of the files can be seen to stay within them.
MAX_BYTES = 4 * 2**20
MAX_PIXELS = 1_000_000

TRUNCATED = r"^truncated"
UNSUPPORTED = r"^not an image in a supported format"
SIZE_60000 = rf"^claims 60000 x 60000 pixels, over the limit of {MAX_PIXELS}$"


@dataclass(frozen=True)
class HostileFile:
    """A file, and what may become of it: at least one of `rejected` and `shown` is given.

    Attributes:
        name: Name in the catalogue, in a folder for each kind of trouble.
        data: Content.
        rejected: Pattern of the reason, if the file may be rejected.
        shown: A file that shows the right picture in Pillow, if the file may be indexed.
        tolerance: Largest mean difference to that picture, in grey levels. Lossless formats differ
            by rounding of alpha alone; another orientation or order of colours makes 15 and more.
    """

    name: str
    data: bytes
    rejected: str = ""
    shown: bytes = b""
    tolerance: float = 0.6


@cache
def hostile_files() -> tuple[HostileFile, ...]:
    """Returns all of them; equal calls give equal files."""
    return (
        *_truncated(),
        *_flipped(),
        *_no_images(),
        *_wrong_extensions(),
        *_claiming_60000(),
        *_inflating(),
        *_lying_jpegs(),
        *_lying_gifs_and_webps(),
        *_lying_pngs(),
        *_lying_others(),
        *_animations(),
        *_pixel_types(),
        *_orientations(),
        *_extreme_sizes(),
        *_names(),
    )


def _fine(name: str, data: bytes, tolerance: float = 0.6) -> HostileFile:
    """Returns a file that must be shown as Pillow shows it."""
    return HostileFile(name, data, shown=data, tolerance=tolerance)


def _png_of(image: Image.Image) -> bytes:
    return encode(image, "PNG")


def _truncated() -> Iterator[HostileFile]:
    kinds = every_kind()
    for kind in (
        "JPEG RGB",
        "JPEG CMYK",
        "JPEG progressive",
        "PNG RGBA",
        "PNG P",
        "GIF RGB",
        "BMP RGB",
        "TIFF RGB",
        "TIFF tiff_lzw",
        "WebP RGB",
        "WebP lossless",
        "PPM RGB",
    ):
        whole = kinds[kind]
        # Of a TIFF, the last tags may be missing that the picture does not need.
        shown = whole if kind.startswith("TIFF") else b""
        for tenth in range(1, 10):
            name = f"truncated/{kind} after {tenth} tenths"
            yield HostileFile(name, whole[: len(whole) * tenth // 10], TRUNCATED, shown)


def _flipped() -> Iterator[HostileFile]:
    """One bit in each tenth: where a format has no checksum, only Pillow can tell what is shown."""
    kinds = every_kind()
    for kind in (
        "JPEG RGB",
        "JPEG progressive",
        "PNG RGB",
        "GIF RGB",
        "BMP RGB",
        "TIFF RGB",
        "WebP RGB",
        "WebP lossless",
        "PPM RGB",
    ):
        for tenth in range(10):
            damaged = bytearray(kinds[kind])
            damaged[(2 * tenth + 1) * len(damaged) // 20] ^= 1 << (tenth % 8)
            data = bytes(damaged)
            yield HostileFile(f"bit flipped/{kind} in tenth {tenth}", data, TRUNCATED, data)


def _no_images() -> Iterator[HostileFile]:
    yield HostileFile("no images/empty.jpg", b"", "^empty file$")
    for name, data in {
        "text.jpg": b"this is no picture\n",
        "page.png": b"<!DOCTYPE html><html><body>404</body></html>",
        "drawing.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "paper.pdf": b"%PDF-1.7\n",
        "archive.tif": b"PK\x03\x04" + bytes(100),
        "program.gif": b"\x7fELF" + bytes(100),
        "zeros.jpg": bytes(10_000),
        "ones.jpg": b"\xff" * 10_000,
        "one byte.bmp": b"B",
        "avif.avif": b"\0\0\0\x1cftypavif" + bytes(100),
        "heic.jpg": b"\0\0\0\x18ftypheic" + bytes(100),
        "jpeg 2000.jp2": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100),
        "photoshop.psd": b"8BPS\0\x01" + bytes(100),
        "icon.ico": b"\0\0\1\0\1\0" + bytes(100),
        "sound.webp": b"RIFF\x24\0\0\0WAVEfmt " + bytes(100),
        "byte order mark.ppm": b"\xef\xbb\xbfP6 1 1 255\n" + bytes(3),
    }.items():
        yield HostileFile(f"no images/{name}", data, UNSUPPORTED)
    for name, signature in {
        "JPEG": b"\xff\xd8\xff",
        "PNG": b"\x89PNG\r\n\x1a\n",
        "GIF": b"GIF89a",
        "BMP": b"BM",
        "TIFF": b"II*\0",
        "WebP": b"RIFF\0\0\0\0WEBP",
        "PNM": b"P6 ",
    }.items():
        reason = TRUNCATED if name != "GIF" else rf"{TRUNCATED}|^claims 65535 x 65535 pixels"
        for what, rest in (("nothing", b""), ("zeros", bytes(1000)), ("ones", b"\xff" * 1000)):
            yield HostileFile(f"no images/{name} and {what}", signature + rest, reason)
    yield HostileFile(
        "no images/too many bytes.bmp",
        encode(photo(), "BMP") + bytes(MAX_BYTES),
        rf"^\d+ bytes are over the limit of {MAX_BYTES}$",
    )


def _wrong_extensions() -> Iterator[HostileFile]:
    kinds = every_kind()
    for kind, extension in (
        ("JPEG RGB", "png"),
        ("PNG RGBA", "jpg"),
        ("GIF RGB", "tif"),
        ("BMP RGB", "webp"),
        ("TIFF RGB", "gif"),
        ("WebP RGB", "jpg"),
        ("PPM RGB", "bmp"),
        ("JPEG L", "txt"),
        ("PNG L", "exe"),
        ("JPEG RGB", "JPG.pdf"),
    ):
        yield _fine(f"wrong extensions/{kind}.{extension}", kinds[kind])


def _claiming_60000() -> Iterator[HostileFile]:
    for kind, data in oversized(60_000).items():
        yield HostileFile(f"bombs/60000 x 60000 {kind}", data, SIZE_60000)
    upside_down = bytearray(oversized(60_000)["BMP"])
    struct.pack_into("<i", upside_down, 22, -60_000)
    yield HostileFile("bombs/60000 x -60000 BMP", bytes(upside_down), SIZE_60000)
    progressive = bytearray(encode(photo(), "JPEG", progressive=True))
    frame = progressive.index(b"\xff\xc2")
    progressive[frame + 5 : frame + 9] = struct.pack(">HH", 60_000, 60_000)
    yield HostileFile("bombs/60000 x 60000 progressive JPEG", bytes(progressive), SIZE_60000)
    for magic in range(1, 7):
        data = f"P{magic}\n# a comment\n60000\t60000\n255\n0".encode()
        yield HostileFile(f"bombs/60000 x 60000 P{magic}", data, SIZE_60000)
    interlaced = bytearray(oversized(60_000)["PNG"])
    interlaced[28] = 1
    struct.pack_into(">I", interlaced, 29, zlib.crc32(interlaced[12:29]))
    yield HostileFile("bombs/60000 x 60000 interlaced PNG", bytes(interlaced), SIZE_60000)
    big = io.BytesIO()
    tifffile.imwrite(big, np.zeros((60, 60), np.uint8), bigtiff=True)
    yield HostileFile("bombs/60000 x 60000 BigTIFF", _resized_bigtiff(big.getvalue()), SIZE_60000)
    yield HostileFile(
        "bombs/PNG of 2147483647 x 2147483647",
        png((2**31 - 1, 2**31 - 1, 16, 6), b""),
        rf"^claims 2147483647 x 2147483647 pixels, over the limit of {MAX_PIXELS}$",
    )
    tiled = tiff_with(encode(photo(), "TIFF"), (322, 4, 1, 16_384), (323, 4, 1, 16_384))
    yield HostileFile(
        "bombs/TIFF in tiles of 16384 x 16384",
        tiled,
        rf"^claims tiles of 16384 x 16384 pixels, over the limit of {MAX_PIXELS}$",
    )
    yield HostileFile(
        "bombs/one pixel too many.png",
        _png_of(Image.new("L", (MAX_PIXELS + 1, 1))),
        rf"^claims {MAX_PIXELS + 1} x 1 pixels, over the limit of {MAX_PIXELS}$",
    )
    scans = encode(photo(), "JPEG", progressive=True)
    last = scans[scans.rindex(b"\xff\xda") : -2]
    yield HostileFile(
        "bombs/progressive JPEG of endless scans",
        scans[:-2] + 5_000 * last + scans[-2:],
        r"^JPEG of \d+ scans, over the limit of 500$",
    )


def _inflating() -> Iterator[HostileFile]:
    """Compressed data that inflates to far more than the picture needs."""
    picture = encode(photo(), "PNG")
    zeros = zlib.compress(bytes(8_000_000))
    profile = zlib.compress(struct.pack(">I", 50_000_000) + bytes(50_000_000))
    for name, kind, content, copies in (
        ("texts", b"zTXt", b"Comment\0\0" + zeros, 100),
        ("international texts", b"iTXt", b"Comment\0\1\0\0\0" + zeros, 100),
        ("colour profile", b"iCCP", b"bomb\0\0" + profile, 1),
    ):
        chunk = _png_chunk(kind, content)
        for where, at in (("before", 33), ("after", picture.index(b"IEND") - 4)):
            data = picture[:at] + copies * chunk + picture[at:]
            yield HostileFile(f"bombs/{name} {where} the pixels.png", data, shown=picture)
    grey = np.asarray(photo().convert("L"))
    scanlines = b"".join(b"\0" + row.tobytes() for row in grey)
    yield HostileFile(
        "bombs/more pixels than declared.png",
        png((61, 40, 8, 0), scanlines + bytes(50_000_000)),
        shown=_png_of(photo().convert("L")),
    )
    yield HostileFile(
        "bombs/strip of more pixels than declared.tif",
        _tiff_with_strip(zlib.compress(np.asarray(photo()).tobytes() + bytes(50_000_000))),
        shown=picture,
    )


def _lying_jpegs() -> Iterator[HostileFile]:
    jpeg = encode(photo(), "JPEG")
    frame = jpeg.index(b"\xff\xc0")
    end = frame + 2 + int.from_bytes(jpeg[frame + 2 : frame + 4], "big")
    second = jpeg[frame : frame + 5] + struct.pack(">HH", 500, 500) + jpeg[frame + 9 : end]
    without_height = jpeg[: frame + 5] + b"\0\0" + jpeg[frame + 7 :]
    number_of_lines = b"\xff\xdc\0\4\0\x28"
    for name, data in {
        "two frames, the larger one first": jpeg[:frame] + second + jpeg[frame:],
        "two frames, the larger one last": jpeg[:end] + second + jpeg[end:],
        "a hierarchical frame of 1 x 1": jpeg[:end] + _dhp(1) + jpeg[end:],
        "height in DNL alone": without_height[:-2] + number_of_lines + b"\xff\xd9",
        "12 bits": jpeg[: frame + 4] + b"\x0c" + jpeg[frame + 5 :],
        "16 components": jpeg[: frame + 9] + b"\x10" + jpeg[frame + 10 :],
        "no scan": jpeg[: jpeg.index(b"\xff\xda")] + b"\xff\xd9",
    }.items():
        yield HostileFile(f"lying headers/{name}.jpg", data, TRUNCATED)
    for name, data in {
        "DNL with the right height": jpeg[:-2] + number_of_lines + b"\xff\xd9",
        "a frame after fill bytes": jpeg[:frame] + b"\xff" * 99 + jpeg[frame:],
        "a thumbnail with a frame of its own": jpeg[:2]
        + b"\xff\xe1"
        + struct.pack(">H", 2 + len(second) + 4)
        + b"Exif"
        + second
        + jpeg[2:],
        "another picture behind": jpeg + encode(photo("coffee", 999, 999), "JPEG"),
        "garbage behind": jpeg + bytes(range(256)) * 40,
    }.items():
        yield _fine(f"lying headers/{name}.jpg", data)
    garbage = jpeg[:frame] + b"\0garbage\xff\0" + jpeg[frame:]
    yield HostileFile("lying headers/a frame after garbage.jpg", garbage, TRUNCATED, jpeg)


def _lying_gifs_and_webps() -> Iterator[HostileFile]:
    screen = b"GIF89a" + struct.pack("<HHBBB", 10, 10, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    huge = b"," + struct.pack("<HHHHB", 0, 0, 60_000, 60_000, 0) + b"\x02\x02\x4c\x01\0;"
    yield HostileFile("lying headers/frame larger than the screen.gif", screen + huge, TRUNCATED)

    still = encode(photo(), "WEBP")
    for name, canvas in (("larger", 999), ("smaller", 9)):
        extended = b"\0\0\0\0" + (canvas - 1).to_bytes(3, "little") * 2
        body = b"WEBPVP8X" + struct.pack("<I", 10) + extended + still[12:]
        data = b"RIFF" + struct.pack("<I", len(body)) + body
        yield HostileFile(f"lying headers/canvas {name} than the frame.webp", data, TRUNCATED)


def _lying_pngs() -> Iterator[HostileFile]:
    picture = _png_of(photo())
    for name, at, chunk in (
        (
            "PNG with a second header",
            33,
            _png_chunk(b"IHDR", struct.pack(">II5B", 9, 9, 8, 2, 0, 0, 0)),
        ),
        ("PNG of Apple's own kind", 8, _png_chunk(b"CgBI", b"\x50\0\x20\2")),
        ("PNG with an unknown critical chunk", 33, _png_chunk(b"BOMB", b"")),
        ("PNG chunk that claims 2 GB", 33, struct.pack(">I", 2**31 - 1) + b"teXt"),
        ("PNG chunk that claims 4 GB", 33, struct.pack(">I", 2**32 - 1) + b"IDAT"),
    ):
        data = picture[:at] + chunk + picture[at:]
        yield HostileFile(f"lying headers/{name}", data, TRUNCATED)
    for name, content in (
        ("no frames", struct.pack(">II", 0, 0)),
        ("4 billion frames", struct.pack(">II", 2**32 - 1, 0)),
        ("no content", b""),
    ):
        data = picture[:33] + _png_chunk(b"acTL", content) + picture[33:]
        yield HostileFile(f"lying headers/animation of {name}.png", data, shown=picture)


def _lying_others() -> Iterator[HostileFile]:
    tiff = encode(photo(), "TIFF")
    for name, field in (("width", 256), ("height", 257)):
        data = tiff_with(tiff, (field, 4, 1, 9))
        yield HostileFile(f"lying headers/{name} told twice.tif", data, TRUNCATED)
    yield HostileFile(
        "lying headers/rows per strip.tif", tiff_with(tiff, (278, 4, 1, 10**6)), TRUNCATED, tiff
    )
    yield HostileFile(
        "lying headers/PNM size in a comment.ppm", b"P5 2#900\n 1 255\n" + bytes(1800), TRUNCATED
    )
    for depth in ("float32", "float64", "int16", "uint32", "complex64"):
        file = io.BytesIO()
        tifffile.imwrite(file, np.ones((9, 9), depth))
        reason = r"^TIFF with signed, 32-bit or floating-point samples$|^truncated"
        yield HostileFile(f"lying headers/{depth}.tif", file.getvalue(), reason)
    bmp = bytearray(encode(photo(), "BMP"))
    struct.pack_into("<i", bmp, 22, -40)
    yield _fine("lying headers/top to bottom.bmp", bytes(bmp))
    pages = encode(photo(), "TIFF", save_all=True, append_images=[Image.new("1", (3_000, 3_000))])
    yield _fine("lying headers/a second page that is larger.tif", pages)


def _animations() -> Iterator[HostileFile]:
    first, others = photo(), [photo("coffee"), photo("rocket")]
    for file_format in ("GIF", "WebP", "PNG"):
        options = {"lossless": True} if file_format == "WebP" else {}
        for mode in ("RGB", "RGBA"):
            frames = [frame if mode == "RGB" else fading(frame) for frame in (first, *others)]
            data = encode(
                frames[0], file_format, save_all=True, append_images=frames[1:], **options
            )
            yield _fine(f"animations/3 frames {mode}.{file_format.lower()}", data)
        many = [Image.new("L", (9, 9), level % 256) for level in range(1, 2_000)]
        start = photo("chelsea", 9, 9).convert("L")
        data = encode(start, file_format, save_all=True, append_images=many, **options)
        yield _fine(f"animations/2000 frames.{file_format.lower()}", data)
    hidden = encode(first, "PNG", save_all=True, append_images=others, default_image=True)
    yield _fine("animations/a still for who cannot play it.png", hidden)


def _pixel_types() -> Iterator[HostileFile]:
    rgb, grey = photo(), photo().convert("L")
    for kind, data in every_kind().items():
        shown = _png_of(grey) if kind.endswith("I;16") else data
        converted = "CMYK" in kind or "YCbCr" in kind  # in rounding and in the way to RGB
        yield HostileFile(f"pixels/{kind}", data, shown=shown, tolerance=2 if converted else 0.6)
    yield from _deep_pixels()
    yield from _jpegs_out_of_the_ordinary()
    yield _fine("pixels/interlaced.gif", encode(rgb.quantize(16), "GIF", interlace=True))
    yield _fine("pixels/run-length encoded.bmp", _run_length_bmp())
    nothing = Image.new("RGBA", (5, 4), (200, 30, 60, 0))
    for file_format in ("PNG", "GIF", "WebP", "TIFF"):
        yield _fine(f"pixels/all transparent.{file_format.lower()}", encode(nothing, file_format))


def _deep_pixels() -> Iterator[HostileFile]:
    rgb = photo()
    for channels, image in (("RGB", rgb), ("RGBA", fading(rgb))):
        order = [2, 1, 0, 3][: len(channels)]
        pixels = np.ascontiguousarray(sixteen_bit(image)[..., order])
        for extension in ("png", "tif"):
            if (channels, extension) != ("RGBA", "tif"):
                data = cv2.imencode(f".{extension}", pixels)[1].tobytes()
                name = f"pixels/16-bit {channels}.{extension}"
                yield HostileFile(name, data, shown=_png_of(image))


def _jpegs_out_of_the_ordinary() -> Iterator[HostileFile]:
    rgb = photo()
    for name, transform in (("CMYK", 0), ("YCCK", 2)):
        four = bytearray(encode(photo("coffee").convert("CMYK"), "JPEG", quality=95))
        four[four.index(b"Adobe") + 11] = transform
        yield _fine(f"pixels/{name} in four channels.jpg", bytes(four), tolerance=2)
    for name, text in (("sequential", _ARITHMETIC), ("progressive", _ARITHMETIC_PROGRESSIVE)):
        yield _fine(f"pixels/arithmetic {name}.jpg", base64.b85decode(text))
    for subsampling in (0, 1, 2):
        data = encode(rgb, "JPEG", subsampling=subsampling, progressive=True)
        yield _fine(f"pixels/progressive, subsampling {subsampling}.jpg", data)
    yield _fine("pixels/restart markers.jpg", encode(rgb, "JPEG", restart_marker_blocks=1))
    yield _fine("pixels/lowest quality.jpg", encode(rgb, "JPEG", quality=1))


def _orientations() -> Iterator[HostileFile]:
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        for file_format in ("JPEG", "PNG", "WebP", "TIFF"):
            extra = {"tiffinfo": {0x0112: orientation}} if file_format == "TIFF" else {"exif": exif}
            data = encode(photo(), file_format, **extra)
            yield _fine(f"orientations/{orientation}.{file_format.lower()}", data)
    exif = Image.Exif()
    exif[0x0112] = 99
    yield _fine("orientations/99.jpg", encode(photo(), "JPEG", exif=exif))
    yield _fine("orientations/damaged.jpg", encode(photo(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff"))


def _extreme_sizes() -> Iterator[HostileFile]:
    for width, height in ((1, 1), (1, 10_000), (10_000, 1)):
        image = photo("coffee", width, height)
        for file_format in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WebP", "PPM"):
            name = f"sizes/{width} x {height}.{file_format.lower()}"
            yield _fine(name, encode(image, file_format))


def _names() -> Iterator[HostileFile]:
    # A local file system holds no component of `..` and none of more than 255 bytes, and an object
    # store's key `..` cannot be told from the folder above it; these are as near as it gets.
    names = [
        "with spaces.jpg",
        " a space at either end ",
        'it\'s "quoted" `twice`.jpg',
        "🦊 emoji 👩‍👩‍👧.jpg",
        "a..b.jpg",
        "..two dots.jpg",
        "ends in two dots..",
        "...",
        ".hidden.jpg",
        ".hidden folder/inside.jpg",
        "100%.jpg",
        "%2e%2e%2fescaped.jpg",
        "%s%n%d.jpg",
        "-rf.jpg",
        "--help",
        "-",
        "~.jpg",
        "$HOME.jpg",
        "$(touch pwned).jpg",
        "a;b&c|d>e.jpg",
        "back\\slash.jpg",
        "[a-z]*?.jpg",
        "{a,b}.jpg",
        "s3:, file:.jpg",
        "question?mark=1&x=2#fragment.jpg",
        "a,b\ttab.jpg",
        "new\nline.jpg",
        "\x1b[31mred.jpg",
        "no extension",
        "folder.jpg/inside.jpg",
        "rejected.json",
        "NULL.jpg",
        "مرحبا.jpg",
        "\u202egpj.reversed",
        "\ufeffbyte order mark.jpg",
        "Case.jpg",
        "case.jpg",
        "CASE.JPG",
        unicodedata.normalize("NFC", "Ångström.jpg"),
        unicodedata.normalize("NFD", "Ångström.jpg"),
        "x" * 251 + ".jpg",
        "é" * 125 + ".jpeg",
        "/".join(["d" * 200] * 4) + "/" + "n" * 192,  # 1,000 characters with `names/`
    ]
    for index, name in enumerate(names):
        # A picture of its own for each, so that one cannot pass for another.
        yield _fine(f"names/{name}", encode(photo("coffee", 40 + index, 90 - index), "PNG"))


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def _dhp(side: int) -> bytes:
    """Returns a segment that Pillow takes for a frame header and libjpeg for an error."""
    return b"\xff\xde" + struct.pack(">HBHHB", 17, 8, side, side, 3) + b"\1\x11\0\2\x11\0\3\x11\0"


def _tiff_with_strip(strip: bytes) -> bytes:
    """Returns a 61 x 40 RGB TIFF whose one deflated strip is this."""
    data = encode(photo(), "TIFF", compression="tiff_adobe_deflate")
    return tiff_replacing(data, {273: len(data), 279: len(strip)}) + strip


def _resized_bigtiff(data: bytes) -> bytes:
    """Returns a little-endian BigTIFF that claims to have 60000 x 60000 pixels."""
    resized = bytearray(data)
    (directory,) = struct.unpack_from("<Q", data, 8)
    (entries,) = struct.unpack_from("<Q", data, directory)
    for entry in range(directory + 8, directory + 8 + 20 * entries, 20):
        if struct.unpack_from("<H", data, entry)[0] in (256, 257):
            struct.pack_into("<HQQ", resized, entry + 2, 4, 1, 60_000)
    return bytes(resized)


def _run_length_bmp() -> bytes:
    """Returns 8 x 4 pixels in stripes of grey, as BMP RLE8."""
    rows = b"".join(bytes([8, level, 0, 0]) for level in (10, 90, 170, 250)) + b"\0\1"
    palette = b"".join(bytes([level, level // 2, 255 - level, 0]) for level in range(256))
    start = 54 + len(palette)
    header = b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start)
    info = struct.pack("<IiiHHIIiiII", 40, 8, 4, 1, 8, 1, len(rows), 0, 0, 256, 0)
    return header + info + palette + rows


# photo("coffee", 24, 16) by `cjpeg -arithmetic -quality 90`, and with -progressive; base85.
_ARITHMETIC = (
    "|JeWF01!$>Nk#wx0RR9200961|JwjV00RO70|EjA0|NsD0|NvF2n7WM1O*BQ2L=cX3JeSj3JVJj4iXRz4iOFu3lJ6%"
    "5fc;@6%`B*7Z?^47!ni}6#v@*LjeN>1O)^I2?YfS6b%av6ciK`6ciK`6ciK`6ciK`6ciK`6ciK`6ciK`6ciK`6ciK`"
    "6ciK`6ciK`6ciK`6cqo-01*fP5C9kh0U`hb5di}c0sqVZ3IGrg1pyEd1^?Or3<CiG0ucid06zf#0MFNm36@o+y*=-%"
    "bE-D2{wv$rr|G~9GG2QCS6aMCyhk^kdy;rDBq0I$ar#yusCV%>o}PVG8GM==m&dpgaPNWQlYLf}XC{CFfc)b6uZZiG"
    "u6c&k1Vt>&$GwuU#uv)BL5PsU3@I*9udeqc)!zd226WH}F8jI19i2&Q+>q^rkWW9yiAmW{x<$PcWMr^CZ1;EkUNasn"
    "izV#xj$S2SaOM|#D}V$-?%<VCM;h<Vb)0>$4euB;ggTD*m2`1ez4Zv>$-(T<NFTWW01|_%3J#reyw4(Ulb&nYjngWg"
    "Y&hLxSehw6^8U>t^Gv^edz+XQV#EQI?EuXiRvK!6|Je"
)
_ARITHMETIC_PROGRESSIVE = (
    "|JeWF01!$>Nk#wx0RR9200961|JwjV00RO70|EjA0|NsD0|NvF2n7WM1O*BQ2L=cX3JeSj3JVJj4iXRz4iOFu3lJ6%"
    "5fc;@6%`B*7Z?^47!ni}6#v@*LjeN>1O)^I2?YfS6b%av6ciK`6ciK`6ciK`6ciK`6ciK`6ciK`6ciK`6ciK`6ciK`"
    "6ciK`6ciK`6ciK`6cqo;01*fP5C9kh0U`hb5di}c0sqVZ1^^HN5dYc$3<CiG0uTcb000610H1Y0BHiW|C**==JRi}8"
    "5dX{o1P}%P+5iXv0RRC70u~h}(A*zU5kT>-NWE%k(JCsCSM<T6_1gc;00a>Q|Jncu0RsU6KLJXJm$1%c9mhgG7^wfu"
    "00a>Q|Jncu0RjO5KLHZ%3UD3D@c+yJ1P}%P+5iXv0RRR+0u@jmV*9kU;ToF+?$`T06T2%?mlFkOh@QdClW`l0Ou$PO"
    "i4C5f)ha*8YX>1UA7~-_d`sj=UjNJh1P}%P+5iXv0RRC%A^RypJHpoZnVW}+LFaywxihGuo#`&9<TQHMa;jjmj9Tzg"
    "nT{!)^aC_$|Jncy0|5X600RI301&G1|I7dc5e5I+00;pC0RcY{_mldE);f^C%KfshWM6>)%m4%t1^?Or2mt~C0Y4Dc"
    "d5w&9j3saZ6WlQW%m4%s1^?Or2mt{A0Y4Cv<TffeiYp*X5%3@)2YZxQ^fCJi?D{nx0vQ}cuM~hy>h8fY*qvL|9Fl<#"
    "oeu-ja>7BWPYay6@7cHt7nuLq"
)
